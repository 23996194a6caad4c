/// plugin/store.hpp: a directory of plugin files that do not change any more, each under the hash of its content.
///
///   auto store = Store::open(directory, {});
///   auto staged = store->stage("/opt/plugins/image.so");      // .../objects/<sha256>/image.so
///   if (auto known = store->quarantine().find(staged->sha256)) return refuse(*known);
///   generation.pin = staged->pin;                             // as long as workers may load the file
///
/// What others may change at any time is thereby never loaded. Several hosts may share one store, and each may be
/// killed at any moment. See DESIGN.md, "Store".
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "platform/file.hpp"
#include "plugin/quarantine.hpp"
#include "plugin/service_records.hpp"

namespace tenon::internal {

/// How long hosts keep a version that no runtime uses, while there is room: it may still be swapped to by its number,
/// and the next start with it copies nothing.
inline constexpr std::chrono::hours kKeepUnpinnedVersions{24};

/// How much a store holds. What is pinned is never swept, so the bounds also limit how many versions run at once.
struct StoreLimits {
  /// All stored files together, in bytes. While a file is staged, and when several hosts stage at the same moment, one
  /// file for each of them comes on top.
  std::uint64_t max_bytes = std::uint64_t{4} << 30;
  /// Stored files. Each costs a look at every staging.
  std::size_t max_files = 256;
  /// How long a file that nobody pins is kept for debuggers and a quick way back, while there is room. It counts when a
  /// store is opened and swept; zero: it is gone with the first sweep.
  std::chrono::seconds keep_unpinned{0};
  /// Contents in quarantine; the oldest go first.
  std::size_t max_quarantined = 256;
};

/// Keeps one stored content from being swept, by any host, until it and its copies are gone. A process that dies lets
/// go at once. May outlive the store. [any-thread], one thread at a time for one object
class Pin {
 public:
  /// Holds nothing.
  Pin() noexcept = default;
  Pin(const Pin& other);
  Pin(Pin&& other) noexcept;
  Pin& operator=(Pin other) noexcept;
  ~Pin();

  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
  /// Of the content; empty when it holds nothing.
  [[nodiscard]] const std::string& sha256() const noexcept { return sha256_; }
  /// Lets go.
  void reset() noexcept;

 private:
  friend class Store;
  struct State;
  /// Takes over one count.
  Pin(std::shared_ptr<State> state, std::string sha256) noexcept;
  std::shared_ptr<State> state_;
  std::string sha256_;
};

/// A file in the store.
struct StagedFile {
  /// Where workers load it; read-only, its name that of the source.
  std::filesystem::path file;
  /// Of what stands there.
  std::string sha256;
  std::uint64_t size_bytes = 0;
  /// The state in which the stored file had that hash.
  FileIdentity identity;
  /// The file is there as long as this, or a copy.
  Pin pin;
  /// What it was copied from; empty when it was found in the store.
  std::filesystem::path source = {};
};

/// A plugin's own library. One that no copy can replace (PluginLibrary::fixed) stays where the author put it: `file` is
/// there, and nothing is pinned.
struct StagedLibrary : StagedFile {
  std::string name;  ///< As in PluginLibrary.
  bool fixed = false;
};

/// A plugin in the store: its file, which has the list of its libraries at its end, and the libraries, each a content
/// of its own that other plugins may share. Its hash is the plugin's identity.
struct StagedPlugin : StagedFile {
  std::vector<StagedLibrary> libraries;
  /// The same for a PluginInfo.
  [[nodiscard]] std::vector<PluginLibrary> library_infos() const;
};

/// What a store holds, for people and tests.
struct StoredContent {
  std::string sha256;
  std::vector<std::filesystem::path> files;
  std::uint64_t size_bytes = 0;
  /// When it was staged, or its last pin of a process that ended well was let go.
  std::filesystem::file_time_type last_used;
  /// Pins of this Store object; other hosts are not counted.
  std::size_t pins = 0;
};

/// A content-addressed store. Copies of the object are the same store. What is deleted under it is made again by the
/// next use. [any-thread]
class Store {
 public:
  enum class Opening {
    kSwept,   ///< What was left behind, and what is old, is removed.
    kUnswept  ///< For a start that must be short.
  };

