#include "plugin/store.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "base/scope_guard.hpp"
#include "base/short_hash.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "base/unique_id.hpp"
#include "platform/file_lock.hpp"
#include "platform/file_source.hpp"
#include "platform/private_file.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/file_trust.hpp"
#include "plugin/own_libraries.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/plugin_identity.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

/// File times advance in steps (at most 10 ms, by the kernel's timer): if a file changed longer ago than this, its next
/// change gets another time.
constexpr std::chrono::nanoseconds kTimeStep = std::chrono::milliseconds(20);
constexpr int kMaxLooks = 5;
/// Maximum time that another process's sweep of one content may take.
constexpr std::chrono::seconds kMaxSweepTime{5};

constexpr const char* kStillChanging = "changed while it was being staged; it will be taken when it is quiet";

std::string quoted(const fs::path& path) {
  return "'" + printable(path.string(), 1024) + "'";
}

Error still_changing(const fs::path& source) {
  return {ErrorCode::kUnavailable, "plugin file " + quoted(source) + " " + kStillChanging, {}};
}

/// The number in the first 16 digits of a hexadecimal text.
std::optional<std::uint64_t> leading_number(std::string_view hexadecimal) {
  std::uint64_t number = 0;
  const char* const end = hexadecimal.data() + std::min<std::size_t>(hexadecimal.size(), 16);
  const auto parsed = std::from_chars(hexadecimal.data(), end, number, 16);
  return hexadecimal.size() >= 16 && parsed.ec == std::errc() && parsed.ptr == end ? std::optional(number)
                                                                                   : std::nullopt;
}

// WIRE: hosts that share a store agree on these numbers. Two contents with the same number are rare and harmless: one
// of them is kept a little longer.
std::uint64_t lock_of_content(const std::string& sha256) {
  return leading_number(sha256).value_or(0) >> 2;
}
std::uint64_t lock_of_temporary(std::uint64_t number) {
  return (std::uint64_t{1} << 62) | (number >> 3);
}

/// The source's state once it has been quiet for so long that its next change will show; nullopt if it keeps changing.
Result<std::optional<FileIdentity>> quiet_identity(const FileDescriptor& source) {
  for (int look = 0; look < kMaxLooks; ++look) {
    TENON_ASSIGN(auto identity, file_identity(source));
    const std::chrono::nanoseconds age =
        std::chrono::system_clock::now().time_since_epoch() - std::chrono::nanoseconds(identity.ctime_ns);
    // A time in the future comes from another machine's clock and says nothing.
    if (age >= kTimeStep || age.count() < 0) {
      return identity;
    }
    std::this_thread::sleep_for(kTimeStep - age);
  }
  return std::optional<FileIdentity>();
}

std::array<fs::path, 5> parts_of(const fs::path& store) {
  return {store, store / "objects", store / "incoming", store / "quarantine", store / "hosts"};
}

/// Errors: those of check_private_directory.
Result<void> check_parts(const fs::path& store) {
  for (const fs::path& part : parts_of(store)) {
    if (auto checked = check_private_directory(part); !checked) {
      return checked;
    }
  }
  return {};
}

/// Creates the missing directories. Errors: as Store::open.
Result<void> make_parts(const fs::path& store) {
  if (check_parts(store)) {
    return {};
  }
  std::error_code failed;
  fs::create_directories(store.parent_path(), failed);
  if (failed) {
    return fail(os_error(failed.value(), "cannot make " + quoted(store.parent_path())));
  }
  for (const fs::path& part : parts_of(store)) {
    auto ready = create_private_directory(part).and_then([&part] { return check_private_directory(part); });
    if (!ready) {
      return ready;
    }
  }
  return {};
}

/// A file to be copied into a store.
struct Taking {
  const FileDescriptor& from;
  fs::path name;
  std::uint64_t size_bytes = 0;
  /// The state that `from` must still have after the copy; absent if its state does not matter.
  std::optional<FileIdentity> unchanged = {};
  /// The hash that the copy must have; empty for any.
  std::string sha256 = {};
  /// Bytes that follow the content.
  std::string_view suffix = {};
};

}  // namespace

/// The state that all copies of a Store and their pins share.
struct Pin::State {
  State(fs::path place, const StoreLimits& bounds, FileLock locks)
      : directory(std::move(place)),
        limits(bounds),
        quarantine(directory / "quarantine", bounds.max_quarantined),
        hosts(directory / "hosts", bounds.max_quarantined),
        used(Used{std::move(locks), {}, {}, {}}) {}

