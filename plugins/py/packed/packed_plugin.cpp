#include "packed_plugin.hpp"

#include <chrono>

#include "image.hpp"
#include "table_writer.hpp"

namespace py {

using flatbuffers::Table;
using tenon::TaskError;

namespace {

/// A source ends its step after this time, so that the worker can do other work.
constexpr std::chrono::milliseconds kStepTime{5};

/// Stands for any table: its class is known only from its plan.
struct AnyTable {
  static const char* GetFullyQualifiedName() { return "table"; }
};

const reflection::Object* settings_object(const reflection::Schema& schema) {
  const reflection::KeyValue* found = nullptr;
  for (const reflection::RPCCall* const call : *schema.services()->Get(0)->calls()) {
    if (call->attributes() != nullptr) {
      if (const auto* const attribute = call->attributes()->LookupByKey("settings")) {
        found = attribute;
      }
    }
  }
  return found != nullptr ? schema.objects()->LookupByKey(found->value()->c_str()) : nullptr;
}

/// The environment that the settings name. Read before Python starts, and therefore without plans.
/// WIRE: the settings' first field is the table PythonEnvironment of
/// runtime/python/tenon/_describe.py.
StartOptions options_of(const std::string& name, std::span<const std::uint8_t> settings) {
  constexpr flatbuffers::voffset_t kEnvironment = 4;
  constexpr flatbuffers::voffset_t kExecutable = 4;
  constexpr flatbuffers::voffset_t kPath = 6;
  constexpr flatbuffers::voffset_t kLogLevel = 8;
  StartOptions options;
  options.plugin = name;
  if (settings.data() == nullptr) {
    return options;
  }
  using Strings = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;
  flatbuffers::Verifier verifier(settings.data(), settings.size());
  const auto root = verifier.VerifyOffset(0);
  const auto* const table = reinterpret_cast<const Table*>(settings.data() + root);
  const auto* const environment =
      root != 0 && table->VerifyTableStart(verifier) && table->VerifyOffset(verifier, kEnvironment)
          ? table->GetPointer<const Table*>(kEnvironment)
          : nullptr;
  if (environment == nullptr) {
    // None is named; malformed settings are rejected later, with the rest.
    return options;
  }
  const auto string_at = [&](flatbuffers::voffset_t offset) {
    return environment->GetPointer<const flatbuffers::String*>(offset);
  };
  if (!environment->VerifyTableStart(verifier) || !environment->VerifyOffset(verifier, kExecutable) ||
      !verifier.VerifyString(string_at(kExecutable)) || !environment->VerifyOffset(verifier, kPath) ||
      !verifier.VerifyVector(environment->GetPointer<const Strings*>(kPath)) ||
      !verifier.VerifyVectorOfStrings(environment->GetPointer<const Strings*>(kPath)) ||
      !environment->VerifyOffset(verifier, kLogLevel) || !verifier.VerifyString(string_at(kLogLevel))) {
    throw TaskError(TENON_CORRUPT, "the settings of the plugin " + name + " are not a valid table");
  }
  const auto text = [&](flatbuffers::voffset_t offset) {
    return string_at(offset) != nullptr ? string_at(offset)->str() : std::string();
  };
  options.executable = text(kExecutable);
  options.log_level = text(kLogLevel);
  if (const auto* const path = environment->GetPointer<const Strings*>(kPath)) {
    for (const flatbuffers::String* const entry : *path) {
      options.path.push_back(entry->str());
    }
  }
  return options;
}

std::span<const std::uint8_t> span_of(tenon_bytes_t bytes) {
  return {bytes.data, static_cast<std::size_t>(bytes.size_bytes)};
}

}  // namespace

struct PackedPlugin::Session {
  PackedPlugin& plugin;
  const PackedTask& task;
  bool is_source = false;
  Ref object;
  Ref add;
};

PackedPlugin::PackedPlugin(const tenon_manifest_t& manifest, const std::vector<tenon_task_t>& tasks,
                           const tenon_worker_t* worker, std::span<const std::uint8_t> settings)
    : name_(manifest.name) {
  host_.emplace(options_of(name_, settings), worker);
  const Host::WithGil gil;
  try {
    load(manifest, tasks, settings);
  } catch (...) {
    tasks_.clear();
    plans_.reset();
    failure_ = Ref();
    throw;
  }
}

PackedPlugin::~PackedPlugin() {
  {
    const Host::WithGil gil;
    tasks_.clear();
    plans_.reset();
    failure_ = Ref();
  }
  host_.reset();
}

void PackedPlugin::load(const tenon_manifest_t& manifest, const std::vector<tenon_task_t>& tasks,
                        std::span<const std::uint8_t> settings) {
  const auto fail = [&](const std::string& what) {
    throw TaskError(TENON_FAILED, what + " of the plugin " + name_ + " failed:\n" + take_traceback());
  };
  const Ref files(PyDict_New());
  Ref glue;
  for (const PackedFile& file : packed_files(manifest)) {
    Ref content(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(file.content.data()),
                                          static_cast<Py_ssize_t>(file.content.size())));
    const Ref file_name(PyUnicode_FromStringAndSize(file.name.data(), static_cast<Py_ssize_t>(file.name.size())));
    if (!files || !content || !file_name || PyDict_SetItem(files.get(), file_name.get(), content.get()) != 0) {
      fail("reading the files");
    }
    if (file.name.empty()) {
      glue = std::move(content);
    }
  }
  const Ref packed(PyImport_ImportModule("tenon._packed"));
  failure_ = Ref(packed ? PyObject_GetAttrString(packed.get(), "failure") : nullptr);
  const Ref loaded(failure_ && glue
                       ? PyObject_CallMethod(packed.get(), "load", "sOO", name_.c_str(), files.get(), glue.get())
                       : nullptr);
  PyObject* tables = nullptr;
  PyObject* enums = nullptr;
  PyObject* functions = nullptr;
  if (!loaded || PyArg_ParseTuple(loaded.get(), "OOO", &tables, &enums, &functions) == 0) {
    fail("importing the module");
  }
  const reflection::Schema& schema = packed_schema(manifest);
  plans_.emplace(schema, tables, enums);
  for (const tenon_task_t& described : tasks) {
    PackedTask& task = tasks_.emplace_back();
    task.full_name = name_ + "." + described.name;
    PyObject* function = nullptr;
    PyObject* params = nullptr;
    int pass = 0;
    int give = 0;
    PyObject* const entry = PyDict_GetItemString(functions, described.name);
    if (entry == nullptr || PyArg_ParseTuple(entry, "OiOi", &function, &pass, &params, &give) == 0) {
      fail("describing the task " + task.full_name);
    }
    task.function = Ref::share(function);
    task.pass = static_cast<Pass>(pass);
    task.give = static_cast<Give>(give);
    task.argument = &plans_->table(described.argument_type);
    task.result = &plans_->table(described.result_type);
    if (described.params_type != nullptr) {
      task.params = &plans_->table(described.params_type);
      if (PyUnicode_Check(params) && PyUnicode_GET_LENGTH(params) > 0) {
        task.params_name = Ref(PyTuple_Pack(1, params));
      }
    }
  }
  const reflection::Object* const settings_table = settings_object(schema);
  if (settings_table != nullptr) {
    settings_plan_ = &plans_->table(settings_table->name()->string_view());
    set_settings(settings);
  }
  host_->connect_logging();
}

