#include "platform/file_descriptor.hpp"
