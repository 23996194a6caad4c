/// Internals of HostEnd, for host_end.cpp and for a worker end in the same process.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include <tenon/error.hpp>

#include "ipc/host_end.hpp"
#include "ipc/layout.hpp"
#include "ipc/message_ring.hpp"
#include "platform/shared_memory.hpp"

namespace tenon::internal {

/// The host's private record of a submission in flight: a worker's completion is checked against
/// it.
struct Outstanding {
  enum class State : std::uint32_t { kOpen, kTaken, kAnswered };
  // Relaxed is enough for the two numbers: a correct worker completes a submission after it was
  // published, and a malicious one finds at worst an older pair, which does not match.
  std::atomic<std::uint64_t> call_id{0};
  std::atomic<std::uint64_t> session_id{0};
  std::atomic<std::uint32_t> items{0};  ///< For kBulk.
  std::atomic<State> state{State::kAnswered};
};

struct HostEnd::Impl {
  std::shared_ptr<Mapping> submission;
  std::shared_ptr<Mapping> completion;
  FileDescriptor submission_descriptor;
  FileDescriptor completion_descriptor;
  bool in_process = false;

  /// The number of submissions started, from a worker's word; nullopt if it is not valid.
  [[nodiscard]] std::optional<std::uint64_t> begun(std::uint64_t word) const noexcept;

  // Pointers into the mappings.
  SubmissionHeader* header = nullptr;
  std::atomic<std::uint64_t>* revoked = nullptr;
  ReleaseEntry* releases = nullptr;
  SubmissionSlot* slots = nullptr;
  const CompletionHeader* answers = nullptr;
  const CompletionSlot* answer_slots = nullptr;
  std::uint32_t slot_count = 0;
  std::uint32_t release_count = 0;
  std::unique_ptr<Outstanding[]> outstanding;

  // At least one cache line per role, so that threads in different roles do not share any.
  struct alignas(kLineBytes) {
    std::uint64_t pushed = 0;
    std::uint64_t popped_seen = 0;
    std::uint32_t rung = 0;
  } submitter;
  struct alignas(kLineBytes) {
    std::atomic<std::uint64_t> popped{0};
    std::uint64_t tail_seen = 0;
    std::uint32_t armed_count = 0;
    std::uint32_t wakes_seen = 0;
    std::optional<Error> broken;
  } reaper;
  struct alignas(kLineBytes) {
    std::uint64_t tail = 0;
    std::deque<BlockRef> waiting;
  } releaser;
  struct alignas(kLineBytes) {
    MessageReader messages;
  } listener;
  struct alignas(kLineBytes) {
    std::atomic<std::uint32_t> wakes{0};
    /// Odd while the reaper sleeps on the worker's bell.
    std::atomic<std::uint32_t> sleeps{0};
  } own_bell;
};

}  // namespace tenon::internal
