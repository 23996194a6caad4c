#include "plugin/served_file.hpp"

#include <utility>

#include "base/short_hash.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/shared_memory.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/plugin_identity.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const FileDescriptor> share(FileDescriptor descriptor) {
  return std::make_shared<const FileDescriptor>(std::move(descriptor));
}

/// Opens the file `file` if it is in the state `identity`; null if it is not, or no descriptors are left.
std::shared_ptr<const FileDescriptor> hold_open(const fs::path& file, const FileIdentity& identity) {
  auto opened = open_for_reading(file);
  const auto found = opened ? file_identity(*opened) : fail(std::move(opened.error()));
  return found && *found == identity ? share(std::move(*opened)) : nullptr;
}

std::string quoted(const fs::path& path) {
  return "'" + printable(path.string(), 1024) + "'";
}

std::vector<PluginLibrary> infos_of(const std::vector<ServedFile::Library>& libraries) {
  std::vector<PluginLibrary> infos;
  infos.reserve(libraries.size());
  for (const ServedFile::Library& library : libraries) {
    infos.push_back(library.info);
  }
  return infos;
}

}  // namespace

ServedFile::ServedFile(std::optional<Store> store, std::string sha256, fs::path source, fs::path name,
                       std::vector<Library> libraries, Kept kept)
    : store_(std::move(store)),
      sha256_(std::move(sha256)),
      source_(std::move(source)),
      name_(std::move(name)),
      libraries_(std::move(libraries)),
      list_(library_list(infos_of(libraries_))),
      kept_(std::move(kept)) {}

ServedFileRef ServedFile::stored(const Store& store, StagedPlugin staged, fs::path source) {
  Kept kept;
  kept.where = Where::kStore;
  kept.loadable = {staged.file, hold_open(staged.file, staged.identity), staged.identity};
  kept.pin = std::move(staged.pin);
  return ServedFileRef(new ServedFile(store, std::move(staged.sha256), std::move(source), staged.file.filename(),
                                      serve(store, std::move(staged.libraries)), std::move(kept)));
}

std::vector<ServedFile::Library> ServedFile::serve(const Store& store, std::vector<StagedLibrary> staged) {
  std::vector<Library> libraries;
  libraries.reserve(staged.size());
  for (StagedLibrary& library : staged) {
    Library served{{library.name, library.file, library.sha256, library.fixed}, nullptr};
    if (!library.fixed) {
      StagedPlugin copy;
      static_cast<StagedFile&>(copy) = std::move(static_cast<StagedFile&>(library));
      fs::path source = copy.source;
      served.file = stored(store, std::move(copy), std::move(source));
    }
    libraries.push_back(std::move(served));
  }
  return libraries;
}

ServedFileRef ServedFile::unstored(OpenPluginFile source, std::vector<Library> libraries) {
  Kept kept;
  kept.where = Where::kSource;
  kept.loadable = {{}, share(std::move(source.descriptor)), source.identity};
  fs::path name = source.name.filename();
  return ServedFileRef(new ServedFile(std::nullopt, std::move(source.sha256), std::move(source.name), std::move(name),
                                      std::move(libraries), std::move(kept)));
}

ServedFile::Loadable ServedFile::current() const {
  auto kept = kept_.lock();
  return kept->where == Where::kSource ? Loadable{} : kept->loadable;
}

bool ServedFile::is_in_place(Kept& kept) const {
  const fs::path& file = kept.loadable.file;
  std::error_code failed;
  if (file.empty() || !fs::is_regular_file(fs::symlink_status(file, failed))) {
    return false;
  }
  auto opened = open_for_reading(file);
  const auto found = opened ? file_identity(*opened) : fail(std::move(opened.error()));
  if (!found || (found->mode & 0222) != 0) {
    return false;
  }
  if (*found != kept.loadable.identity && sha256_of_file(*opened).value_or("") != sha256_) {
    return false;
  }
  kept.loadable = {file, share(std::move(*opened)), *found};
  return true;
}

Result<ServedFile::Source> ServedFile::source_of(const FileDescriptor& content, bool copied) const {
  TENON_ASSIGN(const auto size, file_identity(content));
  if (copied) {
    return Source{size.size_bytes, {}};
  }
  const auto listed = read_library_list(content);
  return listed ? Result<Source>(Source{listed->content_bytes, list_}) : fail(listed.error());
}

bool ServedFile::has_content(const FileDescriptor& file, bool copied) const {
  const auto source = source_of(file, copied);
  return source && sha256_of_file(file, source->bytes, source->suffix).value_or("") == sha256_;
}

