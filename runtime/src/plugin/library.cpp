#include "plugin/library.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "base/hot.hpp"
#include "base/text.hpp"
#include "platform/dynamic_library.hpp"
#include "platform/elf_carrier.hpp"
#include "platform/file.hpp"
#include "platform/file_source.hpp"
#include "platform/shared_memory.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/manifest_reader.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {

struct LoadedPlugin::Impl {
  Manifest manifest;
  LibraryOptions options;
  tenon_plugin_t descriptor{};  ///< A copy; fields beyond the plugin's own struct are zero.
  std::vector<LoadedTask> tasks;
  void* state = nullptr;
  bool called_init = false;
  bool ready = false;
};

namespace {

/// The part that make_elf_carrier() needs.
constexpr std::uint64_t kElfHeaderBytes = 64;

/// A struct of the plugin as this build knows it: fields beyond the plugin's own size are zero.
template <typename T>
T copy_struct(const void* source, std::uint32_t size_bytes) {
  T copy;
  std::memset(&copy, 0, sizeof copy);
  std::memcpy(&copy, source, std::min<std::size_t>(size_bytes, sizeof copy));
  return copy;
}

std::uint32_t leading_size(const void* source) {
  std::uint32_t size_bytes = 0;
  std::memcpy(&size_bytes, source, sizeof size_bytes);
  return size_bytes;
}

tl::unexpected<Error> lie(const std::string& what) {
  return fail(ErrorCode::kIncompatible, what + "; build the plugin again from its schema with tenon_add_plugin()");
}

/// "a", "a and b", "a, b and c".
std::string enumerate(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += i == 0 ? "" : i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  return text;
}

/// Names the `declared` tasks that are missing among the `registered` ones, at the same index, and how to add them.
Error not_registered(const std::vector<TaskInfo>& declared, const std::vector<LoadedTask>& registered) {
  std::vector<std::string> missing;
  std::string registrations;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (i >= registered.size() || registered[i].info == nullptr) {
      missing.push_back(declared[i].name);
      registrations += (registrations.empty() ? "" : ", ") + ("plugin.task<...>(\"" + declared[i].name + "\")");
    }
  }
  const std::string says = registered.empty()
                               ? "TENON_PLUGIN registers no task, but the schema declares " + enumerate(missing)
                               : "the schema declares " + enumerate(missing) + ", but TENON_PLUGIN does not register " +
                                     (missing.size() == 1 ? "it" : "them");
  return {ErrorCode::kIncompatible, says + "; add " + registrations, {}};
}

/// How the function of a task of this kind begins.
std::string_view function_form(TaskKind kind) {
  switch (kind) {
    case TaskKind::kPlain:
      return "Offset<T> f(Call&, const Arg&)";
    case TaskKind::kSource:
      return "Source<T> f(SourceContext&, const Arg&)";
    case TaskKind::kReduce:
      return "Reduce<T> f(ReduceContext<Arg>&)";
  }
  return "";
}

std::string_view kind_name(tenon_task_kind_t kind) {
  switch (kind) {
    case TENON_TASK_PLAIN:
      return "plain";
    case TENON_TASK_SOURCE:
      return "a source";
    case TENON_TASK_REDUCE:
      return "a reduce";
    default:
      return "of an unknown kind";
  }
}

/// The attribute that makes a method of the schema a task of this kind.
std::string_view attribute_of(tenon_task_kind_t kind) {
  switch (kind) {
    case TENON_TASK_SOURCE:
      return "(streaming: \"server\")";
    case TENON_TASK_REDUCE:
      return "(streaming: \"client\")";
    default:
      return "no `streaming`";
  }
}

/// Checks that the manifest to which the descriptor points equals that of the file.
Result<void> check_manifest(const tenon_manifest_t* given, const Manifest& manifest) {
  if (given == nullptr) {
    return lie("the descriptor has no manifest");
  }
  // Reads only as many bytes as the file's manifest has; its own size field is part of the comparison.
  if (std::memcmp(given, manifest.header.data(), manifest.header.size()) != 0) {
    return lie("the descriptor's manifest is not the one in the file");
  }
  const tenon_manifest_t known =
      copy_struct<tenon_manifest_t>(given, static_cast<std::uint32_t>(manifest.header.size()));
  const auto* begin = reinterpret_cast<const std::uint8_t*>(given);
  if (std::memcmp(begin + known.schema_offset_bytes, manifest.schema.data(), manifest.schema.size()) != 0) {
    return lie("the descriptor's schema is not the one in the file");
  }
  return {};
}

