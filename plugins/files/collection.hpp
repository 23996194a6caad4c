/// Collects digests and sums them up: what the reduces of this plugin are made of.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "files_generated.h"

namespace files {

/// All digests that a reduce has taken; its checkpoint. Memory: some 300 bytes for each file, and its paths.
class DigestCollection {
 public:
  /// Takes one. A file that comes again, with the same digest, counts once: delivery is at least once.
  /// Throws TaskError: TENON_TOO_LARGE beyond `max_files`; TENON_INVALID_ARGUMENT for two algorithms.
  void add(const tenon::Digest& digest, std::uint64_t max_files);

  /// Everything. The collection is empty afterwards.
  [[nodiscard]] InventoryT take_inventory(const std::string& title, std::uint32_t largest);
  /// The duplicates alone. The collection is empty afterwards.
  [[nodiscard]] DuplicatesT take_duplicates(std::uint64_t min_size_bytes);

  /// The checkpoint.
  [[nodiscard]] std::vector<std::uint8_t> save() const;
  static DigestCollection load(std::span<const std::uint8_t> bytes);

 private:
  /// Sorted by path, each file once.
  std::vector<EntryT> take_entries();

  std::string algorithm_;
  std::vector<EntryT> entries_;
};

}  // namespace files
