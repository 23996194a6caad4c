/// Encodes TOML tables as FlatBuffers, checked field by field against the schema.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>

#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Describes how to encode one table.
struct EncodeRequest {
  std::string_view plugin;       ///< The plugin that has the schema.
  std::string_view type;         ///< Fully qualified name of the table.
  const Entry* entry = nullptr;  ///< The table; nullptr for an empty one.
  Place owner;                   ///< Where to report the fields that an absent table lacks.
  std::string what;              ///< How messages name the table: "args of source 'tree'".
  bool partial = false;          ///< Required fields that are absent become empty ones.
};

/// Returns nullopt after reporting an error. Every unknown, missing and ill-typed field is reported
/// at its location.
[[nodiscard]] std::optional<Buffer> encode_table(const TaskDirectory& directory, const EncodeRequest& request,
                                                 const Environment& environment, Reporter& reporter);

}  // namespace tenon::internal