  struct Used {
    FileLock lock;
    /// The number of pins of each content. While there is one, this process shares the content's lock.
    std::map<std::string, std::size_t> pins;
    /// Numbers of the temporary files that are being written.
    std::set<std::uint64_t> temporaries;
    /// The states in which stored files had their hash.
    std::map<fs::path, FileIdentity> verified;

    /// Whether a pinned content uses this lock.
    [[nodiscard]] bool holds(std::uint64_t number) const {
      return std::any_of(pins.begin(), pins.end(),
                         [number](const auto& pin) { return lock_of_content(pin.first) == number; });
    }
  };

  [[nodiscard]] fs::path objects() const { return directory / "objects"; }
  [[nodiscard]] fs::path incoming() const { return directory / "incoming"; }
  [[nodiscard]] fs::path lock_file() const { return directory / "lock"; }

  /// Whether no part of the store has been deleted or replaced.
  [[nodiscard]] bool is_whole() { return check_parts(directory).has_value() && used.lock()->lock.is_at(lock_file()); }

  /// Recreates what was deleted, and takes the locks of the contents in use in a new lock file. Errors: kUnavailable:
  /// the store cannot be used in its current state.
  Result<void> mend() {
    if (is_whole()) {
      return {};
    }
    const auto refused = [this](Error error) {
      error.code = ErrorCode::kUnavailable;
      error.message = "plugin store " + quoted(directory) + " was damaged and cannot be mended: " + error.message;
      return fail(std::move(error));
    };
    if (auto made = make_parts(directory); !made) {
      return refused(std::move(made.error()));
    }
    auto locked = used.lock();
    if (locked->lock.is_at(lock_file())) {
      return {};
    }
    auto lock = FileLock::open(lock_file());
    if (!lock) {
      return refused(std::move(lock.error()));
    }
    // If a lock cannot be taken, a sweep holds it: content that the sweep removes is staged again when it is needed.
    for (const auto& [sha256, count] : locked->pins) {
      static_cast<void>(lock->try_lock(lock_of_content(sha256), LockMode::kShared));
    }
    for (const std::uint64_t number : locked->temporaries) {
      static_cast<void>(lock->try_lock(lock_of_temporary(number), LockMode::kExclusive));
    }
    locked->lock = std::move(*lock);
    return {};
  }

