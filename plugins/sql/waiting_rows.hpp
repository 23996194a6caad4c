/// Rows that wait for their transaction, and the state of a session of `insert`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tenon/types_generated.h>

namespace sql {

/// Verified records, one after another in one block of memory. Not thread-safe.
class WaitingRows {
 public:
  /// Copies a finished, verified tenon.Record.
  void add(std::span<const std::uint8_t> record);
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return spans_.size(); }
  [[nodiscard]] bool empty() const noexcept { return spans_.empty(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_.size(); }
  /// Valid until the next add() or clear().
  [[nodiscard]] const tenon::Record& operator[](std::size_t i) const noexcept {
    return *flatbuffers::GetRoot<tenon::Record>(bytes(i).data());
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes(std::size_t i) const noexcept {
    return std::span(bytes_).subspan(spans_[i].begin, spans_[i].size);
  }

 private:
  struct Span {
    std::size_t begin;
    std::size_t size;
  };
  std::vector<std::uint8_t> bytes_;
  std::vector<Span> spans_;
};

/// How far a session is.
struct Progress {
  std::uint64_t done = 0;  ///< Rows that need nothing more: written, kept or broken.
  std::uint64_t kept = 0;
  std::uint64_t broken = 0;
};

/// What a session of `insert` must remember, which is also its checkpoint.
class InsertState {
 public:
  /// A new session.
  InsertState();

  [[nodiscard]] std::vector<std::uint8_t> save() const;
  /// Throws TaskError TENON_CORRUPT.
  static InsertState load(std::span<const std::uint8_t> bytes);

  /// Whether a later session can continue this one. Only then may rows be committed before the last
  /// one has come: without a checkpoint, all rows come again after the loss of the worker, and nothing shows that they
  /// were written.
  [[nodiscard]] bool can_continue() const noexcept { return saved_; }
  /// The name of the session. A session that continues this one keeps it.
  [[nodiscard]] const std::string& session() const noexcept { return session_; }

  Progress progress;
  WaitingRows rows;

 private:
  std::string session_;
  mutable bool saved_ = false;  ///< Whether there is a checkpoint.
};

}  // namespace sql
