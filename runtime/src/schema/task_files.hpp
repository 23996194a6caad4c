/// schema/task_files.hpp: the files that a task reads and writes, as its schema declares them.
#pragma once

#include <string>

namespace tenon::internal {

/// The fields that the attributes of the task name (tenon/types.fbs); each is empty if it is not
/// declared.
struct TaskFiles {
  std::string output_name;       ///< String field of the argument: the name of the file that the task writes.
  std::string output_directory;  ///< String field of the params: the directory in which it writes.
  std::string input_directory;   ///< Sources: string field of the argument with the directory that is read.
  std::string left_out;          ///< Sources: [string] field of the argument with directories to skip.
};

}  // namespace tenon::internal
