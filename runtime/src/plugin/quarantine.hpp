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

/// What a content in quarantine is, for people. Each may be empty when it is not known.
struct QuarantineSubject {
  std::string plugin;
  std::string version;
  /// The only host that does not load it; empty: no host of the store does.
  std::string host;
};

/// One content in quarantine.
struct QuarantineRecord {
  std::string sha256;
  /// For people; one line, at most 4 KiB.
  std::string reason;
  /// To the second.
  std::chrono::system_clock::time_point since;
  QuarantineSubject subject;
  /// Of a content that hung: the time that it was given. Zero when the reason does not depend on a time limit.
  std::chrono::milliseconds time_limit{0};

  /// Whether the reason still holds where a plugin has `limit` to load. What hung may only be slow: a longer limit
  /// than the one that it exceeded lets it try again.
  [[nodiscard]] bool holds_with(std::chrono::milliseconds limit) const noexcept {
    return time_limit == std::chrono::milliseconds::zero() || limit <= time_limit;
  }
};

/// Whether `text` is a SHA-256 as file_hash.hpp gives it: 64 digits, lower case. [any-thread]
[[nodiscard]] bool is_sha256(const std::string& text) noexcept;

/// A directory of small records, a file each, named by the SHA-256 of the content. Several processes may use one
/// directory at once: each call looks at what is there then. A record that cannot be read still counts: what was once
/// refused stays refused until somebody releases it. [any-thread]
class Quarantine {
 public:
  /// The directory's parent must be there. At most `max_records` are kept; the oldest go first.
  Quarantine(std::filesystem::path directory, std::size_t max_records)
      : directory_(std::move(directory)), max_records_(max_records) {}

  /// Takes a content in, or gives the one that is in a new reason. `time_limit` as in QuarantineRecord. Errors:
  /// kInvalidArgument no SHA-256; kIo.
  [[nodiscard]] Result<void> add(const std::string& sha256, const std::string& reason,
                                 std::chrono::system_clock::time_point since, const QuarantineSubject& subject = {},
                                 std::chrono::milliseconds time_limit = std::chrono::milliseconds::zero()) const;
  /// The record of a content; nullopt when it is not in quarantine.
  [[nodiscard]] std::optional<QuarantineRecord> find(const std::string& sha256) const;
  /// Lets a content out. False when it was not in. Errors: kIo.
  [[nodiscard]] Result<bool> release(const std::string& sha256) const;
  /// All records, the newest first.
  [[nodiscard]] std::vector<QuarantineRecord> all() const;

  /// Removes what killed writers left behind.
  void sweep() const;
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

 private:
  std::filesystem::path directory_;
  std::size_t max_records_;
};

}  // namespace tenon::internal
