#include "ipc/worker_end.hpp"
