#include "ipc/host_end.hpp"
