/// Lets a long loop of plain C++ check whether it must continue.
#pragma once

#include "rows/poll.hpp"

namespace tenon::plugins {

using rows::Poll;

}  // namespace tenon::plugins
