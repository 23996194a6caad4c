#include "platform/dynamic_library.hpp"
