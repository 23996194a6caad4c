/// Converts paths in a call for a daemon, whose working directory differs from the client's.
#pragma once

#include <filesystem>
#include <string>

#include <tenon/schema.hpp>

namespace tenon::cli {

/// The role of a buffer in a call. The task may declare fields of it as paths.
enum class CallPart { kArgument, kParams };

/// Returns `bytes` of `type` with relative paths made absolute: those of each tenon.File in it, and
/// those that `task` declares by its attributes `input_directory`, `left_out` (of the argument) and
/// `output_directory` (of the params). Returns the same bytes if there are none. Errors:
/// kInvalidArgument for a relative path if `directory` is not UTF-8; those of Schema::to_json and
/// from_json. [any-thread]
[[nodiscard]] Result<Buffer> with_absolute_paths(const Schema& schema, const TaskInfo& task, CallPart part,
                                                 const std::string& type, Buffer bytes,
                                                 const std::filesystem::path& directory);

}  // namespace tenon::cli
