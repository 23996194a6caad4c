/// Finds files with the same content without reading what cannot be a duplicate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/poll.hpp"
#include "files/digest.hpp"
#include "files_generated.h"

namespace files {

/// Takes files one by one and groups those with the same content. A file is read only once another
/// of the same size has come: a small one as a whole, of a large one the start and the end. Large
/// files that agree in size, start and end are read as a whole at the end. Only equal digests make two files
/// duplicates. Also the checkpoint of the reduce. Memory: about 200 bytes per file, and its path. Not thread-safe.
class DuplicateFinder {
 public:
  /// Called with a message for each file that cannot be read.
  using Warn = std::function<void(const std::string&)>;
  struct Options {
    Algorithm algorithm = Algorithm::sha256;
    /// Smaller files are not compared.
    std::uint64_t min_size_bytes = 0;
    /// More files are an error.
    std::uint64_t max_files = 4'000'000;
    Warn warn;
    tenon::plugins::Poll poll;
  };

  /// Adds a file; its content, if it carries any, is not used. Throws TaskError: TENON_TOO_LARGE
  /// beyond max_files; exceptions of the poll.
  void add(const tenon::File& file, const Options& options);
  /// Returns the groups. The finder is empty afterwards. Throws exceptions of the poll.
  [[nodiscard]] DuplicatesT take(const Options& options);
  /// Number of files that could not be read.
  [[nodiscard]] std::uint64_t unreadable() const noexcept { return unreadable_; }

  /// Saves the checkpoint.
  [[nodiscard]] std::vector<std::uint8_t> save() const;
  static DuplicateFinder load(std::span<const std::uint8_t> bytes);

 private:
  /// What is known about the content of a file.
  enum class Known : std::uint8_t { kNothing, kEnds, kDigest, kUnreadable };
  struct Found {
    std::string path;
    /// The size when the file was found.
    std::uint64_t size_bytes = 0;
    /// The size when the file was read; only for kDigest.
    std::uint64_t read_bytes = 0;
    Known known = Known::kNothing;
    /// A hash of start and end; only for kEnds.
    std::uint64_t ends = 0;
    /// Only for kDigest.
    DigestValue digest;
  };
  static constexpr std::size_t kSeveral = SIZE_MAX;

  /// Notes a file in first_of_size_. Returns the one of the same size that has not been read either.
  Found* note(std::size_t index);
  void examine(Found& file, const Options& options);
  void read_ends(Found& file);
  void read_whole(Found& file, const Options& options);
  /// Runs `read`; a file that cannot be read is left out.
  void guarded(Found& file, const Options& options, const std::function<void()>& read);
  /// Reads those large files as a whole that agree in size, start and end.
  void read_candidates(const Options& options);

  std::vector<Found> files_;
  /// The index of the only file of a size, or kSeveral.
  std::unordered_map<std::uint64_t, std::size_t> first_of_size_;
  std::uint64_t unreadable_ = 0;
  std::unique_ptr<Digester> digester_ = std::make_unique<Digester>();
  std::vector<std::uint8_t> buffer_;
};

}  // namespace files
