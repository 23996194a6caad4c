/// python/native/ref.hpp: owned references to Python objects; the class is in the codec, which does not depend on this
/// directory.
#pragma once

#include "python/codec/python_api.hpp"