  /// Opens a store, makes it (for its owner alone) if need be, and sweeps it. Errors: kRejected the directory is a
  /// link, belongs to someone else or is open to others, with what to change; kUnsupported nothing can be loaded from
  /// there (noexec), or the file system has no locks; kNotFound, kIo it cannot be made or written.
  [[nodiscard]] static Result<Store> open(const std::filesystem::path& directory, const StoreLimits& limits,
                                          Opening opening = Opening::kSwept);

  /// Puts copies of a plugin file and of its own libraries into the store and pins them. A file of this store is found
  /// instead of being copied. The same content gives the same file, which is checked to
  /// still have its hash and mended otherwise. Takes as long as to copy and hash the file; waits up to 100 ms for a
  /// file that is being written. Nothing is left behind on an error. Errors: still_changing() the source changes
  /// meanwhile; those of check_plugin_trust and open_for_reading; kTooLarge the file is beyond kMaxPluginBytes, the
  /// store's bounds or this process's limit; kRejected the store is full of versions in use; kDeadline another process
  /// holds the content's lock; kIo with disk full and quota in words.
  [[nodiscard]] Result<StagedPlugin> stage(const std::filesystem::path& source) const;

  /// Pins a plugin that is stored already, under that name, and its libraries. Errors: kNotFound one of them is not
  /// there, or is damaged; those of the locks. `has_no_libraries`: the plugin
  /// is known to have none, which saves reading its list.
  [[nodiscard]] Result<StagedPlugin> find(const std::string& sha256, const std::filesystem::path& name,
                                          bool has_no_libraries = false) const;

  /// Puts an open file, with the list of libraries `suffix` in the place of its own, into the store again, under its
  /// hash and `name` (without directories), and pins it. Its libraries are restored by themselves. Errors: kCorrupt the
  /// file has another hash; those of stage().
  [[nodiscard]] Result<StagedFile> restore(const FileDescriptor& content, const std::string& sha256,
                                           const std::filesystem::path& name, std::string_view suffix = {}) const;

  /// Where a content stands, or would stand.
  [[nodiscard]] std::filesystem::path place_of(const std::string& sha256, const std::filesystem::path& name) const;
  /// Vouches for a stored file: it has its hash as long as it is in this state. find() and stage() need not read it.
  void trust(const std::filesystem::path& file, const FileIdentity& identity) const;

  /// Removes what killed processes have left, and what nobody pins beyond `keep_unpinned` or the bounds, oldest first.
  /// What another host has in use stays, and what was served last goes after all else, for want of room alone. Gives
  /// the number of files removed.
  std::size_t sweep() const;

  /// All that is stored, the oldest first. Errors: kIo.
  [[nodiscard]] Result<std::vector<StoredContent>> contents() const;

  /// The contents that must not be loaded.
  [[nodiscard]] const Quarantine& quarantine() const;
  /// What each host serves, and what it was rolled back from.
  [[nodiscard]] const ServiceRecords& hosts() const;
  [[nodiscard]] const std::filesystem::path& directory() const noexcept;

 private:
  explicit Store(std::shared_ptr<Pin::State> state) noexcept;
  [[nodiscard]] Result<std::vector<StagedLibrary>> stage_libraries(const std::filesystem::path& source) const;
  [[nodiscard]] Result<StagedPlugin> stage_with_libraries(const std::filesystem::path& source) const;
  [[nodiscard]] Result<StagedFile> find_file(const std::string& sha256, const std::filesystem::path& name) const;
  std::shared_ptr<Pin::State> state_;
};

/// Whether this error of stage() says that the source was being written, so that it can be staged once it is quiet: a
/// further change will be seen, or a later look finds it. [any-thread]
[[nodiscard]] bool is_still_changing(const Error& error) noexcept;

}  // namespace tenon::internal