/// Checks one type name of a task against the schema's. `verb` is as in "takes ", `none` as in "takes nothing".
Result<void> check_type(const std::string& task, const std::string& verb, const std::string& none, const char* given,
                        const std::string& declared) {
  if (given == nullptr ? declared.empty() : declared == given) {
    return {};
  }
  return fail(ErrorCode::kIncompatible, "the function registered as '" + task + "' " +
                                            (given == nullptr ? none : verb + printable(given, 128)) +
                                            ", but the schema's " + task + " " +
                                            (declared.empty() ? none : verb + declared) + "; change one of them");
}

Result<LoadedTask> check_task(const tenon_task_t& task, const Schema& schema) {
  if (task.name == nullptr) {
    return lie("a task of the descriptor has no name");
  }
  const TaskInfo* info = schema.find_task(task.name);
  const std::string name = printable(task.name, 128);
  if (info == nullptr) {
    std::vector<std::string> declared;
    for (const TaskInfo& other : schema.tasks()) {
      declared.push_back(other.name);
    }
    const std::string meant = did_you_mean(task.name, declared);
    return fail(ErrorCode::kIncompatible,
                "TENON_PLUGIN registers a task '" + name + "', which the schema does not declare; " +
                    (meant.empty() ? "add the method to its rpc_service, or remove the registration" : meant));
  }
  if (task.kind != static_cast<tenon_task_kind_t>(info->kind)) {
    return fail(ErrorCode::kIncompatible,
                "the function registered as '" + name + "' is " + std::string(kind_name(task.kind)) +
                    ", but the schema's " + name + " is " +
                    std::string(kind_name(static_cast<tenon_task_kind_t>(info->kind))) + "; give the method " +
                    std::string(attribute_of(task.kind)) + " in the schema, or make the function " +
                    std::string(function_form(info->kind)));
  }
  for (auto [verb, none, given, declared] :
       {std::tuple("takes ", "takes nothing", task.argument_type, &info->argument_type),
        std::tuple("gives ", "gives nothing", task.result_type, &info->result_type),
        std::tuple("takes the params ", "takes no params", task.params_type, &info->params_type)}) {
    if (auto checked = check_type(name, verb, none, given, *declared); !checked) {
      return fail(std::move(checked.error()));
    }
  }
  const bool plain = info->kind == TaskKind::kPlain;
  for (auto [function, there, needed] :
       {std::tuple("run", task.run != nullptr, plain), std::tuple("open", task.open != nullptr, !plain),
        std::tuple("step", task.step != nullptr, !plain), std::tuple("close", task.close != nullptr, !plain)}) {
    if (there != needed) {
      return lie("task '" + name + "' is " + std::string(kind_name(task.kind)) +
                 (needed ? " and has no function '" : " and has a function '") + function + "'");
    }
  }
  if (plain && task.checkpoint != nullptr) {
    return lie("task '" + name + "' is plain and has a function 'checkpoint'");
  }
  return LoadedTask{info, task.run, task.open, task.step, task.checkpoint, task.close};
}

}  // namespace

std::string_view load_stage_text(LoadStage stage) noexcept {
  switch (stage) {
    case LoadStage::kReadManifest:
      return "while its manifest was read";
    case LoadStage::kLoadLibrary:
      return "while it was loaded (in its static initialisers)";
    case LoadStage::kEntry:
      return "in tenon_plugin_entry";
    case LoadStage::kCheckDescriptor:
      return "while its descriptor was checked";
    case LoadStage::kInit:
      return "in init";
    case LoadStage::kQuiesce:
      return "in quiesce";
    case LoadStage::kFini:
      return "in fini";
    case LoadStage::kDone:
      return "at the end of its process (in a destructor or an exit handler)";
  }
  return "at an unknown place";
}

namespace {

void report(const LibraryOptions& options, LoadStage stage) {
  if (options.on_stage) {
    options.on_stage(stage);
  }
}

}  // namespace