void PackedPlugin::set_settings(std::span<const std::uint8_t> bytes) {
  if (!settings_plan_->type) {
    return;
  }
  const Table* const table = verified_table(*settings_plan_, bytes, "settings table", "the plugin " + name_);
  const Ref settings = read_object(*settings_plan_, table);
  if (!settings && table != nullptr) {
    throw TaskError(TENON_INVALID_ARGUMENT, "the settings of the plugin " + name_ + ":\n" + take_traceback());
  }
  // If none are given, settings without a default are reported when a worker state requests them.
  std::string missing;
  if (!settings) {
    missing = "the settings of the plugin " + name_ + " are not set and have no defaults: " + take_traceback();
  }
  const Ref module(PyImport_ImportModule("tenon._task"));
  const Ref set(module ? PyObject_CallMethod(module.get(), "_set_settings", "sOs", name_.c_str(),
                                             settings ? settings.get() : Py_None, missing.c_str())
                       : nullptr);
  if (!set) {
    throw TaskError(TENON_FAILED, take_traceback());
  }
}

// -- Calls ------------------------------------------------------------------------------------

Ref PackedPlugin::call_function(const PackedTask& task, tenon_call_t* call, bool with_argument) {
  // The first element is for the callee: Python may store `self` there.
  ObjectVector values;
  Ref names;
  std::size_t positional = 0;
  if (with_argument) {
    const Table* const table = verified_table(*task.argument, span_of(call->argument), "argument", task.full_name);
    if (task.pass == Pass::kFields) {
      if (!task.argument->fields.empty() && !read_fields(*task.argument, table, values, names)) {
        return Ref();
      }
    } else {
      Ref object = read_object(*task.argument, table);
      if (!object) {
        return Ref();
      }
      values.take(object.release());
      positional = 1;
    }
  }
  if (task.params != nullptr) {
    const Table* const table = verified_table(*task.params, span_of(call->params), "params", task.full_name);
    if (task.params_name) {
      Ref object = read_object(*task.params, table);
      if (!object) {
        return Ref();
      }
      values.take(object.release());
      names = names ? Ref(PySequence_Concat(names.get(), task.params_name.get())) : Ref::share(task.params_name.get());
      if (!names) {
        return Ref();
      }
    } else if (!read_fields(*task.params, table, values, names)) {
      return Ref();
    }
  }
  return Ref(PyObject_Vectorcall(task.function.get(), values.data(), positional, names.get()));
}

