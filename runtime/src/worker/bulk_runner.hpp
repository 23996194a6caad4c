/// worker/bulk_runner.hpp: runs the items of a bulk call one after another.
#pragma once

#include <cstdint>
#include <string_view>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "ipc/bulk.hpp"
#include "worker/call_context.hpp"
#include "worker/core.hpp"

namespace tenon::internal {

/// Runs one bulk call and writes the results of its items. Stops early if the host revokes the
/// rest, if it has run for long enough, or if there is no more room for results; the host then
/// submits the rest again. [task-thread]
class BulkRunner {
 public:
  /// `options` are the common options of the calls; their argument is the argument block.
  BulkRunner(WorkerCore& core, const SubmissionDescriptor& descriptor, CallContext::Options options, Route& route)
      : core_(core),
        options_(std::move(options)),
        route_(route),
        arguments_(options_.argument),
        first_(static_cast<std::uint32_t>(descriptor.first_item)),
        count_(descriptor.max_results),
        first_id_(descriptor.call_id) {}
  BulkRunner(const BulkRunner&) = delete;
  BulkRunner& operator=(const BulkRunner&) = delete;

  /// Runs the items and returns the completion of the bulk call. Errors: those of Arena::allocate;
  /// kCorrupt: a malformed argument block.
  [[nodiscard]] Result<CompletionDescriptor> run();

 private:
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] bool has_room() const noexcept;
  [[nodiscard]] Result<void> run_item(std::uint32_t index);
  void answer(std::uint32_t index, CallContext& context, const CallOutcome& outcome);
  void answer_error(std::uint32_t index, tenon_status_t status, std::string_view message);
  void write(std::uint32_t index, BulkAnswer answer, BytesView bytes);
  /// Stores a result separately that is too large for the result block or finds no room there.
  void refer(std::uint32_t index, ResultBlob& blob);

  WorkerCore& core_;
  CallContext::Options options_;
  Route& route_;
  BytesView arguments_;
  std::uint32_t first_;
  std::uint32_t count_;
  std::uint64_t first_id_;
  ArenaBlock answers_;
  std::uint64_t used_ = 0;  // Bytes of the result block.
};

}  // namespace tenon::internal