Result<void> load_own_library(const FileDescriptor& file, const std::filesystem::path& path) {
  auto library = DynamicLibrary::load(file, path);
  if (!library) {
    return fail(std::move(library.error()));
  }
  const std::string name = path.filename().string();
  const auto opened = file_identity(file);
  const auto found = file_identity(path);
  const bool leads_there = opened && found && opened->device == found->device && opened->inode == found->inode;
  const auto source = FileSource::over(file);
  if (DynamicLibrary::is_loaded(name) || !leads_there || !source || source->size_bytes() < kElfHeaderBytes) {
    return {};
  }
  // The library does not have the name by which it is needed, so the loader gets another library that needs it by this
  // name.
  std::error_code failed;
  const auto header = source->read(0, kElfHeaderBytes);
  const Buffer carrier =
      header ? make_elf_carrier(*header, name, std::filesystem::absolute(path, failed).parent_path()) : Buffer();
  const auto memory = SharedMemory::copy_of("tenon-carrier", carrier);
  if (!carrier.empty() && memory) {
    static_cast<void>(DynamicLibrary::load(memory->descriptor(), {}));
  }
  return {};
}

LoadedPlugin::LoadedPlugin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

LoadedPlugin::~LoadedPlugin() {
  finish();
}

Result<std::unique_ptr<LoadedPlugin>> LoadedPlugin::load(const std::filesystem::path& file,
                                                         const LibraryOptions& options) {
  report(options, LoadStage::kReadManifest);
  auto descriptor = open_for_reading(file);
  if (!descriptor) {
    return fail(std::move(descriptor.error()));
  }
  return load_open(*descriptor, file, nullptr, options);
}

Result<std::unique_ptr<LoadedPlugin>> LoadedPlugin::load(const OpenPluginFile& file, const LibraryOptions& options) {
  report(options, LoadStage::kReadManifest);
  return load_open(file.descriptor, file.name, &file, options);
}

Result<std::unique_ptr<LoadedPlugin>> LoadedPlugin::load_open(const FileDescriptor& descriptor,
                                                              const std::filesystem::path& file,
                                                              const OpenPluginFile* inspected,
                                                              const LibraryOptions& options) {
  const auto stage = [&](LoadStage next) { report(options, next); };
  auto manifest = read_manifest(descriptor, file);
  if (!manifest) {
    return fail(std::move(manifest.error()));
  }
  stage(LoadStage::kLoadLibrary);
  for (const std::filesystem::path& own : options.libraries) {
    // The process itself may have loaded a library of that name through LD_LIBRARY_PATH. A second one would not be
    // used.
    const auto opened =
        DynamicLibrary::is_loaded(own.filename().string()) ? fail(ErrorCode::kNotFound, {}) : open_for_reading(own);
    if (opened) {
      static_cast<void>(load_own_library(*opened, own));
    }
  }
  auto library = DynamicLibrary::load(descriptor, file);
  if (!library) {
    return fail(std::move(library.error()));
  }
  if (inspected != nullptr) {
    // The change time also changes with the file's links and mode, so the content decides. By now, only the static
    // initialisers of the library have run.
    const auto loaded = file_identity(descriptor);
    const bool touched = !loaded || *loaded != inspected->identity;
    if (touched && sha256_of_file(descriptor).value_or("") != inspected->sha256) {
      return fail(changed_since_inspection(file, "it was written to while it was loaded"));
    }
  }
  auto entry = library->function<tenon_plugin_entry_fn>(TENON_PLUGIN_ENTRY_NAME);
  if (!entry) {
    return lie(file.string() + ": the library does not export " TENON_PLUGIN_ENTRY_NAME);
  }
  auto impl = std::make_unique<Impl>(Impl{std::move(*manifest), options, {}, {}});
  stage(LoadStage::kEntry);
  const tenon_plugin_t* given = (*entry)(options.worker);
  stage(LoadStage::kCheckDescriptor);
  const auto in_file = [&](Error error) {
    error.message =
        file.string() + ": plugin '" + impl->manifest.name + "' " + impl->manifest.version + ": " + error.message;
    return fail(std::move(error));
  };
  if (given == nullptr) {
    return fail(
        ErrorCode::kUnavailable,
        file.string() + ": tenon_plugin_entry gave no descriptor; the plugin's log says why it cannot work here");
  }
  const std::uint32_t size_bytes = leading_size(given);
  if (size_bytes < TENON_PLUGIN_MIN_SIZE) {
    return in_file(lie("the descriptor says that it has " + count_of(size_bytes, "byte", "bytes") + "; the least is " +
                       std::to_string(TENON_PLUGIN_MIN_SIZE))
                       .value());
  }
  impl->descriptor = copy_struct<tenon_plugin_t>(given, size_bytes);
  if (auto checked = check_manifest(impl->descriptor.manifest, impl->manifest); !checked) {
    return in_file(std::move(checked.error()));
  }
  const std::vector<TaskInfo>& declared = impl->manifest.parsed_schema->tasks();
  const std::uint32_t count = impl->descriptor.task_count;
  if (count == 0 || impl->descriptor.tasks == nullptr) {
    return in_file(not_registered(declared, {}));
  }
  const std::uint32_t stride = leading_size(impl->descriptor.tasks);
  if (stride < TENON_TASK_MIN_SIZE || stride % alignof(tenon_task_t) != 0) {
    return in_file(lie("the first task says that it has " + count_of(stride, "byte", "bytes") + "; the least is " +
                       std::to_string(TENON_TASK_MIN_SIZE))
                       .value());
  }
  const auto* tasks = reinterpret_cast<const std::uint8_t*>(impl->descriptor.tasks);
  impl->tasks.resize(declared.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto task = copy_struct<tenon_task_t>(tasks + std::size_t{i} * stride, stride);
    if (task.size_bytes != stride) {
      return in_file(lie("task number " + std::to_string(i) + " says that it has " +
                         count_of(task.size_bytes, "byte", "bytes") + ", the first one " + std::to_string(stride))
                         .value());
    }
    auto loaded = check_task(task, *impl->manifest.parsed_schema);
    if (!loaded) {
      return in_file(std::move(loaded.error()));
    }
    LoadedTask& place = impl->tasks[static_cast<std::size_t>(loaded->info - declared.data())];
    if (place.info != nullptr) {
      return in_file({ErrorCode::kIncompatible,
                      "TENON_PLUGIN registers the task '" + loaded->info->name + "' twice; remove one of the two",
                      {}});
    }
    place = *loaded;
  }
  if (std::any_of(impl->tasks.begin(), impl->tasks.end(),
                  [](const LoadedTask& task) { return task.info == nullptr; })) {
    return in_file(not_registered(declared, impl->tasks));
  }
  return std::unique_ptr<LoadedPlugin>(new LoadedPlugin(std::move(impl)));
}

