/// packed_plugin.hpp: a plugin written in Python, inside a worker.
#pragma once

#include "python/codec/python_api.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tenon/plugin.hpp>

#include "host.hpp"
#include "table_plan.hpp"
#include "table_reader.hpp"

namespace py {

/// How a table is passed to the function. WIRE: as in runtime/python/tenon/_packed.py.
enum class Pass : std::uint8_t { kFields = 0, kObject = 1, kValue = 2 };
/// How a result is converted to a table. WIRE: as in runtime/python/tenon/_packed.py.
enum class Give : std::uint8_t { kObject = 0, kValue = 1, kNothing = 2 };

struct PackedTask {
  std::string full_name;
  Ref function;
  const TablePlan* argument = nullptr;
  const TablePlan* params = nullptr;  ///< Null for a task without params.
  const TablePlan* result = nullptr;
  Pass pass = Pass::kFields;
  Give give = Give::kObject;
  /// The keyword for the params object; null: each field is passed as a keyword.
  Ref params_name;
};

/// The state of the plugin in one worker. Used on the task thread.
class PackedPlugin {
 public:
  /// Starts or joins Python and imports the plugin's module. Throws tenon::TaskError.
  PackedPlugin(const tenon_manifest_t& manifest, const std::vector<tenon_task_t>& tasks, const tenon_worker_t* worker,
               std::span<const std::uint8_t> settings);
  PackedPlugin(const PackedPlugin&) = delete;
  PackedPlugin& operator=(const PackedPlugin&) = delete;
  ~PackedPlugin();

  // Implementations of the ABI's functions for the task at an index. They throw tenon::TaskError.
  void run(tenon_call_t* call, std::size_t index);
  void* open(tenon_call_t* call, std::size_t index);
  tenon_status_t step(tenon_call_t* call, void* session);
  void checkpoint(tenon_call_t* call, void* session);
  static void close(void* session) noexcept;

 private:
  struct Session;

  void load(const tenon_manifest_t& manifest, const std::vector<tenon_task_t>& tasks,
            std::span<const std::uint8_t> settings);
  void set_settings(std::span<const std::uint8_t> bytes);
  [[nodiscard]] Ref call_function(const PackedTask& task, tenon_call_t* call, bool with_argument);
  [[nodiscard]] Ref read_item(const PackedTask& task, tenon_call_t* call);
  void give(tenon::Call& call, const PackedTask& task, PyObject* result);
  tenon_status_t step_source(tenon_call_t* call, Session& session);
  tenon_status_t step_reduce(tenon_call_t* call, Session& session);
  /// Throws the pending Python exception as a TaskError.
  [[noreturn]] void throw_exception(tenon_call_t* call);

  std::string name_;
  std::optional<Host> host_;
  std::optional<Plans> plans_;
  std::vector<PackedTask> tasks_;
  const TablePlan* settings_plan_ = nullptr;
  Ref failure_;  ///< _packed.failure
};

}  // namespace py
