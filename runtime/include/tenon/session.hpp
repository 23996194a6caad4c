/// tenon/session.hpp: the sessions of Runtime::open. Part of tenon/runtime.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <tenon/future.hpp>
#include <tenon/reply.hpp>

namespace tenon {

/// An open session of a source or a reduce, pinned to one worker, which it occupies only while a
/// step runs. One operation at a time; [any-thread]. Move-only; the destructor closes it. If its
/// worker dies, every operation ends as kCrashed; open a new session from the last checkpoint.
/// ErrorContext::charged says whether the worker died in that operation.
class Session {
 public:
  struct Batch {
    std::vector<Reply> results;
    bool ended = false;  ///< No further results follow.
    /// A checkpoint from which a new session continues directly after `results`. Present if `next`
    /// requested it, the session has not ended, and checkpoints of the task take little time
    /// compared with its steps. Empty otherwise.
    Reply checkpoint;
  };
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();
  /// Sources: returns up to `max_results` results (at least one unless it must wait or has ended).
  /// `with_checkpoint` requests Batch::checkpoint.
  [[nodiscard]] Future<Batch> next(std::uint32_t max_results, bool with_checkpoint = false);
  /// Reduces: feeds arguments, in order; results of earlier calls are not copied.
  [[nodiscard]] Future<void> feed(const std::vector<Reply>& arguments);
  /// Reduces: ends the input and returns the result. The session has then ended.
  [[nodiscard]] Future<Reply> finish();
  /// Returns bytes from which a new session continues exactly here. Errors: kUnsupported.
  [[nodiscard]] Future<Reply> checkpoint();

  class Impl;

 private:
  friend class Runtime;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
