// Generations of plugins: swap, rollback, events, reload.
#include <chrono>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"
#include "serve/protocol.hpp"
#include "serve/runtime_system.hpp"

namespace tenon::internal {
namespace {

std::int64_t milliseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

serve::GenerationT to_message(const GenerationInfo& info) {
  serve::GenerationT generation;
  generation.number = info.number;
  generation.plugin = info.plugin;
  generation.version = info.version;
  generation.sha256 = info.sha256;
  generation.source = info.source.string();
  generation.state = generation_state_name(info.state);
  generation.since_ms = milliseconds(info.since);
  generation.reason = info.reason;
  generation.workers = info.workers;
  generation.calls = info.calls;
  generation.failed = info.failed;
  generation.crashed = info.crashed;
  generation.note = info.note;
  generation.p99_ns = info.p99.count();
  return generation;
}

serve::SwappedT to_message(const SwapReport& report) {
  serve::SwappedT swapped;
  swapped.now = std::make_unique<serve::GenerationT>(to_message(report.now));
  swapped.before = std::make_unique<serve::GenerationT>(to_message(report.before));
  swapped.overridden = report.overridden;
  swapped.staged_ns = report.staged.count();
  swapped.examined_ns = report.examined.count();
  swapped.warmed_ns = report.warmed.count();
  swapped.tried_ns = report.tried.count();
  swapped.untried = report.untried;
  return swapped;
}

Result<serve::SwappedT> to_answer(Result<SwapReport> report) {
  return std::move(report).map([](const SwapReport& made) { return to_message(made); });
}

}  // namespace

Result<serve::SwappedT> RuntimeSystem::swap(const serve::SwapT& request) {
  SwapOptions options = options_.swaps;
  options.force = request.force;
  options.shadow = request.shadow;
  if (request.canary_share) {
    // Written so that it is false for NaN.
    if (!(*request.canary_share >= 0 && *request.canary_share <= 1)) {
      return fail(ErrorCode::kInvalidArgument, "the canary share must be from 0 to 1");
    }
    options.canary_share = *request.canary_share;
  }
  if (request.canary_calls) {
    options.canary_calls = *request.canary_calls;
  }
  if (request.canary_time_ms) {
    options.canary_time = std::chrono::milliseconds(*request.canary_time_ms);
  }
  if (request.step_timeout_ms) {
    options.step_timeout = std::chrono::milliseconds(*request.step_timeout_ms);
  }
  if (request.probation_ms) {
    options.probation = std::chrono::milliseconds(*request.probation_ms);
  }
  return to_answer(runtime_.swap(request.what, options));
}

Result<serve::SwappedT> RuntimeSystem::rollback(const serve::RollbackT& request) {
  return to_answer(runtime_.rollback(request.plugin, request.reason));
}

Result<serve::GenerationsT> RuntimeSystem::generations() {
  serve::GenerationsT all;
  for (const GenerationInfo& info : runtime_.generations()) {
    all.generations.push_back(std::make_unique<serve::GenerationT>(to_message(info)));
  }
  return all;
}

void RuntimeSystem::take_event(const SwapEvent& event) {
  if (options_.labels && (event.kind == SwapEvent::Kind::kSwitched || event.kind == SwapEvent::Kind::kRolledBack)) {
    options_.labels->update(runtime_.catalog());
  }
  const serve::EventT message = to_message(event);
  const auto listeners = listeners_.lock();
  if (listeners->event) {
    listeners->event(message);
  }
}

serve::EventsT RuntimeSystem::events_since(std::uint64_t number) {
  serve::EventsT given;
  for (const SwapEvent& event : runtime_.events_since(number)) {
    given.events.push_back(std::make_unique<serve::EventT>(to_message(event)));
  }
  if (!given.events.empty()) {
    given.missed = given.events.front()->number - number - 1;
  }
  return given;
}

Result<serve::ReloadedT> RuntimeSystem::reload() {
  CatalogOptions options;
  options.plugin_dirs = options_.plugin_dirs;
  options.limits = options_.limits;
  options.limits_of = options_.limits_of;
  options.use_environment = false;
  TENON_ASSIGN(const auto found, Catalog::open(options));
  serve::ReloadedT reloaded;
  const Catalog current = runtime_.catalog();
  for (const auto& plugin : found.plugins()) {
    const auto known = current.find_plugin(plugin->name);
    if (!plugin->usable()) {
      // A plugin that is shadowed by another file, or was broken from the start, is not reported.
      if (known != nullptr && found.find_plugin(plugin->name) == nullptr) {
        reloaded.lines.push_back(plugin_label(plugin->name, plugin->version, plugin->sha256) +
                                 " cannot be used: " + plugin->problem->message);
      }
      continue;
    }
    if (known != nullptr && known->sha256 == plugin->sha256) {
      continue;
    }
    const auto swapped = runtime_.swap(plugin->file.string(), options_.swaps);
    const std::string label = plugin_label(plugin->name, plugin->version, plugin->sha256);
    reloaded.lines.push_back(label + (swapped ? " is current" : " is refused: " + swapped.error().message));
  }
  return reloaded;
}

}  // namespace tenon::internal