Result<void> LoadedPlugin::init(BytesView settings) {
  if (impl_->called_init) {
    return fail(ErrorCode::kInternal, "init of plugin '" + name() + "' was called before");
  }
  impl_->called_init = true;
  if (impl_->options.on_stage) {
    impl_->options.on_stage(LoadStage::kInit);
  }
  if (impl_->descriptor.init != nullptr) {
    const tenon_bytes_t bytes{settings.empty() ? nullptr : settings.data(), settings.size()};
    const tenon_status_t status = impl_->descriptor.init(impl_->options.worker, bytes, &impl_->state);
    if (status != TENON_OK) {
      const bool known = status >= TENON_FAILED && status <= TENON_INTERNAL;
      const auto code = known ? static_cast<ErrorCode>(status) : ErrorCode::kFailed;
      return fail(code, "init of plugin '" + name() + "' failed: " +
                            (known ? std::string(error_code_name(code)) : "unknown status " + std::to_string(status)) +
                            "; its log and its settings say more");
    }
  }
  impl_->ready = true;
  return {};
}

void LoadedPlugin::finish() {
  if (impl_ == nullptr || !impl_->ready) {
    return;
  }
  impl_->ready = false;
  for (auto [stage, function] : {std::pair(LoadStage::kQuiesce, impl_->descriptor.quiesce),
                                 std::pair(LoadStage::kFini, impl_->descriptor.fini)}) {
    if (impl_->options.on_stage) {
      impl_->options.on_stage(stage);
    }
    if (function != nullptr) {
      function(impl_->state);
    }
  }
  impl_->state = nullptr;
}

const std::string& LoadedPlugin::name() const noexcept {
  return impl_->manifest.name;
}
const std::string& LoadedPlugin::version() const noexcept {
  return impl_->manifest.version;
}
const Schema& LoadedPlugin::schema() const noexcept {
  return *impl_->manifest.parsed_schema;
}
TENON_HOT void* LoadedPlugin::state() const noexcept {
  return impl_->state;
}
const std::vector<LoadedTask>& LoadedPlugin::tasks() const noexcept {
  return impl_->tasks;
}

const LoadedTask* LoadedPlugin::find_task(std::string_view method) const noexcept {
  for (const LoadedTask& task : impl_->tasks) {
    if (task.info->name == method) {
      return &task;
    }
  }
  return nullptr;
}

const void* LoadedPlugin::extension(const char* id) const {
  return impl_->descriptor.extension == nullptr ? nullptr : impl_->descriptor.extension(id);
}

}  // namespace tenon::internal
