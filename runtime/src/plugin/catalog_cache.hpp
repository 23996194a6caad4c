/// plugin/catalog_cache.hpp: what the catalog remembers between runs. If it is lost, only time is
/// lost.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file.hpp"

namespace tenon::internal {

/// Whether the file changed so long ago that any further change will show in its identity.
/// [any-thread]
[[nodiscard]] bool has_settled(const FileIdentity& identity);

/// The verdict of an inspection: sound, or the problem.
struct Verdict {
  std::optional<Error> problem;
  /// For a problem from the cache.
  std::chrono::seconds age{0};
};

/// A directory of small records, one file each, written atomically and protected by a checksum. A
/// record that is missing or damaged, or has another format or key, counts as absent; a record that
/// cannot be written is not remembered. At most 1,024 records of a kind and 16 MiB are kept; the
/// oldest are removed first. Several processes may use one directory at once.
/// [any-thread]
class CatalogCache {
 public:
  /// With an empty `directory`, nothing is remembered. The directory is created when the first
  /// record is written.
  explicit CatalogCache(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// The known verdict about a content. Problems are kept for ten minutes.
  [[nodiscard]] std::optional<Verdict> find_verdict(const std::string& key) const;
  void keep_verdict(const std::string& key, const Verdict& verdict) const;

  /// The SHA-256 of `file` from the cache, if the file has the identity that was hashed before.
  [[nodiscard]] std::optional<std::string> find_hash(const std::filesystem::path& file,
                                                     const FileIdentity& identity) const;
  /// Remembers the hash of `file` in that state, for find_hash. Only for a file of which any
  /// further change shows in its identity.
  void keep_hash(const std::filesystem::path& file, const FileIdentity& identity, const std::string& sha256) const;
  /// As find_hash; reads the file if the hash is not known. Errors: those of reading it.
  [[nodiscard]] Result<std::string> hash_file(const std::filesystem::path& file, const FileIdentity& identity) const;

 private:
  [[nodiscard]] std::filesystem::path record_path(const char* kind, const std::string& key) const;
  [[nodiscard]] std::optional<Buffer> read_record(const std::filesystem::path& path) const;
  void write_record(const std::filesystem::path& path, BytesView payload) const;

  std::filesystem::path directory_;
};

}  // namespace tenon::internal
