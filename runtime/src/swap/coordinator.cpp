#include "swap/coordinator.hpp"

#include <future>
#include <utility>

#include "base/try.hpp"
#include "swap/loop.hpp"

namespace tenon::internal {
namespace {

/// Hands a request to the thread and waits for its outcome.
template <typename Loop>
Result<SwapReport> run_request(Loop& loop, SwapRequest request) {
  if (loop.on_own_thread()) {
    return fail(ErrorCode::kInvalidArgument,
                "a listener of events cannot wait for a swap, as it holds up the thread that makes it; swap from "
                "another thread");
  }
  const auto promise = std::make_shared<std::promise<Result<SwapReport>>>();
  auto answer = promise->get_future();
  request.done = [promise](Result<SwapReport> result) { promise->set_value(std::move(result)); };
  loop.give(std::move(request));
  return answer.get();
}

}  // namespace

Result<std::unique_ptr<SwapCoordinator>> SwapCoordinator::start(const HotSwapOptions& options,
                                                                std::shared_ptr<Fleet> fleet, Candidates candidates,
                                                                StagedCatalog initial, LogSink log) {
  TENON_TRY(check_hot_swap_options(options));
  TENON_ASSIGN(auto bell, EventBell::create());
  TENON_ASSIGN(auto poller, Poller::create());
  auto loop = std::make_shared<Loop>(options, std::move(fleet), std::move(candidates), std::move(initial),
                                     std::move(log), std::make_shared<EventBell>(std::move(bell)), std::move(poller));
  TENON_TRY(loop->start());
  return std::unique_ptr<SwapCoordinator>(new SwapCoordinator(std::move(loop)));
}

SwapCoordinator::SwapCoordinator(std::shared_ptr<Loop> loop) noexcept : loop_(std::move(loop)) {}

SwapCoordinator::~SwapCoordinator() {
  loop_->stop();
  loop_->let_go();
}

void SwapCoordinator::stop() {
  loop_->stop();
}

void SwapCoordinator::stop_soon() {
  loop_->stop_soon();
}

void SwapCoordinator::let_go() {
  loop_->let_go();
}

Result<SwapReport> SwapCoordinator::swap(std::string_view what, const SwapOptions& options) {
  TENON_TRY(check_swap_options(options));
  return run_request(*loop_, {.kind = SwapRequest::Kind::kSwap,
                              .what = std::string(what),
                              .options = options,
                              .reason = "asked for by command",
                              .by_person = true});
}

Result<SwapReport> SwapCoordinator::rollback(std::string_view plugin, std::string_view reason) {
  return run_request(*loop_, {.kind = SwapRequest::Kind::kRollBack,
                              .what = std::string(plugin),
                              .reason = reason.empty() ? "rolled back by command" : std::string(reason),
                              .by_person = true});
}

std::vector<GenerationInfo> SwapCoordinator::generations() const {
  return loop_->records().all();
}

std::vector<SwapEvent> SwapCoordinator::events_since(std::uint64_t number) const {
  return loop_->events().since(number);
}

EventSubscription SwapCoordinator::on_event(std::function<void(const SwapEvent&)> listener) {
  return loop_->events().subscribe(std::move(listener));
}

}  // namespace tenon::internal
