#include "platform/doorbell.hpp"
