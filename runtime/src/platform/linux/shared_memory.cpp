#include "platform/shared_memory.hpp"
