/// pipeline/given_items.hpp: checks that a source that was opened again repeats its items.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tenon/bytes.hpp>

namespace tenon::internal {

/// The items that a source has given since its last checkpoint, as one hash for each item. A
/// session that is opened from that checkpoint must repeat these items before it gives new ones.
/// Not thread-safe.
class GivenItems {
 public:
  /// Adds a new item of a session that has nothing left to repeat.
  void gave(BytesView item);
  /// The session starts at the checkpoint again.
  void reopened() noexcept { at_ = 0; }
  /// Notes a checkpoint that follows directly after the items given or repeated so far.
  void checkpointed() noexcept;

  /// Returns how many items the session has given or repeated since the checkpoint.
  [[nodiscard]] std::uint64_t since_checkpoint() const noexcept { return at_; }
  /// Returns how many items the session still has to repeat.
  [[nodiscard]] std::uint64_t to_repeat() const noexcept { return hashes_.size() - at_; }
  /// Returns whether `item` equals the next item to be repeated.
  [[nodiscard]] bool repeats(BytesView item) noexcept;

 private:
  std::vector<std::uint64_t> hashes_;
  std::size_t at_ = 0;
};

}  // namespace tenon::internal
