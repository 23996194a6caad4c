// The template of plugins written in Python: a library without its own tasks. Packing appends a
// manifest, a schema and Python files; the schema lists the tasks.
#include "python/codec/python_api.hpp"

#include <array>
#include <utility>

#include <tenon/plugin.hpp>

#include "image.hpp"
#include "packed_plugin.hpp"

namespace py {
namespace {

/// A function of the ABI is not told for which task it is called, so each index has its own
/// function.
/// WIRE: runtime/python/tenon/_describe.py refuses more tasks.
constexpr std::size_t kMaxTasks = 256;

using tenon::internal::guard_call;

PackedPlugin& plugin_of(tenon_call_t* call) {
  return *static_cast<PackedPlugin*>(call->state);
}

template <std::size_t Index>
tenon_status_t run(tenon_call_t* call) {
  return guard_call(call, [&]() -> tenon_status_t {
    plugin_of(call).run(call, Index);
    return TENON_OK;
  });
}

template <std::size_t Index>
tenon_status_t open(tenon_call_t* call, void** session) {
  return guard_call(call, [&]() -> tenon_status_t {
    *session = plugin_of(call).open(call, Index);
    return TENON_OK;
  });
}

tenon_status_t step(tenon_call_t* call, void* session) {
  return guard_call(call, [&] { return plugin_of(call).step(call, session); });
}

tenon_status_t checkpoint(tenon_call_t* call, void* session) {
  return guard_call(call, [&]() -> tenon_status_t {
    plugin_of(call).checkpoint(call, session);
    return TENON_OK;
  });
}

struct Functions {
  tenon_status_t (*run)(tenon_call_t* call);
  tenon_status_t (*open)(tenon_call_t* call, void** session);
};

template <std::size_t... Index>
constexpr std::array<Functions, sizeof...(Index)> make_functions(std::index_sequence<Index...>) {
  return {Functions{&run<Index>, &open<Index>}...};
}

constexpr auto kFunctions = make_functions(std::make_index_sequence<kMaxTasks>());

const char* attribute_of(const reflection::RPCCall& call, const char* name) {
  const auto* const found = call.attributes() != nullptr ? call.attributes()->LookupByKey(name) : nullptr;
  return found != nullptr && found->value() != nullptr ? found->value()->c_str() : nullptr;
}

/// The descriptor, built from the schema. Lives as long as the process.
struct Descriptor {
  tenon_plugin_t plugin{};
  std::vector<tenon_task_t> tasks;

  explicit Descriptor(const tenon_manifest_t& manifest);
};

Descriptor*& descriptor() {
  static Descriptor* made = nullptr;
  return made;
}

tenon_status_t init(const tenon_worker_t* worker, tenon_bytes_t settings, void** state) {
  return tenon::internal::guard_border(
      [&]() -> tenon_status_t {
        *state = new PackedPlugin(*descriptor()->plugin.manifest, descriptor()->tasks, worker,
                                  {settings.data, static_cast<std::size_t>(settings.size_bytes)});
        return TENON_OK;
      },
      [&](tenon_status_t, const char* message) { worker->log(worker, TENON_LOG_ERROR, message); });
}

void fini(void* state) {
  delete static_cast<PackedPlugin*>(state);
}

Descriptor::Descriptor(const tenon_manifest_t& manifest) {
  const auto& calls = *packed_schema(manifest).services()->Get(0)->calls();
  if (calls.size() > kMaxTasks) {
    throw tenon::TaskError(TENON_INCOMPATIBLE, "the plugin has more tasks than its template supports; pack it again");
  }
  for (const reflection::RPCCall* const call : calls) {
    tenon_task_t& task = tasks.emplace_back();
    const Functions& functions = kFunctions[tasks.size() - 1];
    task.size_bytes = sizeof task;
    task.name = call->name()->c_str();
    task.argument_type = call->request()->name()->c_str();
    task.result_type = call->response()->name()->c_str();
    // Packing writes the full name.
    task.params_type = attribute_of(*call, "params");
    const char* const streaming = attribute_of(*call, "streaming");
    if (streaming == nullptr) {
      task.kind = TENON_TASK_PLAIN;
      task.run = functions.run;
    } else {
      task.kind = std::string_view(streaming) == "server" ? TENON_TASK_SOURCE : TENON_TASK_REDUCE;
      task.open = functions.open;
      task.step = &step;
      task.checkpoint = &checkpoint;
      task.close = &PackedPlugin::close;
    }
  }
  plugin.size_bytes = sizeof plugin;
  plugin.task_count = static_cast<std::uint32_t>(tasks.size());
  plugin.manifest = &manifest;
  plugin.tasks = tasks.data();
  plugin.init = &init;
  plugin.fini = &fini;
}

}  // namespace
}  // namespace py

extern "C" TENON_PLUGIN_EXPORT const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t* worker) {
  const tenon_plugin_t* plugin = nullptr;
  tenon::internal::guard_border(
      [&]() -> tenon_status_t {
        const tenon_manifest_t* const manifest = py::packed_manifest();
        if (manifest == nullptr) {
          throw tenon::TaskError(TENON_UNSUPPORTED,
                                 "this is the template of Python plugins, which has no tasks; python3 -m tenon.pack "
                                 "makes a plugin from a module");
        }
        if (py::descriptor() == nullptr) {
          py::descriptor() = new py::Descriptor(*manifest);
        }
        plugin = &py::descriptor()->plugin;
        return TENON_OK;
      },
      [&](tenon_status_t, const char* message) { worker->log(worker, TENON_LOG_ERROR, message); });
  return plugin;
}
