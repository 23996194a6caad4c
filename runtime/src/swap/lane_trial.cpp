// The parts of a lane in which the judge decides: canary, shadow, probation.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "swap/lane_state.hpp"

namespace tenon::internal {
namespace {

std::chrono::nanoseconds since(MonotonicNs start_ns, MonotonicNs now_ns) {
  return std::chrono::nanoseconds(std::max<MonotonicNs>(now_ns - start_ns, 0));
}

bool has_idempotent_task(const PluginInfo& plugin) {
  const auto& tasks = plugin.schema->tasks();
  return std::any_of(tasks.begin(), tasks.end(),
                     [](const TaskInfo& task) { return task.idempotent && task.kind == TaskKind::kPlain; });
}

std::string trial_text(const SwapOptions& options, double share) {
  char percent[32];
  std::snprintf(percent, sizeof percent, "%.3g %%", share * 100);
  return std::string(percent) + " of the calls of idempotent tasks run " +
         (options.shadow ? "on both versions, and their results are compared" : "on it");
}

}  // namespace

bool Lane::start_trial() {
  const SwapOptions& options = active_->request.options;
  const PreparationResult& prepared = active_->prepared;
  if (active_->request.kind == SwapRequest::Kind::kRollBack || (options.canary_share <= 0 && !options.shadow)) {
    return false;
  }
  if (current_ == nullptr) {
    tell_untried("it is the first version, whose calls nothing else could answer");
    return false;
  }
  if (!has_idempotent_task(*current_->plugin)) {
    tell_untried("none of its tasks is idempotent, so that no call may be tried on it");
    return false;
  }
  const double share = options.canary_share > 0 ? options.canary_share : 1;
  active_->phase = Active::Phase::kTrial;
  active_->trial_start_ns = monotonic_now_ns();
  active_->old_start = services_.fleet->tally(current_->generation);
  active_->new_start = services_.fleet->tally(prepared.generation);
  TrialOptions trial;
  trial.share = share;
  if (options.shadow) {
    active_->shadow = std::make_shared<ShadowComparison>(current_->plugin, prepared.plugin, services_.wake);
    trial.shadow = [shadow = active_->shadow](const TaskInfo& task, const Result<Reply>& old_end,
                                              const Result<Reply>& new_end) {
      shadow->compare(task, old_end, new_end);
    };
  }
  services_.records.set_state(prepared.record, GenerationState::kCanary);
  tell(SwapEvent::Kind::kCanary, prepared.plugin.get(), prepared.generation, trial_text(options, share));
  services_.fleet->start_trial(prepared.generation, std::move(trial));
  return true;
}

void Lane::tell_untried(std::string reason) {
  const PreparationResult& prepared = active_->prepared;
  tell(SwapEvent::Kind::kCanary, prepared.plugin.get(), prepared.generation,
       (active_->request.options.shadow ? "no shadow run: " : "no canary: ") + reason);
  active_->report.untried = std::move(reason);
}

void Lane::look_at_trial(MonotonicNs now_ns) {
  PreparationResult& prepared = active_->prepared;
  const SwapOptions& options = active_->request.options;
  const auto elapsed = since(active_->trial_start_ns, now_ns);
  const Conduct old_version = conduct_since(active_->old_start, services_.fleet->tally(current_->generation));
  const Conduct new_version = conduct_since(active_->new_start, services_.fleet->tally(prepared.generation));
  const ShadowCounts shadow = active_->shadow == nullptr ? ShadowCounts{} : active_->shadow->counts();
  Judgement judgement = judge_trial(old_version, new_version, shadow, options, elapsed);
  active_->report.tried = elapsed;
  switch (judgement.kind) {
    case Judgement::Kind::kGoOn:
      return;
    case Judgement::Kind::kWell:
      if ((options.shadow ? shadow.compared : new_version.calls) == 0) {
        tell_untried("no call of an idempotent task has ended on it within " +
                     std::to_string(options.canary_time.count()) + " ms");
      }
      make_current();
      return;
    case Judgement::Kind::kBack: {
      const std::string reason =
          (options.shadow ? "turned back by its shadow run: " : "turned back by its canary: ") + judgement.reason;
      prepared.quarantined = services_.candidates.quarantine(*prepared.plugin, reason).has_value();
      refuse({ErrorCode::kRejected, reason, {}});
      return;
    }
  }
}

void Lane::end_trial(const SwapRequest& rollback) {
  PreparationResult& prepared = active_->prepared;
  const std::string reason = "turned back while on trial: " + rollback.reason;
  SwapReport report;
  report.before = services_.records.info(prepared.record);
  report.now = services_.records.info(current_->record);
  report.tried = since(active_->trial_start_ns, monotonic_now_ns());
  prepared.kept_away = true;
  prepared.quarantined = services_.candidates.host()
                             .roll_back({prepared.sha256, prepared.plugin->version, active_->request.target.source},
                                        name_, own_file_, reason)
                             .has_value();
  refuse({ErrorCode::kCancelled, reason, {}});
  if (rollback.done) {
    rollback.done(std::move(report));
  }
}

void Lane::begin_probation(const Version& before, const GenerationTally& start) {
  const SwapOptions& options = active_->request.options;
  if (options.probation.count() <= 0) {
    return;
  }
  probation_ = std::make_unique<Probation>();
  probation_->options = options;
  probation_->start_ns = monotonic_now_ns();
  probation_->start = start;
  probation_->before = conduct_since({}, services_.fleet->tally(before.generation));
}

void Lane::look_at_probation(MonotonicNs now_ns) {
  const Conduct conduct = conduct_since(probation_->start, services_.fleet->tally(current_->generation));
  Judgement judgement =
      judge_probation(probation_->before, conduct, probation_->options, since(probation_->start_ns, now_ns));
  if (judgement.kind == Judgement::Kind::kGoOn) {
    return;
  }
  SwapRequest request;
  request.kind = SwapRequest::Kind::kRollBack;
  request.options = probation_->options;
  request.reason = "turned back by its probation: " + judgement.reason;
  probation_.reset();
  if (judgement.kind == Judgement::Kind::kBack) {
    begin_rollback(std::move(request));
  }
}

}  // namespace tenon::internal
