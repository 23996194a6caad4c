#include "ipc/layout.hpp"