bool ServedFile::is_held(Kept& kept) const {
  if (kept.loadable.descriptor == nullptr) {
    return false;
  }
  const auto found = file_identity(*kept.loadable.descriptor);
  if (!found ||
      (*found != kept.loadable.identity && !has_content(*kept.loadable.descriptor, kept.where != Where::kSource))) {
    return false;
  }
  kept.loadable.identity = *found;
  return true;
}

std::optional<FileDescriptor> ServedFile::open_source(Kept& kept, std::string& problem) const {
  auto opened = open_for_reading(source_);
  const auto found = opened ? file_identity(*opened) : fail(opened.error());
  if (!found) {
    problem = found.error().message;
    return std::nullopt;
  }
  // A file that was read before and has not changed is not read again for each call that waits for it.
  const bool foreign = kept.foreign_source && *kept.foreign_source == *found;
  if (foreign || !check_plugin_size(source_, *found) || !has_content(*opened, false)) {
    kept.foreign_source = *found;
    problem = "the plugin file " + quoted(source_) + " has another content now";
    return std::nullopt;
  }
  return std::move(*opened);
}

Result<void> ServedFile::put_into_store(Kept& kept, const FileDescriptor& content, bool copied) const {
  TENON_ASSIGN(auto staged, store_->restore(content, sha256_, name_, copied ? std::string_view() : list_));
  auto opened = hold_open(staged.file, staged.identity);
  if (opened == nullptr) {
    // It is gone again, or no descriptors are left. The descriptor must not be given up for a name that may lead
    // nowhere.
    const auto found = file_identity(staged.file);
    if (kept.loadable.descriptor != nullptr || !found || *found != staged.identity) {
      return fail(ErrorCode::kUnavailable, "the copy of " + quoted(name_) + " in the plugin store was removed again");
    }
  }
  kept.where = Where::kStore;
  kept.loadable = {staged.file, std::move(opened), staged.identity};
  kept.pin = std::move(staged.pin);
  return {};
}

Result<void> ServedFile::put_into_memory(Kept& kept, const FileDescriptor& content, bool copied) const {
  TENON_ASSIGN(const auto source, source_of(content, copied));
  const BytesView suffix(reinterpret_cast<const std::uint8_t*>(source.suffix.data()), source.suffix.size());
  TENON_ASSIGN(auto copy, SharedMemory::copy_of(name_.string(), content, source.bytes, suffix));
  TENON_ASSIGN(auto identity, file_identity(copy.descriptor()));
  // The copy is what counts: the file may have changed between its check and now.
  if (sha256_of_file(copy.descriptor()).value_or("") != sha256_) {
    return fail(changed_since_inspection(source_, "it changed while it was copied"));
  }
  kept.where = Where::kMemory;
  kept.loadable = {{}, share(copy.take_descriptor()), identity};
  return {};
}

Result<void> ServedFile::copy_to_memory() {
  for (const Library& library : libraries_) {
    auto copied = library.file == nullptr ? Result<void>() : library.file->copy_to_memory();
    if (!copied) {
      return copied;
    }
  }
  auto kept = kept_.lock();
  return kept->where == Where::kSource ? put_into_memory(*kept, *kept->loadable.descriptor, false) : Result<void>();
}

Result<ServedFile::Loadable> ServedFile::restore() {
  auto locked = kept_.lock();
  Kept& kept = *locked;
  if (kept.where == Where::kMemory || (kept.where == Where::kStore && is_in_place(kept))) {
    return kept.loadable;
  }
  const bool held = is_held(kept);
  std::string problem;
  std::optional<FileDescriptor> source = held ? std::nullopt : open_source(kept, problem);
  if (!held && !source) {
    return fail(ErrorCode::kUnavailable,
                (store_ ? "the copy of " + quoted(name_) + " in the plugin store was deleted or changed, and "
                        : "the content of " + quoted(name_) + " that this runtime serves is no longer available: ") +
                    problem + "; put the file with SHA-256 " + short_hash(sha256_) +
                    " back, or start the runtime again to use what is there");
  }
  const bool copied = held && kept.where != Where::kSource;
  // Kept here, because `kept` gets another descriptor below.
  const std::shared_ptr<const FileDescriptor> content = held ? kept.loadable.descriptor : share(std::move(*source));
  if (store_ && put_into_store(kept, *content, copied)) {
    return kept.loadable;
  }
  if (held && kept.where != Where::kSource) {
    // No name leads to it, so nothing changes it by accident.
    kept.where = Where::kHeld;
    kept.loadable.file.clear();
    return kept.loadable;
  }
  TENON_TRY(put_into_memory(kept, *content, copied));
  return kept.loadable;
}

}  // namespace tenon::internal
