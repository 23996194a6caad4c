#include "swap/preparation.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/resource_limits.hpp"
#include "schema/conformity.hpp"

namespace tenon::internal {
namespace {

std::chrono::nanoseconds since(MonotonicNs start_ns) {
  return std::chrono::nanoseconds(monotonic_now_ns() - start_ns);
}

}  // namespace

Preparation::Preparation(SwapServices& services, PreparationOrder order, EventBell cancelled)
    : services_(services), order_(std::move(order)), cancelled_(std::move(cancelled)) {}

Result<std::unique_ptr<Preparation>> Preparation::start(SwapServices& services, PreparationOrder order) {
  TENON_ASSIGN(auto cancelled, EventBell::create());
  std::unique_ptr<Preparation> preparation(new Preparation(services, std::move(order), std::move(cancelled)));
  auto thread = Thread::start("tenon-prepare", [self = preparation.get()] { self->run(); });
  if (!thread) {
    return fail(std::move(thread.error()));
  }
  preparation->thread_ = std::move(*thread);
  return preparation;
}

Preparation::~Preparation() {
  if (thread_.joinable()) {
    cancel();
    thread_.join();
  }
}

void Preparation::cancel() {
  GenerationRef warming;
  {
    auto shared = shared_.lock();
    if (shared->result) {
      return;
    }
    shared->cancelled = true;
    warming = shared->warming;
  }
  cancelled_.ring();
  if (warming) {
    services_.fleet->retire(warming);
  }
}

std::optional<PreparationResult> Preparation::take() {
  auto shared = shared_.lock();
  return std::exchange(shared->result, std::nullopt);
}

void Preparation::run() {
  PreparationResult result;
  try {
    prepare(result);
  } catch (const std::bad_alloc&) {
    // What it has made so far is retired with it; the current version keeps serving.
    result.kind = PreparationResult::Kind::kRefused;
    result.error = Error{ErrorCode::kOutOfMemory, "no memory is left to prepare a swap" + memory_limit_text(), {}};
  }
  shared_.lock()->result = std::move(result);
  services_.wake();
}

void Preparation::prepare(PreparationResult& result) {
  std::optional<Error> problem;
  if (order_.earlier) {
    result.plugin = order_.earlier->plugin;
    result.sha256 = result.plugin->sha256;
    result.generation = order_.earlier;
  } else {
    problem = stage_and_examine(result);
    if (!problem && result.kind == PreparationResult::Kind::kUnchanged) {
      return;
    }
  }
  if (!problem) {
    problem = conform(result);
  }
  if (!problem) {
    problem = warm(result);
  }
  if (problem) {
    result.error = std::move(*problem);
    return;
  }
  result.kind = PreparationResult::Kind::kReady;
}

std::chrono::milliseconds Preparation::step_timeout() const {
  return order_.options.step_timeout.count() > 0
             ? order_.options.step_timeout
             : services_.candidates.examiner().limits_for(order_.plugin).start_timeout;
}

std::optional<Error> Preparation::stage_and_examine(PreparationResult& result) {
  MonotonicNs start_ns = monotonic_now_ns();
  auto staged = services_.candidates.stage(order_.file, deadline_after(step_timeout()), cancelled_.descriptor());
  result.staged = since(start_ns);
  if (!staged) {
    return std::move(staged.error());
  }
  result.sha256 = staged->sha256;
  if (order_.current != nullptr && staged->sha256 == order_.current->sha256) {
    result.kind = PreparationResult::Kind::kUnchanged;
    result.plugin = order_.current;
    return std::nullopt;
  }
  GenerationInfo info;
  info.plugin = order_.plugin;
  info.sha256 = staged->sha256;
  info.source = order_.source;
  result.record = services_.records.add(info, staged->file);
  SwapEvent event;
  event.kind = SwapEvent::Kind::kStaged;
  event.plugin = order_.plugin;
  event.sha256 = staged->sha256;
  event.message = staged->file.string() + ", " + format_size(staged->size_bytes);
  services_.events.add(std::move(event));
  services_.wake();

  if (auto objection = services_.candidates.objection(staged->sha256, order_.own_file, step_timeout())) {
    if (!order_.options.force || !order_.named_file) {
      result.objected = true;
      return objection;
    }
    result.objection = std::move(objection->message);
  }
  start_ns = monotonic_now_ns();
  const auto plugin = std::make_shared<const PluginInfo>(
      services_.candidates.examine(*staged, step_timeout(), cancelled_.descriptor(), result.quarantined));
  result.examined = since(start_ns);
  result.plugin = plugin;
  services_.records.set_version(result.record, plugin->version);
  if (plugin->problem) {
    return plugin->problem;
  }
  if (!order_.expected_version.empty() && plugin->version != order_.expected_version) {
    return Error{ErrorCode::kNotFound,
                 order_.file.string() + " has become version " + plugin->version + "; " + order_.expected_version +
                     " was asked for",
                 {}};
  }
  // Workers that start later load it as slowly as those of this swap.
  const auto load_limit =
      std::max(step_timeout(), services_.candidates.examiner().limits_for(order_.plugin).start_timeout);
  result.generation = services_.fleet->add(
      plugin, ServedFile::stored(services_.candidates.store(), std::move(*staged), order_.source), load_limit);
  services_.records.attach(result.record, result.generation);
  return std::nullopt;
}

std::optional<Error> Preparation::conform(PreparationResult& result) const {
  if (order_.current == nullptr || !order_.current->schema) {
    return std::nullopt;
  }
  const MonotonicNs start_ns = monotonic_now_ns();
  for (const SchemaBreak& found : check_conformity(*order_.current->schema, *result.plugin->schema)) {
    result.breaks.push_back(found.to_string());
  }
  result.examined += since(start_ns);
  if (result.breaks.empty() || order_.options.force || order_.rolls_back) {
    return std::nullopt;
  }
  std::string message = "its schema breaks that of version " + order_.current->version + ":";
  for (const std::string& found : result.breaks) {
    message += "\n  " + found;
  }
  return Error{ErrorCode::kIncompatible, message + "\nSwap with force to do it all the same", {}};
}

std::optional<Error> Preparation::warm(PreparationResult& result) {
  {
    auto shared = shared_.lock();
    if (shared->cancelled) {
      return Error{ErrorCode::kCancelled, "the swap was cancelled", {}};
    }
    shared->warming = result.generation;
  }
  const MonotonicNs start_ns = monotonic_now_ns();
  auto warmed = services_.fleet->warm(result.generation, step_timeout());
  result.warmed = since(start_ns);
  shared_.lock()->warming = nullptr;
  if (warmed) {
    services_.candidates.loaded_in_time(result.sha256);
    return std::nullopt;
  }
  Error error = std::move(warmed.error());
  error.message = "no worker could be started with it: " + error.message;
  // A plugin that crashed or hung here would do so again; an error of `init` may be caused by the
  // environment.
  if ((error.code == ErrorCode::kCrashed || error.code == ErrorCode::kDeadline) && !order_.rolls_back) {
    const bool hung = error.code == ErrorCode::kDeadline;
    result.quarantined =
        services_.candidates
            .quarantine(*result.plugin, error.message, hung ? step_timeout() : std::chrono::milliseconds::zero())
            .has_value();
  }
  return error;
}

}  // namespace tenon::internal
