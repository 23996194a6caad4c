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

  /// Whether a later session can continue this one after the loss of the worker. Only then may rows be committed before
  /// the last one has come: otherwise all rows come again in a session with another name, and nothing shows that they
  /// were written. A sink and a reduce can be continued; they ask for a checkpoint before their first row. A batch
  /// cannot be continued; it is asked for a checkpoint only when a hot swap moves it to another worker.
  [[nodiscard]] bool can_continue() const noexcept { return kind_ == Kind::kContinued; }
  /// Whether that is not known: the session comes from a checkpoint before the first row, which a batch also gives if
  /// it is moved at that moment.
  [[nodiscard]] bool may_continue() const noexcept { return kind_ == Kind::kUnknown; }
  /// Says that the session can be continued, for a reason that its checkpoints do not show.
  void continues() noexcept { kind_ = Kind::kContinued; }
  /// The name of the session. A session that continues this one keeps it.
  [[nodiscard]] const std::string& session() const noexcept { return session_; }

  Progress progress;
  WaitingRows rows;

 private:
  enum class Kind { kNew, kUnknown, kContinued, kOneTransaction };
  [[nodiscard]] bool has_begun() const noexcept { return progress.done > 0 || !rows.empty(); }

  std::string session_;
  mutable Kind kind_ = Kind::kNew;
  mutable std::uint32_t early_checkpoints_ = 0;
};

}  // namespace sql
