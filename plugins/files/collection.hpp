/// Collects and summarises digests: the common part of this plugin's reduces.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "files_generated.h"

namespace files {

/// Groups entries of the same size and digest. `entries` are sorted by path.
DuplicatesT find_duplicates(const std::vector<EntryT>& entries, std::string algorithm, std::uint64_t min_size_bytes);

/// All digests that a reduce has taken, which is also its checkpoint. Memory: about 300 bytes per
/// file, and its paths.
class DigestCollection {
 public:
  /// Adds a digest. A file that arrives again with the same digest counts once, because delivery is
  /// at least once. Throws TaskError: TENON_TOO_LARGE beyond `max_files`; TENON_INVALID_ARGUMENT
  /// for two algorithms.
  void add(const tenon::Digest& digest, std::uint64_t max_files);

  /// Returns the whole inventory. The collection is empty afterwards.
  [[nodiscard]] InventoryT take_inventory(const std::string& title, std::uint32_t largest);
  /// Returns only the duplicates. The collection is empty afterwards.
  [[nodiscard]] DuplicatesT take_duplicates(std::uint64_t min_size_bytes);

  /// About as many bytes as all entries have in a table, at most 256 MiB.
  [[nodiscard]] std::size_t packed_bytes() const noexcept;
  /// Saves the checkpoint.
  [[nodiscard]] std::vector<std::uint8_t> save() const;
  static DigestCollection load(std::span<const std::uint8_t> bytes);

 private:
  /// Returns the entries sorted by path, each file once.
  std::vector<EntryT> take_entries();

  std::string algorithm_;
  std::vector<EntryT> entries_;
};

}  // namespace files
