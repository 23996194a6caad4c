/// schema/task_files.hpp: which files a task reads and writes, as its schema declares it.
#pragma once

#include <string>

namespace tenon::internal {

/// Fields by the attributes that name them (tenon/types.fbs); each is empty when it is not declared.
struct TaskFiles {
  std::string output_name;       ///< String field of the argument: the name of the file that the task writes.
  std::string output_directory;  ///< String field of the params: the directory that it writes below.
  std::string input_directory;   ///< Sources: string field of the argument with the directory that is read.
  std::string left_out;          ///< Sources: [string] field of the argument with directories to leave out.
};

}  // namespace tenon::internal
