#include "ipc/segment_table.hpp"
