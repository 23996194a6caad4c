#include "base/unique_id.hpp"
