#include "platform/environment.hpp"
