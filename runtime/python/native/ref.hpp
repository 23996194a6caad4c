/// python/native/ref.hpp: owned references to Python objects; the codec has the class, since it stands by itself.
#pragma once

#include "python/codec/python_api.hpp"
