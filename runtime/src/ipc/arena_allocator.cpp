#include "ipc/arena_allocator.hpp"
