/// plugin/quarantine.hpp: contents that must not be loaded again, and why.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Describes a content in quarantine for people. Each field may be empty if it is not known.
struct QuarantineSubject {
  std::string plugin;
  std::string version;
  /// The only host that must not load it; empty if no host of the store may.
  std::string host;
};

/// One content in quarantine.
struct QuarantineRecord {
  std::string sha256;
  /// For people; one line, at most 4 KiB.
  std::string reason;
  /// Precise to the second.
  std::chrono::system_clock::time_point since;
  QuarantineSubject subject;
  /// For a content that hung, its time limit. Zero if the reason does not depend on a time limit.
  std::chrono::milliseconds time_limit{0};

  /// Whether the reason still holds if the plugin has `limit` to load. A content that hung may only
  /// be slow: it may be tried again with a longer limit than the one it exceeded.
  [[nodiscard]] bool holds_with(std::chrono::milliseconds limit) const noexcept {
    return time_limit == std::chrono::milliseconds::zero() || limit <= time_limit;
  }
};

/// Whether `text` is a SHA-256 as file_hash.hpp gives it: 64 digits, lower case. [any-thread]
[[nodiscard]] bool is_sha256(const std::string& text) noexcept;

/// A directory of small records, a file each, named by the SHA-256 of the content. Several
/// processes may use one directory at once: each call reads the directory. A record that cannot be
/// read still counts: refused content stays refused until it is released. [any-thread]
class Quarantine {
 public:
  /// The directory's parent must exist. At most `max_records` are kept; the oldest are removed
  /// first.
  Quarantine(std::filesystem::path directory, std::size_t max_records)
      : directory_(std::move(directory)), max_records_(max_records) {}

  /// Adds a content, or replaces its reason. `time_limit` is as in QuarantineRecord. Errors:
  /// kInvalidArgument if the hash is not a SHA-256; kIo.
  [[nodiscard]] Result<void> add(const std::string& sha256, const std::string& reason,
                                 std::chrono::system_clock::time_point since, const QuarantineSubject& subject = {},
                                 std::chrono::milliseconds time_limit = std::chrono::milliseconds::zero()) const;
  /// The record of a content; nullopt if it is not in quarantine.
  [[nodiscard]] std::optional<QuarantineRecord> find(const std::string& sha256) const;
  /// Removes a content from quarantine. False if it was not there. Errors: kIo.
  [[nodiscard]] Result<bool> release(const std::string& sha256) const;
  /// All records, newest first.
  [[nodiscard]] std::vector<QuarantineRecord> all() const;

  /// Removes files that killed writers left behind.
  void sweep() const;
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

 private:
  std::filesystem::path directory_;
  std::size_t max_records_;
};

}  // namespace tenon::internal
