/// Compiles binary schemas from their text, for tests without plugin files.
#pragma once

#include <stdexcept>
#include <string>

#include <flatbuffers/idl.h>

#include <tenon/bytes.hpp>

namespace tenon::test {

/// Returns a binary schema as a plugin embeds it. `text` must include no other schema.
[[nodiscard]] inline Buffer compile_schema(const std::string& text) {
  flatbuffers::IDLOptions options;
  options.binary_schema_comments = true;
  options.binary_schema_builtins = true;
  flatbuffers::Parser parser(options);
  if (!parser.Parse(text.c_str())) {
    throw std::runtime_error(parser.error_);
  }
  parser.Serialize();
  return Buffer(parser.builder_.GetBufferPointer(), parser.builder_.GetBufferPointer() + parser.builder_.GetSize());
}

}  // namespace tenon::test
