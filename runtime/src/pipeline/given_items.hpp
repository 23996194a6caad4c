/// pipeline/given_items.hpp: whether a source that was opened again gives what it gave before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tenon/bytes.hpp>

namespace tenon::internal {

/// What a source has given since its last checkpoint, by the hash of each item. A session that is opened from that
/// checkpoint has to give the same items again before it gives new ones. Not thread-safe.
class GivenItems {
 public:
  /// A new item, of a session that has nothing left to repeat.
  void gave(BytesView item);
  /// The session begins at the checkpoint again.
  void reopened() noexcept { at_ = 0; }
  /// A checkpoint that lies right behind what the session has given, or repeated, so far.
  void checkpointed() noexcept;

  /// Items that the session has given or repeated since the checkpoint.
  [[nodiscard]] std::uint64_t since_checkpoint() const noexcept { return at_; }
  /// Items that the session still has to repeat.
  [[nodiscard]] std::uint64_t to_repeat() const noexcept { return hashes_.size() - at_; }
  /// Whether the next item to be repeated is this one.
  [[nodiscard]] bool repeats(BytesView item) noexcept;

 private:
  std::vector<std::uint64_t> hashes_;
  std::size_t at_ = 0;
};

}  // namespace tenon::internal
