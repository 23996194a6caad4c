#include "platform/reactor/poller.hpp"
