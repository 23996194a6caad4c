/// tenon/session.hpp: the sessions of Runtime::open. Part of tenon/runtime.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <tenon/future.hpp>
#include <tenon/reply.hpp>

namespace tenon {

/// An open session of a source or a reduce, pinned to one worker, which it occupies only while a step runs. One
/// operation at a time; [any-thread]. Move-only; the destructor closes it. When its worker dies, every operation ends
/// as kCrashed; open a new one from the last checkpoint. ErrorContext::charged says whether the worker died in that
/// very operation.
class Session {
 public:
  struct Batch {
    std::vector<Reply> results;
    bool ended = false;  ///< No further results come.
    /// From which a new session continues exactly behind `results`, if `next` asked for it, the session has not ended,
    /// and the task gives checkpoints that take little time compared with its steps. Empty otherwise.
    Reply checkpoint;
  };
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();
  /// Sources: up to `max_results` next results (at least one unless it must wait or has ended).
  /// `with_checkpoint` asks for Batch::checkpoint.
  [[nodiscard]] Future<Batch> next(std::uint32_t max_results, bool with_checkpoint = false);
  /// Reduces: gives arguments, in order; without a copy where they are results of earlier calls.
  [[nodiscard]] Future<void> feed(const std::vector<Reply>& arguments);
  /// Reduces: no more arguments; the result. The session has then ended.
  [[nodiscard]] Future<Reply> finish();
  /// Bytes from which a new session goes on exactly here. Errors: kUnsupported.
  [[nodiscard]] Future<Reply> checkpoint();

  class Impl;

 private:
  friend class Runtime;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
