#include "platform/signals.hpp"