  /// Counts one pin; the first pin takes the content's lock.
  Result<void> acquire(const std::string& sha256) {
    const MonotonicNs deadline_ns = deadline_after(kMaxSweepTime);
    for (;;) {
      {
        auto locked = used.lock();
        std::size_t& count = locked->pins[sha256];
        if (count == 0) {
          auto taken = locked->lock.try_lock(lock_of_content(sha256), LockMode::kShared);
          if (!taken) {
            locked->pins.erase(sha256);
            return fail(std::move(taken.error()));
          }
          count = *taken ? 1 : 0;
        } else {
          ++count;
        }
        if (count > 0) {
          return {};
        }
        locked->pins.erase(sha256);
      }
      if (monotonic_now_ns() >= deadline_ns) {
        return fail(ErrorCode::kDeadline, "plugin store " + quoted(directory) + ": another process keeps the lock of " +
                                              short_hash(sha256) + "; is one stopped there?");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  void release(const std::string& sha256) noexcept {
    auto locked = used.lock();
    const auto found = locked->pins.find(sha256);
    if (found != locked->pins.end() && --found->second == 0) {
      std::error_code ignored;
      fs::last_write_time(objects() / sha256, fs::file_time_type::clock::now(), ignored);
      locked->pins.erase(found);
      const std::uint64_t number = lock_of_content(sha256);
      if (!locked->holds(number)) {
        locked->lock.unlock(number);
      }
    }
  }

  /// Counts another pin of a pinned content.
  void add_count(const std::string& sha256) { ++used.lock()->pins[sha256]; }

  /// The stored contents, oldest first.
  [[nodiscard]] Result<std::vector<StoredContent>> list(const Used& in_use) const {
    std::vector<StoredContent> contents;
    std::error_code failed;
    for (fs::directory_iterator it(objects(), failed), end; !failed && it != end; it.increment(failed)) {
      StoredContent content;
      content.sha256 = it->path().filename().string();
      std::error_code ignored;
      content.last_used = it->last_write_time(ignored);
      if (ignored) {
        continue;  // Another host has just removed it.
      }
      for (fs::directory_iterator file(it->path(), ignored); !ignored && file != end; file.increment(ignored)) {
        content.files.push_back(file->path());
        std::error_code gone;
        const std::uintmax_t size_bytes = file->file_size(gone);
        content.size_bytes += gone ? 0 : size_bytes;
      }
      const auto pins = in_use.pins.find(content.sha256);
      content.pins = pins == in_use.pins.end() ? 0 : pins->second;
      contents.push_back(std::move(content));
    }
    if (failed) {
      return fail(os_error(failed.value(), "plugin store " + quoted(directory) + " cannot be read"));
    }
    std::sort(contents.begin(), contents.end(),
              [](const StoredContent& a, const StoredContent& b) { return a.last_used < b.last_used; });
    return contents;
  }

  /// Removes a content unless a host uses it. Returns whether it is gone.
  bool remove(Used& in_use, const StoredContent& content) {
    if (content.pins > 0) {
      return false;
    }
    const std::uint64_t number = lock_of_content(content.sha256);
    if (in_use.holds(number) || !in_use.lock.try_lock(number, LockMode::kExclusive).value_or(false)) {
      return false;
    }
    std::error_code failed;
    fs::remove_all(objects() / content.sha256, failed);
    in_use.lock.unlock(number);
    for (const fs::path& file : content.files) {
      in_use.verified.erase(file);
    }
    return !failed;
  }

  /// Returns `wanted` with the libraries of those contents that are plugins.
  static std::set<std::string> with_libraries(std::set<std::string> wanted,
                                              const std::vector<StoredContent>& contents) {
    const std::set<std::string> plugins = wanted;
    for (const StoredContent& content : contents) {
      for (const fs::path& file : plugins.contains(content.sha256) ? content.files : std::vector<fs::path>()) {
        const auto opened = open_for_reading(file);
        const auto listed = opened ? read_library_list(*opened) : fail(opened.error());
        for (const ListedLibrary& library : listed ? listed->libraries : std::vector<ListedLibrary>()) {
          wanted.insert(library.sha256);
        }
      }
    }
    return wanted;
  }

  struct Room {
    std::uint64_t bytes = 0;
    std::size_t files = 0;
  };
  struct Swept {
    std::size_t removed = 0;
    /// Whether there is now room for the requested size.
    bool fits = false;
  };

  /// Removes unpinned contents, the oldest first, until `needed` fits within the limits, and all those that have not
  /// been used for `keep`.
  Swept make_room(const Room& needed, std::optional<std::chrono::seconds> keep) {
    auto locked = used.lock();
    Swept result;
    auto contents = list(*locked);
    if (!contents) {
      return result;
    }
    Room held;
    for (const StoredContent& content : *contents) {
      held.bytes += content.size_bytes;
      held.files += content.files.size();
    }
    const auto fits = [&] {
      return held.bytes + needed.bytes <= limits.max_bytes && held.files + needed.files <= limits.max_files;
    };
    const auto now = fs::file_time_type::clock::now();
    // Contents that hosts need for their next start are removed last.
    const std::set<std::string> needed_by_hosts =
        keep || !fits() ? with_libraries(hosts.needed(), *contents) : std::set<std::string>();
    std::stable_partition(contents->begin(), contents->end(), [&needed_by_hosts](const StoredContent& content) {
      return !needed_by_hosts.contains(content.sha256);
    });
    for (const StoredContent& content : *contents) {
      const bool old = keep && now - content.last_used >= *keep && !needed_by_hosts.contains(content.sha256);
      const bool foreign = !is_sha256(content.sha256);
      if ((old || foreign || !fits()) && remove(*locked, content)) {
        held.bytes -= content.size_bytes;
        held.files -= content.files.size();
        result.removed += content.files.size();
      }
    }
    if (locked->verified.size() > 2 * limits.max_files) {
      locked->verified.clear();  // These include files that other hosts have removed; the others are hashed again.
    }
    result.fits = fits();
    return result;
  }

  /// Removes the temporary files of processes that are gone.
  std::size_t sweep_temporaries() {
    auto locked = used.lock();
    std::size_t removed = 0;
    std::error_code failed;
    for (fs::directory_iterator it(incoming(), failed), end; !failed && it != end; it.increment(failed)) {
      const auto number = leading_number(it->path().filename().string());
      const std::uint64_t its_lock = lock_of_temporary(number.value_or(0));
      if ((number && locked->temporaries.contains(*number)) ||
          !locked->lock.try_lock(its_lock, LockMode::kExclusive).value_or(false)) {
        continue;
      }
      std::error_code ignored;
      removed += static_cast<std::size_t>(fs::remove_all(it->path(), ignored));
      locked->lock.unlock(its_lock);
    }
    return removed;
  }

  /// Whether a stored file still has the content that its name promises.
  bool still_sound(const fs::path& file, const std::string& sha256) {
    std::error_code failed;
    auto identity = file_identity(file);
    if (!identity || !identity->regular || fs::is_symlink(fs::symlink_status(file, failed)) ||
        (identity->mode & 0222) != 0) {
      return false;
    }
    {
      auto locked = used.lock();
      const auto known = locked->verified.find(file);
      if (known != locked->verified.end() && known->second == *identity) {
        return true;
      }
    }
    const auto hash = sha256_of_file(file);
    return hash && *hash == sha256;
  }

  /// `suffix` follows the content of a plugin file, whose own list of libraries is left out; null for a library.
  Result<StagedFile> stage(const fs::path& source, const fs::path& name, const std::string* suffix);
  Result<StagedFile> take(const Taking& taking);
  /// Mends the store and copies something into it; tries once more if the store was deleted meanwhile.
  template <typename Copy>
  Result<StagedFile> mended(Copy copy) {
    constexpr int kMaxTries = 3;
    for (int attempt = 1;; ++attempt) {
      TENON_TRY(mend());
      Result<StagedFile> staged = copy();
      const bool was_there = staged || (staged.error().code != ErrorCode::kNotFound && is_whole());
      if (was_there || attempt == kMaxTries) {
        return staged;
      }
    }
  }
  Result<StagedFile> put_in_place(const fs::path& temporary, const fs::path& name, std::string sha256,
                                  std::uint64_t size_bytes);

  const fs::path directory;
  const StoreLimits limits;
  const Quarantine quarantine;
  const ServiceRecords hosts;
  Guarded<Used> used;
};

Pin::Pin(std::shared_ptr<State> state, std::string sha256) noexcept
    : state_(std::move(state)), sha256_(std::move(sha256)) {}
Pin::Pin(const Pin& other) : state_(other.state_), sha256_(other.sha256_) {
  if (state_ != nullptr) {
    state_->add_count(sha256_);
  }
}
Pin::Pin(Pin&& other) noexcept : state_(std::move(other.state_)), sha256_(std::move(other.sha256_)) {
  other.sha256_.clear();
}
Pin& Pin::operator=(Pin other) noexcept {
  std::swap(state_, other.state_);
  std::swap(sha256_, other.sha256_);
  return *this;
}
Pin::~Pin() {
  reset();
}

void Pin::reset() noexcept {
  if (state_ != nullptr) {
    state_->release(sha256_);
    state_.reset();
    sha256_.clear();
  }
}

/// Copies, hashes and names one file. The caller creates the Pin: this function has already counted it when it
/// succeeds.
Result<StagedFile> Pin::State::stage(const fs::path& source, const fs::path& name, const std::string* suffix) {
  TENON_ASSIGN(auto from, open_for_reading(source));
  TENON_ASSIGN(auto before, quiet_identity(from));
  if (!before) {
    return fail(still_changing(source));
  }
  std::uint64_t size_bytes = before->size_bytes;
  TENON_TRY(check_plugin_size(source, *before));
  if (size_bytes > limits.max_bytes) {
    return fail(ErrorCode::kTooLarge, "plugin file " + quoted(source) + " has " + format_size(size_bytes) +
                                          ", the plugin store holds at most " + format_size(limits.max_bytes));
  }

  if (suffix != nullptr) {
    TENON_ASSIGN(const auto content, read_library_list(from));
    size_bytes = content.content_bytes;
  }
  auto staged = take({.from = from,
                      .name = name,
                      .size_bytes = size_bytes,
                      .unchanged = *before,
                      .suffix = suffix == nullptr ? std::string_view() : *suffix});
  if (!staged && staged.error().code == ErrorCode::kCorrupt) {
    return fail(still_changing(source));
  }
  if (staged) {
    staged->source = source;
  }
  return staged;
}

/// The same for an open file. Errors: also kCorrupt: the copy does not have the expected hash.
Result<StagedFile> Pin::State::take(const Taking& taking) {
  const FileDescriptor& from = taking.from;
  const std::uint64_t size_bytes = taking.size_bytes;
  // Locked before it exists, so that no sweep takes it for an abandoned file.
  const std::string name = random_name();
  const std::uint64_t number = leading_number(name).value_or(0);
  const fs::path temporary = incoming() / name;
  ScopeGuard forget([&] {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    auto locked = used.lock();
    locked->lock.unlock(lock_of_temporary(number));
    locked->temporaries.erase(number);
  });
  auto taken = [&] {
    auto locked = used.lock();
    locked->temporaries.insert(number);
    return locked->lock.try_lock(lock_of_temporary(number), LockMode::kExclusive);
  }();
  if (!taken || !*taken) {
    return fail(taken ? Error{ErrorCode::kInternal, "a new name in the plugin store is taken", {}}
                      : std::move(taken.error()));
  }
  TENON_ASSIGN(auto to, create_private_file(temporary));
  const BytesView suffix(reinterpret_cast<const std::uint8_t*>(taking.suffix.data()), taking.suffix.size());
  const auto copy = [&]() -> Result<std::uint64_t> {
    auto bytes = copy_content(from, to, size_bytes);
    if (!bytes || suffix.empty()) {
      return bytes;
    }
    auto written = write_at(to, *bytes, suffix);
    return written ? bytes : fail(std::move(written.error()));
  };
  auto copied = copy();
  if (!copied && copied.error().code == ErrorCode::kIo && make_room({limits.max_bytes, 0}, std::nullopt).removed > 0) {
    copied = copy();  // The disk was full, but not only with contents in use.
  }
  if (!copied) {
    return fail(std::move(copied.error()));
  }
  TENON_ASSIGN(auto after, file_identity(from));
  if (*copied != size_bytes || (taking.unchanged && after != *taking.unchanged)) {
    return fail(ErrorCode::kCorrupt, "it changed while it was copied");
  }
  // Hashes the copy: whatever happened to the source, the copy is what will be loaded.
  TENON_ASSIGN(auto sha256, sha256_of_file(to));
  if (!taking.sha256.empty() && sha256 != taking.sha256) {
    return fail(ErrorCode::kCorrupt, "its content is another");
  }
  auto finished = make_read_only(to).and_then([&] { return close_written(std::move(to)); });
  if (!finished) {
    return fail(std::move(finished.error()));
  }
  TENON_TRY(acquire(sha256));
  auto staged = put_in_place(temporary, taking.name, sha256, size_bytes + suffix.size());
  if (!staged) {
    release(sha256);
  }
  return staged;
}

/// Gives the copy its final name, or finds that the content already exists. The content is pinned.
Result<StagedFile> Pin::State::put_in_place(const fs::path& temporary, const fs::path& name, std::string sha256,
                                            std::uint64_t size_bytes) {
  const fs::path place = objects() / sha256;
  const fs::path file = place / name;
  std::error_code failed;
  const auto is_there = [&] { return fs::exists(fs::symlink_status(file, failed)); };
  // Another host that stages the same content may put it there meanwhile. It then stays, because it is pinned, and
  // needs no more room.
  if (!is_there() && !make_room({size_bytes, 1}, std::nullopt).fits && !is_there()) {
    return fail(ErrorCode::kRejected,
                "plugin store " + quoted(directory) + " has no room for " + format_size(size_bytes) +
                    " more: versions that are in use fill it (at most " + format_size(limits.max_bytes) + ", " +
                    count_of(limits.max_files, "file", "files") + "); let old versions end, or raise its limits");
  }
  if (fs::exists(fs::symlink_status(place, failed)) && !fs::is_directory(fs::symlink_status(place, failed))) {
    fs::remove(place, failed);  // The store did not create it.
  }
  TENON_TRY(create_private_directory(place));
  TENON_ASSIGN(auto renamed, rename_if_free(temporary, file));
  if (!renamed && !still_sound(file, sha256)) {
    // Damaged: replaces it; processes that run it still have the old file.
    fs::rename(temporary, file, failed);
    if (failed) {
      return fail(os_error(failed.value(), "cannot mend the stored plugin " + quoted(file)));
    }
  }
  TENON_ASSIGN(auto identity, file_identity(file));
  used.lock()->verified[file] = identity;
  return StagedFile{file, std::move(sha256), size_bytes, identity, Pin()};
}

Store::Store(std::shared_ptr<Pin::State> state) noexcept : state_(std::move(state)) {}

Result<Store> Store::open(const fs::path& directory, const StoreLimits& limits, Opening opening) {
  std::error_code failed;
  fs::path place = fs::absolute(directory, failed).lexically_normal();
  if (directory.empty() || failed) {
    return fail(ErrorCode::kInvalidArgument, "the plugin store needs a directory");
  }
  if (!place.has_filename()) {
    place = place.parent_path();
  }
  const auto refused = [&place](Error error) {
    error.message = "plugin store " + quoted(place) + " cannot be used: " + error.message;
    return fail(std::move(error));
  };
  if (auto ready = make_parts(place); !ready) {
    return refused(std::move(ready.error()));
  }
  if (!allows_programs(place / "objects")) {
    return refused({ErrorCode::kUnsupported,
                    "nothing can be loaded from its file system (noexec); name a directory on another one",
                    {}});
  }
  auto lock = FileLock::open(place / "lock");
  if (!lock) {
    return refused(std::move(lock.error()));
  }
  // Checked here, so that a file system without locks is reported now and not at the first plugin.
  if (auto taken = lock->try_lock(FileLock::kLockCount - 1, LockMode::kShared); !taken) {
    return refused(std::move(taken.error()));
  }
  Store store(std::make_shared<Pin::State>(std::move(place), limits, std::move(*lock)));
  if (opening == Opening::kSwept) {
    store.sweep();
  }
  return store;
}

std::vector<PluginLibrary> StagedPlugin::library_infos() const {
  std::vector<PluginLibrary> infos;
  infos.reserve(libraries.size());
  for (const StagedLibrary& library : libraries) {
    infos.push_back({library.name, library.file, library.sha256, library.fixed});
  }
  return infos;
}

Result<StagedPlugin> Store::stage(const fs::path& source) const {
  const fs::path name = source.filename();
  if (name.empty() || name == "." || name == "..") {
    return fail(ErrorCode::kInvalidArgument, "cannot stage " + quoted(source) + ": it is no path of a file");
  }
  const fs::path place = source.parent_path();
  if (place.parent_path() == state_->objects() && is_sha256(place.filename().string())) {
    return find(place.filename().string(), name);
  }
  TENON_TRY(check_plugin_trust(source));
  auto staged = stage_with_libraries(source);
  if (!staged && !is_still_changing(staged.error())) {
    staged.error().message = "cannot stage " + quoted(source) + ": " + staged.error().message;
  }
  return staged;
}

Result<std::vector<StagedLibrary>> Store::stage_libraries(const fs::path& source) const {
  std::vector<StagedLibrary> staged;
  for (OwnLibrary& library : own_libraries(source).libraries) {
    StagedLibrary next;
    if (library.fixed) {
      auto identity = file_identity(library.file);
      TENON_ASSIGN(auto sha256, identity ? sha256_of_file(library.file) : fail(std::move(identity.error())));
      static_cast<StagedFile&>(next) = {library.file, std::move(sha256), identity->size_bytes, *identity, Pin()};
    } else {
      auto copy = state_->mended([&] { return state_->stage(library.file, library.name, nullptr); });
      if (!copy) {
        return fail(std::move(copy.error()));
      }
      copy->pin = Pin(state_, copy->sha256);
      static_cast<StagedFile&>(next) = std::move(*copy);
    }
    next.name = std::move(library.name);
    next.fixed = library.fixed;
    staged.push_back(std::move(next));
  }
  return staged;
}

Result<StagedPlugin> Store::stage_with_libraries(const fs::path& source) const {
  StagedPlugin plugin;
  TENON_ASSIGN(auto libraries, stage_libraries(source));
  plugin.libraries = std::move(libraries);
  const std::string list = library_list(plugin.library_infos());
  auto staged = state_->mended([&] { return state_->stage(source, source.filename(), &list); });
  if (!staged) {
    return fail(std::move(staged.error()));
  }
  staged->pin = Pin(state_, staged->sha256);
  static_cast<StagedFile&>(plugin) = std::move(*staged);
  // The libraries were found before the plugin was copied: it may have been linked with other libraries meanwhile.
  std::error_code failed;
  const auto copy = FileSource::open(plugin.file);
  const auto needed =
      copy ? own_libraries(*copy, fs::absolute(source, failed).parent_path()).libraries : std::vector<OwnLibrary>();
  const bool same = std::equal(needed.begin(), needed.end(), plugin.libraries.begin(), plugin.libraries.end(),
                               [](const OwnLibrary& found, const StagedLibrary& kept) {
                                 return found.name == kept.name && found.fixed == kept.fixed;
                               });
  if (!same) {
    return fail(still_changing(source));
  }
  return plugin;
}

Result<StagedFile> Store::restore(const FileDescriptor& content, const std::string& sha256, const fs::path& name,
                                  std::string_view suffix) const {
  if (!is_sha256(sha256) || name.empty() || name.filename() != name) {
    return fail(ErrorCode::kInvalidArgument, "cannot store '" + printable(sha256, 80) + "' as " + quoted(name));
  }
  TENON_ASSIGN(auto identity, file_identity(content));
  std::uint64_t size_bytes = identity.size_bytes;
  if (!suffix.empty()) {
    TENON_ASSIGN(const auto listed, read_library_list(content));
    size_bytes = listed.content_bytes;
  }
  auto staged = state_->mended([&] {
    return state_->take({.from = content, .name = name, .size_bytes = size_bytes, .sha256 = sha256, .suffix = suffix});
  });
  if (staged) {
    staged->pin = Pin(state_, staged->sha256);
  }
  return staged;
}

fs::path Store::place_of(const std::string& sha256, const fs::path& name) const {
  return state_->objects() / sha256 / name;
}

void Store::trust(const fs::path& file, const FileIdentity& identity) const {
  state_->used.lock()->verified.insert_or_assign(file, identity);
}

Result<StagedFile> Store::find_file(const std::string& sha256, const fs::path& name) const {
  const fs::path file = state_->objects() / sha256 / name;
  if (!is_sha256(sha256)) {
    return fail(ErrorCode::kNotFound, "'" + printable(sha256, 80) + "' is no SHA-256");
  }
  TENON_TRY(state_->mend());
  // Pinned first, so that no sweep removes it between the check and the use.
  TENON_TRY(state_->acquire(sha256));
  Pin pin(state_, sha256);
  const auto identity = file_identity(file);
  if (!identity || !state_->still_sound(file, sha256)) {
    return fail(ErrorCode::kNotFound, "the plugin store has no " + quoted(file) + ", or it is damaged");
  }
  state_->used.lock()->verified[file] = *identity;
  return StagedFile{file, sha256, identity->size_bytes, *identity, std::move(pin)};
}

Result<StagedPlugin> Store::find(const std::string& sha256, const fs::path& name, bool has_no_libraries) const {
  TENON_ASSIGN(auto found, find_file(sha256, name));
  StagedPlugin plugin;
  static_cast<StagedFile&>(plugin) = std::move(found);
  if (has_no_libraries) {
    return plugin;
  }
  const auto opened = open_for_reading(plugin.file);
  TENON_ASSIGN(auto listed, opened ? read_library_list(*opened) : fail(opened.error()));
  for (ListedLibrary& library : listed.libraries) {
    StagedLibrary next;
    if (library.fixed_path.empty()) {
      TENON_ASSIGN(auto copy, find_file(library.sha256, library.name));
      static_cast<StagedFile&>(next) = std::move(copy);
    } else {
      next.file = library.fixed_path;
      next.sha256 = library.sha256;
      next.fixed = true;
    }
    next.name = std::move(library.name);
    plugin.libraries.push_back(std::move(next));
  }
  return plugin;
}

std::size_t Store::sweep() const {
  state_->quarantine.sweep();
  state_->hosts.sweep();
  return state_->sweep_temporaries() + state_->make_room({}, state_->limits.keep_unpinned).removed;
}

Result<std::vector<StoredContent>> Store::contents() const {
  static_cast<void>(state_->mend());
  const auto used = state_->used.lock();
  return state_->list(*used);
}

const Quarantine& Store::quarantine() const {
  static_cast<void>(state_->mend());  // If the store cannot be mended, accessing the record reports that.
  return state_->quarantine;
}

const ServiceRecords& Store::hosts() const {
  static_cast<void>(state_->mend());
  return state_->hosts;
}

const fs::path& Store::directory() const noexcept {
  return state_->directory;
}

bool is_still_changing(const Error& error) noexcept {
  return error.code == ErrorCode::kUnavailable && error.context.os_code == 0 && error.message.ends_with(kStillChanging);
}

}  // namespace tenon::internal
