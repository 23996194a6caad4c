#include "platform/sandbox.hpp"
