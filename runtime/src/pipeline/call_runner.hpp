/// pipeline/call_runner.hpp: a map stage or a plain sink, one call for each item.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include <tenon/options.hpp>
#include <tenon/reply.hpp>

#include "pipeline/node_runner.hpp"
#include "pipeline/pace.hpp"

namespace tenon::internal {

/// Begins calls within a window, retries them, and passes their results on in the order that the
/// file asks for.
class CallRunner final : public NodeRunner {
 public:
  CallRunner(RunContext& run, std::uint32_t node);

  void pump() override;
  void wind_down() override;
  void ended(std::uint32_t slot) override;
  void fired(const NodeTimer& retry) override;
  void cancel() override;

 private:
  /// A slot in the input order. Its item is passed on when all earlier slots are done.
  struct Ordered {
    bool done = false;
    bool failed = false;
    Item item;
  };

  /// Returns whether a result waits for the results of the items before it.
  [[nodiscard]] bool resequences() const noexcept;
  /// Returns how many items the node may have taken and not yet passed on.
  [[nodiscard]] std::uint32_t hold() const noexcept;
  void take_item(Item item);
  /// Returns the value of the field that order = "key:..." names. Nullopt if the item has failed.
  [[nodiscard]] std::optional<std::string> read_key(const Item& item);
  /// Returns the output file that becomes the item's. Nullopt if the item has failed.
  [[nodiscard]] std::optional<std::string> claim_name(Item& item);
  void start(std::uint32_t slot);
  /// Passes on a result.
  void answer(std::uint32_t slot, Reply reply);
  void fail_call(std::uint32_t slot, Error error);
  /// Removes a call that gives no result.
  void remove(std::uint32_t slot);
  /// Frees the slot of a call. The next call with its key may begin then.
  void release(std::uint32_t slot);
  void flush_results();
  void flush_sequence();
  void finish_if_done();

  CallOptions options_;
  CallWindow window_;
  std::uint64_t active_bytes_ = 0;
  Ring<std::uint32_t> again_;  ///< Calls whose delay before a retry has passed.
  Ring<Ordered> sequence_;
  std::uint64_t sequence_base_ = 0;  ///< The number of the first slot in `sequence_`.
  BusyKeys keys_;
  std::unordered_map<std::uint32_t, std::string> claims_;  ///< The output files of calls, by slot.
};

}  // namespace tenon::internal
