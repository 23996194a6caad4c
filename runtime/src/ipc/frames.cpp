#include "ipc/frames.hpp"
