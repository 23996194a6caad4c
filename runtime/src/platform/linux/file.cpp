#include "platform/file.hpp"
