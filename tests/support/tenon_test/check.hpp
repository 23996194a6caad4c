/// Checks for test programs that cannot use Catch2's main, because they test code before or around
/// main.
#pragma once

#include <cstdio>
#include <cstdlib>

/// Exits the program with code 1 and the location if `condition` does not hold.
#define TENON_CHECK(condition)                                                           \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                      \
    }                                                                                    \
  } while (false)

/// Returns the value of a Result; exits the program with the error's text if there is none.
#define TENON_VALUE(result)                                                                              \
  [&](auto&& tenon_result) -> decltype(auto) {                                                           \
    if (!tenon_result) {                                                                                 \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, tenon_result.error().to_string().c_str()); \
      std::exit(1);                                                                                      \
    }                                                                                                    \
    return *std::forward<decltype(tenon_result)>(tenon_result);                                          \
  }(result)
