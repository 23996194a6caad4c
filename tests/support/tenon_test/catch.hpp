/// Catch2, 2.13 or 3.x.
#pragma once

#if TENON_CATCH2_VERSION < 3
#include <catch2/catch.hpp>
#else
#include <catch2/catch_all.hpp>
#endif
