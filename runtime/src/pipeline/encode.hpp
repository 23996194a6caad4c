/// TOML tables as FlatBuffers, checked field by field against the schema.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>

#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// What turns a table into bytes.
struct EncodeRequest {
  std::string_view plugin;       ///< Whose schema.
  std::string_view type;         ///< Fully qualified table.
  const Entry* entry = nullptr;  ///< The table; nullptr for an empty one.
  Place owner;                   ///< Where to report what an absent table lacks.
  std::string what;              ///< In messages: "args of source 'tree'".
};

/// nullopt after an error was reported. Every unknown, missing and ill-typed field is reported at its place.
[[nodiscard]] std::optional<Buffer> encode_table(const TaskDirectory& directory, const EncodeRequest& request,
                                                 const Environment& environment, Reporter& reporter);

}  // namespace tenon::internal