void PackedPlugin::give(tenon::Call& call, const PackedTask& task, PyObject* result) {
  TableWriter writer(call.builder());
  flatbuffers::uoffset_t root = 0;
  switch (task.give) {
    case Give::kObject:
      root = writer.object(*task.result, result);
      break;
    case Give::kValue:
      root = writer.value(*task.result, result);
      break;
    case Give::kNothing:
      root = call.builder().EndTable(call.builder().StartTable());
      break;
  }
  if (root == 0) {
    throw_exception(call.raw());
  }
  call.commit(tenon::Offset<AnyTable>(root));
}

void PackedPlugin::run(tenon_call_t* raw, std::size_t index) {
  const PackedTask& task = tasks_[index];
  const Host::WithGil gil;
  const Host::Running running(*host_, raw);
  const Ref result = call_function(task, raw, true);
  if (!result) {
    throw_exception(raw);
  }
  tenon::Call call(raw);
  give(call, task, result.get());
}

void PackedPlugin::throw_exception(tenon_call_t* call) {
  PyObject* type = nullptr;
  PyObject* error = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &error, &traceback);
  PyErr_NormalizeException(&type, &error, &traceback);
  const Ref held_type(type);
  const Ref held_error(error);
  const Ref held_traceback(traceback);
  if (error == nullptr) {
    throw TaskError(TENON_FAILED, "the function failed without an exception, which is a bug in an extension module");
  }
  if (traceback != nullptr) {
    PyException_SetTraceback(error, traceback);
  }
  const tenon_status_t status = call->functions->poll(call);
  if (status != TENON_OK && is_about_stopping(type)) {
    throw TaskError(status, status == TENON_DEADLINE ? "the deadline of the call passed" : "the call was cancelled");
  }
  int code = TENON_FAILED;
  const char* message = nullptr;
  const Ref failure(PyObject_CallOneArg(failure_.get(), error));
  if (!failure || PyArg_ParseTuple(failure.get(), "is", &code, &message) == 0) {
    PyErr_Clear();
    PyErr_Restore(Py_NewRef(type), Py_NewRef(error), Py_XNewRef(traceback));
    throw TaskError(TENON_FAILED, take_traceback());
  }
  throw TaskError(code, message);
}

// -- Sessions ---------------------------------------------------------------------------------

void* PackedPlugin::open(tenon_call_t* call, std::size_t index) {
  const PackedTask& task = tasks_[index];
  const Host::WithGil gil;
  const Host::Running running(*host_, call);
  const bool is_source = call->argument.data != nullptr;
  auto session = std::make_unique<Session>(Session{*this, task, is_source, call_function(task, call, is_source), {}});
  if (session->object && is_source) {
    session->object = Ref(PyObject_GetIter(session->object.get()));
  } else if (session->object) {
    session->add = Ref(PyObject_GetAttrString(session->object.get(), "add"));
  }
  if (!session->object || (!is_source && !session->add)) {
    throw_exception(call);
  }
  if (call->checkpoint.data != nullptr) {
    const Ref restored(PyObject_CallMethod(session->object.get(), "restore", "y#",
                                           reinterpret_cast<const char*>(call->checkpoint.data),
                                           static_cast<Py_ssize_t>(call->checkpoint.size_bytes)));
    if (!restored) {
      throw_exception(call);
    }
  }
  return session.release();
}

