/// Parses lines of access logs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "logs_generated.h"
#include "rows/json_object.hpp"

namespace logs {

/// A request; its views lead into the line, or into the parser.
struct AccessLine {
  std::int64_t time_ns = 0;
  std::string_view client;
  std::string_view user;
  std::string_view method;
  std::string_view path;
  std::string_view query;
  std::string_view protocol;
  std::uint16_t status = 0;
  std::uint64_t size_bytes = 0;
  std::string_view referer;
  std::string_view agent;
  double seconds = 0;
};

/// Parses one line after another without allocations per field. Not thread-safe.
class AccessParser {
 public:
  explicit AccessParser(AccessFormat format) : format_(format) {}

  /// Returns false if the line is broken; error() then says why. A request that is not of HTTP, as
  /// in `"\x16\x03"`, is not an error: it is the path, without a method.
  bool parse(std::string_view line, AccessLine& request);
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  bool parse_common(std::string_view line, AccessLine& request);
  bool parse_json(std::string_view line, AccessLine& request);
  bool fail(std::string why);

  AccessFormat format_;
  tenon::rows::JsonObjectParser json_;
  std::string error_;
};

}  // namespace logs
