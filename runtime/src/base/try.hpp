/// base/try.hpp: passes an error on to the caller.
///
///   Result<Manifest> read(const fs::path& file) {
///     TENON_TRY(check_owner(file));                          // returns its error
///     TENON_ASSIGN(const Buffer bytes, read_file(file));     // the same, or else `bytes` is the value
///     return parse(bytes);
///   }
///
/// For functions that return a Result, or another tl::expected with the same type of error.
#pragma once

#include <utility>

#include <tenon/error.hpp>

/// Evaluates an expression of type tl::expected, and returns its error if it has one. A value is discarded.
#define TENON_TRY(...)                                              \
  do {                                                              \
    if (auto tenon_tried = (__VA_ARGS__); !tenon_tried) {           \
      return ::tl::make_unexpected(std::move(tenon_tried).error()); \
    }                                                               \
  } while (false)

/// Evaluates an expression of type tl::expected, returns its error if it has one, and otherwise stores its value in
/// `target`, which is a declaration (`auto name`) or an existing object. Two statements: not to be used as the body of
/// an `if` without braces.
#define TENON_ASSIGN(target, ...) TENON_INTERNAL_ASSIGN(TENON_INTERNAL_NAME(__LINE__), target, __VA_ARGS__)

#define TENON_INTERNAL_ASSIGN(result, target, ...)           \
  auto result = (__VA_ARGS__);                               \
  if (!result) {                                             \
    return ::tl::make_unexpected(std::move(result).error()); \
  }                                                          \
  target = *std::move(result)
#define TENON_INTERNAL_NAME(line) TENON_INTERNAL_JOIN(tenon_result_, line)
#define TENON_INTERNAL_JOIN(first, second) first##second
