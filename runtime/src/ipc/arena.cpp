#include "ipc/arena.hpp"