tenon_status_t PackedPlugin::step(tenon_call_t* call, void* raw) {
  auto& session = *static_cast<Session*>(raw);
  const Host::WithGil gil;
  const Host::Running running(*host_, call);
  return session.is_source ? step_source(call, session) : step_reduce(call, session);
}

tenon_status_t PackedPlugin::step_source(tenon_call_t* raw, Session& session) {
  tenon::Call call(raw);
  const auto end = std::chrono::steady_clock::now() + kStepTime;
  for (std::uint32_t given = 0; given < raw->max_results; ++given) {
    const Ref item(PyIter_Next(session.object.get()));
    if (!item) {
      if (PyErr_Occurred() != nullptr) {
        throw_exception(raw);
      }
      return TENON_END;
    }
    give(call, session.task, item.get());
    if (std::chrono::steady_clock::now() >= end) {
      break;
    }
  }
  return TENON_OK;
}

Ref PackedPlugin::read_item(const PackedTask& task, tenon_call_t* call) {
  const Table* const table = verified_table(*task.argument, span_of(call->argument), "argument", task.full_name);
  if (task.pass == Pass::kObject) {
    return read_object(*task.argument, table);
  }
  ObjectVector values;
  Ref names;
  if (!read_fields(*task.argument, table, values, names)) {
    return Ref();
  }
  return Ref::share(values.size() == 0 ? Py_None : values.data()[0]);
}

tenon_status_t PackedPlugin::step_reduce(tenon_call_t* raw, Session& session) {
  if (raw->argument.data != nullptr) {
    const Ref item = read_item(session.task, raw);
    if (!item || !Ref(PyObject_CallOneArg(session.add.get(), item.get()))) {
      throw_exception(raw);
    }
    return TENON_OK;
  }
  const Ref result(PyObject_CallMethod(session.object.get(), "result", nullptr));
  if (!result) {
    throw_exception(raw);
  }
  tenon::Call call(raw);
  give(call, session.task, result.get());
  return TENON_END;
}

void PackedPlugin::checkpoint(tenon_call_t* call, void* raw) {
  auto& session = *static_cast<Session*>(raw);
  const Host::WithGil gil;
  const Host::Running running(*host_, call);
  if (PyObject_HasAttrString(session.object.get(), "save") == 0) {
    throw TaskError(TENON_UNSUPPORTED, session.task.full_name +
                                           " has no checkpoint; add to its object the methods "
                                           "save() -> bytes and restore(data)");
  }
  const Ref saved(PyObject_CallMethod(session.object.get(), "save", nullptr));
  if (!saved) {
    throw_exception(call);
  }
  if (!PyBytes_Check(saved.get())) {
    throw TaskError(TENON_FAILED,
                    "save() of " + session.task.full_name + " must return bytes, not " + Py_TYPE(saved.get())->tp_name);
  }
  const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(saved.get()));
  std::uint8_t* out = nullptr;
  tenon_status_t status = call->functions->reserve(call, size, &out);
  if (status == TENON_OK) {
    std::memcpy(out, PyBytes_AS_STRING(saved.get()), size);
    status = call->functions->commit(call, out, size);
  }
  if (status != TENON_OK) {
    throw TaskError(status, std::string("the checkpoint cannot be committed: ") + call->functions->last_error(call));
  }
}

void PackedPlugin::close(void* raw) noexcept {
  const std::unique_ptr<Session> session(static_cast<Session*>(raw));
  const Host::WithGil gil;
  // A generator runs its `finally` here, and a reduce's thread exits.
  if (session->object && PyObject_HasAttrString(session->object.get(), "close") != 0 &&
      !Ref(PyObject_CallMethod(session->object.get(), "close", nullptr))) {
    PyErr_WriteUnraisable(session->object.get());
  }
  session->add = Ref();
  session->object = Ref();
}

}  // namespace py
