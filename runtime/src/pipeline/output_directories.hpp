/// pipeline/output_directories.hpp: checks where the stages of a pipeline write and where its
/// sources read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/declaration.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// The task of a node.
struct ResolvedTask {
  std::string plugin;
  TaskInfo info;
  TaskFiles files;
};

/// Collects the directories that tasks declare as their output (attribute `output_directory`), so
/// that the sources skip them (attribute `left_out`). Otherwise a run would read its own results,
/// or those of an earlier run, as input. See DESIGN.md, "Files of a run".
class OutputDirectories {
 public:
  OutputDirectories(const TaskDirectory& directory, Reporter& reporter) : directory_(directory), reporter_(reporter) {}

  /// Adds the output directory of a node with encoded params, and prepares the names of its files.
  void add(const NodeDeclaration& node, const ResolvedTask& task, PlanNode& plan);
  /// Returns the arguments of a source with the directories to skip, or nullopt if the file's own
  /// arguments need no change.
  [[nodiscard]] std::optional<Entry> extend_args(const NodeDeclaration& source, const ResolvedTask& task) const;
  /// Warns about output inside a directory that a source reads. `argument` is encoded.
  void check_source(const NodeDeclaration& source, const ResolvedTask& task, const Buffer& argument);

 private:
  struct Output {
    std::string node;
    std::string written;
    std::string path;  ///< Absolute.
    Place place;
  };

  void add_naming(const NodeDeclaration& node, const ResolvedTask& task, PlanNode& plan);
  [[nodiscard]] static bool says_what_to_leave_out(const NodeDeclaration& source, const ResolvedTask& task);

  const TaskDirectory& directory_;
  Reporter& reporter_;
  std::vector<Output> outputs_;
};

}  // namespace tenon::internal
