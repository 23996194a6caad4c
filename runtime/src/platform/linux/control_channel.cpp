#include "platform/control_channel.hpp"
