/// Paths of a call that a daemon makes for a client whose working directory is another.
#pragma once

#include <filesystem>
#include <string>

#include <tenon/schema.hpp>

namespace tenon::cli {

/// What a buffer is to a task, which may name fields of it as paths.
enum class CallPart { kArgument, kParams };

/// `bytes` of `type` with absolute paths in the place of relative ones: those of each tenon.File in it, and those that
/// `task` names by its attributes `input_directory`, `left_out` (of the argument) and `output_directory` (of the
/// params). The same bytes when there are none. Errors: kInvalidArgument a relative path, but `directory` is not UTF-8;
/// those of Schema::to_json and from_json. [any-thread]
[[nodiscard]] Result<Buffer> with_absolute_paths(const Schema& schema, const TaskInfo& task, CallPart part,
                                                 const std::string& type, Buffer bytes,
                                                 const std::filesystem::path& directory);

}  // namespace tenon::cli
