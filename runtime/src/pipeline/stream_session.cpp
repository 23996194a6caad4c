#include "pipeline/stream_session.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {
namespace {

/// A new checkpoint is requested after this many results, or after this many bytes of them.
constexpr std::uint64_t kCheckpointItems = 4096;
constexpr std::uint64_t kCheckpointBytes = std::uint64_t{64} << 20;
/// The delays before a task that had nothing to give is asked again.
constexpr std::chrono::milliseconds kFirstPause{1};
constexpr std::chrono::milliseconds kLongestPause{50};

}  // namespace

StreamSession::StreamSession(const PlanNode& plan, Checkpoints checkpoints, StepSize step)
    : plan_(plan),
      recoverable_(checkpoints == Checkpoints::kGiven),
      probed_(checkpoints != Checkpoints::kUnknown),
      has_none_(checkpoints == Checkpoints::kNone),
      step_(step) {}

StreamSession::Checkpoints StreamSession::checkpoints() const noexcept {
  return recoverable_ ? Checkpoints::kGiven : has_none_ ? Checkpoints::kNone : Checkpoints::kUnknown;
}

void StreamSession::open(Executor& executor, std::uint32_t first, std::uint32_t second, BytesView argument) {
  SessionOptions options;
  options.params = plan_.params;
  options.argument = argument;
  options.checkpoint = checkpoint_.bytes_in_place();
  options.step_timeout = plan_.timeout;
  session_ = executor.make_session(first, second);
  phase_ = Phase::kOpening;
  session_->open(plan_.task, options);
}

bool StreamSession::checkpoint_due() const noexcept {
  return recoverable_ && (given_.since_checkpoint() >= kCheckpointItems || given_bytes_ >= kCheckpointBytes);
}

void StreamSession::checkpoint() {
  phase_ = Phase::kCheckpointing;
  session_->checkpoint();
}

void StreamSession::next(std::uint32_t room, TimePoint now) {
  if (const std::uint64_t left = given_.to_repeat(); left > 0) {
    // The cause of the death may come right after these results.
    room = static_cast<std::uint32_t>(std::min<std::uint64_t>(room, left));
  }
  phase_ = Phase::kWorking;
  step_began_ = now;
  session_->next(room);
}

void StreamSession::cancel() {
  session_->cancel();
}

StreamSession::Step StreamSession::take(TimePoint now) {
  ExecutorSession::Outcome outcome = session_->take();
  Step step;
  switch (std::exchange(phase_, Phase::kIdle)) {
    case Phase::kOpening:
      if (outcome.error) {
        step.error = std::move(outcome.error);
      } else if (!probed_) {
        phase_ = Phase::kProbing;
        session_->checkpoint();
      }
      break;
    case Phase::kProbing:
    case Phase::kCheckpointing:
      if (outcome.error && loss_cause(*outcome.error, plan_.timeout.has_value())) {
        step.error = std::move(outcome.error);
      } else {
        checkpointed(std::move(outcome));
      }
      break;
    case Phase::kWorking:
      if (outcome.error) {
        step.error = std::move(outcome.error);
      } else {
        stepped(std::move(outcome), now, step);
      }
      break;
    case Phase::kClosed:
    case Phase::kIdle:
      break;
  }
  return step;
}

void StreamSession::drop() {
  static_cast<void>(session_->take());
  phase_ = Phase::kIdle;
}

void StreamSession::checkpointed(ExecutorSession::Outcome outcome) {
  const bool first = !probed_;
  probed_ = true;
  // Another error may concern only this session.
  has_none_ = outcome.error && outcome.error->code == ErrorCode::kUnsupported;
  // Without a checkpoint the session continues, but it cannot be opened again. An empty checkpoint
  // means the start.
  recoverable_ = !outcome.error && !outcome.results.empty() && (first || outcome.results.front().size_bytes() > 0);
  checkpoint_ = recoverable_ ? std::move(outcome.results.front()) : Reply();
  losses_.progressed();
  given_.checkpointed();
  given_bytes_ = 0;
}

void StreamSession::stepped(ExecutorSession::Outcome outcome, TimePoint now, Step& step) {
  constexpr const char* kDiffers = "differs from the one it gave before";
  ended_ = outcome.ended;
  const std::size_t count = outcome.results.size();
  step_.stepped(count, now - step_began_);
  const bool repeated = given_.to_repeat() > 0;
  const bool checkpointed = outcome.checkpoint.size_bytes() > 0;
  std::uint64_t bytes = 0;
  std::size_t known = 0;
  for (const Reply& reply : outcome.results) {
    bytes += reply.size_bytes();
    if (const std::uint64_t left = given_.to_repeat(); left > 0) {
      if (!given_.repeats(reply.bytes_in_place())) {
        step.mismatch = Mismatch{total_ - left + 1, total_, kDiffers};
        return;
      }
      ++known;
      continue;
    }
    if (recoverable_ && !checkpointed) {
      given_.gave(reply.bytes_in_place());
    }
    ++total_;
    losses_.progressed();
  }
  if (const std::uint64_t left = given_.to_repeat(); ended_ && left > 0) {
    step.mismatch = Mismatch{total_ - left + 1, total_, "is missing"};
    return;
  }
  step.results = std::move(outcome.results);
  step.results.erase(step.results.begin(), step.results.begin() + static_cast<std::ptrdiff_t>(known));
  if (repeated && given_.to_repeat() == 0) {
    step_.lost();
  }
  given_bytes_ += bytes;
  if (checkpointed) {
    probed_ = true;
    recoverable_ = true;
    checkpoint_ = std::move(outcome.checkpoint);
    given_.checkpointed();
    given_bytes_ = 0;
    losses_.progressed();
  }
  if (count > 0 || ended_) {
    step_.carried(count, bytes);
    pause_ = {};
    return;
  }
  pause_ = std::clamp<std::chrono::nanoseconds>(pause_ * 2, kFirstPause, kLongestPause);
  resumes_at_ = now + std::chrono::duration_cast<Executor::Clock::duration>(pause_);
}

Recovery StreamSession::recover(Error error, std::uint64_t ended_calls, std::string culprit, TimePoint now) {
  Recovery recovery = recover_session(std::move(error),
                                      {.has_timeout = plan_.timeout.has_value(),
                                       .can_reopen = can_reopen(),
                                       .ended_calls = ended_calls,
                                       .culprit = std::move(culprit)},
                                      losses_);
  if (recovery.reopens_after) {
    reopen(now + std::chrono::duration_cast<Executor::Clock::duration>(*recovery.reopens_after));
  }
  return recovery;
}

void StreamSession::retry(TimePoint at) {
  losses_ = {};
  reopen(at);
}

void StreamSession::reopen(TimePoint at) {
  given_.reopened();
  if (given_.to_repeat() == 0) {
    step_.lost();  // If earlier work must be repeated, the step size stays.
  }
  given_bytes_ = 0;
  ended_ = false;
  resumes_at_ = at;
  session_.reset();
  phase_ = Phase::kClosed;
}

std::optional<Progress> StreamSession::progress() const {
  return session_ ? session_->progress() : std::nullopt;
}

}  // namespace tenon::internal
