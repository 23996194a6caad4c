#include "swap/lane.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/text.hpp"
#include "swap/difference.hpp"
#include "swap/lane_state.hpp"

namespace tenon::internal {
namespace {

/// Each preparation is a process and a thread, and a build changes all plugins at once.
constexpr std::size_t kMaxPreparing = 4;
/// How many versions back a roll-back can go.
constexpr std::size_t kMaxPast = 32;

}  // namespace

Lane::Lane(SwapServices& services, std::string name, const GenerationRef& generation, InitialPlugin initial)
    : services_(services),
      name_(std::move(name)),
      source_(std::move(initial.source)),
      own_file_(std::move(initial.file)),
      own_sha256_(std::move(initial.file_sha256)),
      decided_sha256_(std::move(initial.decided_sha256)),
      why_(std::move(initial.why)),
      forced_(initial.forced) {
  for (const ServedVersion& version : initial.past) {
    past_.push_back(earlier_version(version));
  }
  if (generation) {
    const auto& plugin = generation->plugin;
    GenerationInfo info;
    info.plugin = name_;
    info.version = plugin->version;
    info.sha256 = plugin->sha256;
    info.source = source_;
    info.state = GenerationState::kCurrent;
    const auto record = services_.records.add(std::move(info), plugin->file);
    services_.records.attach(record, generation);
    current_ = std::make_shared<Version>(Version{record, plugin, generation, source_, std::move(initial.served)});
    explain();
    remember();
  } else if (!own_sha256_.empty() && services_.candidates.objection(own_sha256_, own_file_)) {
    note_kept_out(initial);
  }
  if (!initial.note.empty()) {
    const bool objects = !own_sha256_.empty() && services_.candidates.objection(own_sha256_, own_file_);
    tell(current_ != nullptr && !objects ? SwapEvent::Kind::kRestored : SwapEvent::Kind::kRefused,
         current_ == nullptr ? nullptr : current_->plugin.get(), generation, std::move(initial.note));
  }
}

void Lane::note_kept_out(const InitialPlugin& initial) {
  GenerationInfo info;
  info.plugin = name_;
  info.version = initial.refused_version;
  info.sha256 = own_sha256_;
  info.source = own_file_;
  info.state = GenerationState::kRefused;
  info.reason = initial.note;
  const auto record = services_.records.add(std::move(info), {});
  services_.records.set_note(
      record, [&candidates = services_.candidates, name = name_, file = own_file_, sha256 = own_sha256_] {
        const auto objection = candidates.objection(sha256, file);
        return objection ? objection->message
                         : "its content was kept out at the start and may be loaded again; 'tenon swap " + name +
                               "' makes it current";
      });
}

Lane::VersionRef Lane::earlier_version(const ServedVersion& version) {
  PluginInfo plugin;
  plugin.name = name_;
  plugin.version = version.version;
  plugin.sha256 = version.sha256;
  plugin.file = services_.candidates.store().place_of(version.sha256, version.source.filename());
  GenerationInfo info;
  info.plugin = name_;
  info.version = version.version;
  info.sha256 = version.sha256;
  info.source = version.source;
  info.state = GenerationState::kRetired;
  const auto record = services_.records.add(std::move(info), plugin.file);
  return std::make_shared<Version>(
      Version{record, std::make_shared<const PluginInfo>(std::move(plugin)), nullptr, version.source, nullptr});
}

Lane::~Lane() = default;

std::shared_ptr<const PluginInfo> Lane::current() const noexcept {
  return current_ == nullptr ? nullptr : current_->plugin;
}

void Lane::ask(SwapRequest request) {
  if (request.kind == SwapRequest::Kind::kRollBack && active_ != nullptr && active_->phase == Active::Phase::kTrial) {
    end_trial(request);
    return;
  }
  // The file is staged when it is the waiting request's turn, so a newer change is included anyway.
  if (waiting_ && waiting_->by_person && !request.by_person && request.kind == waiting_->kind &&
      request.target.file.lexically_normal() == waiting_->target.file.lexically_normal()) {
    if (request.done) {
      request.done(fail(ErrorCode::kCancelled, "a swap of the same file is waiting already"));
    }
    return;
  }
  if (waiting_ && waiting_->done) {
    const bool swap = request.kind == SwapRequest::Kind::kSwap;
    waiting_->done(fail(ErrorCode::kCancelled,
                        std::string(swap ? "a newer version of '" : "a roll-back of '") + name_ + "' came meanwhile"));
  }
  waiting_ = std::move(request);
}

void Lane::step(MonotonicNs now_ns) {
  look_at_drains();
  if (active_ != nullptr) {
    look_at_active(now_ns);
  }
  // There is no judgement during a change: the change ends the probation, or it is refused and the judge decides then.
  if (active_ == nullptr && probation_ != nullptr) {
    look_at_probation(now_ns);
  }
  if (active_ == nullptr && waiting_ && services_.preparing < kMaxPreparing) {
    SwapRequest request = std::move(*waiting_);
    waiting_.reset();
    begin(std::move(request));
  }
}

MonotonicNs Lane::next_time() const noexcept {
  const bool watches = active_ != nullptr ? active_->phase == Active::Phase::kTrial : probation_ != nullptr;
  return watches ? deadline_after(kLook) : kNever;
}

void Lane::stop(const Error& reason) {
  if (waiting_ && waiting_->done) {
    waiting_->done(fail(reason));
  }
  waiting_.reset();
  probation_.reset();
  if (active_ == nullptr) {
    return;
  }
  if (active_->request.done) {
    std::exchange(active_->request.done, {})(fail(reason));
  }
  if (active_->preparation != nullptr) {
    active_->preparation->cancel();
  } else {
    services_.fleet->retire(active_->prepared.generation);
  }
}

// -- the start of a change --------------------------------------------------------------------

void Lane::begin(SwapRequest request) {
  if (request.kind == SwapRequest::Kind::kRollBack) {
    begin_rollback(std::move(request));
    return;
  }
  SwapEvent event;
  event.kind = SwapEvent::Kind::kDetected;
  event.plugin = name_;
  event.message = request.target.file.string() + ": " + request.reason;
  services_.events.add(std::move(event));
  PreparationOrder order;
  order.plugin = name_;
  order.file = request.target.file;
  order.source = request.target.source;
  order.expected_version = request.target.version;
  order.options = request.options;
  order.named_file = request.target.named_file;
  if (own_file_.empty()) {
    own_file_ = request.target.source;
  }
  order.own_file = own_file_;
  order.current = current();
  active_ = std::make_unique<Active>(std::move(request));
  prepare(std::move(order));
}

void Lane::begin_rollback(SwapRequest request) {
  active_ = std::make_unique<Active>(std::move(request));
  while (!past_.empty() && services_.candidates.objection(past_.back()->plugin->sha256, own_file_)) {
    if (!is_draining(past_.back())) {
      let_go(*past_.back());
    }
    past_.pop_back();
  }
  if (past_.empty()) {
    std::string problem = current_ == nullptr
                              ? "there is no version of '" + name_ + "' to go back from"
                              : "there is no version of '" + name_ + "' before " + current_->plugin->version +
                                    " to go back to; 'tenon generations' lists those that there were";
    // No caller waits for the outcome of an automatic change.
    tell(SwapEvent::Kind::kRefused, current_ == nullptr ? nullptr : current_->plugin.get(), nullptr,
         active_->request.reason + "; but " + problem);
    end(fail(ErrorCode::kNotFound, std::move(problem)));
    return;
  }
  const Version& target = *past_.back();
  PreparationOrder order;
  order.plugin = name_;
  order.file = target.plugin->file;
  order.source = target.source;
  order.options = active_->request.options;
  order.current = current();
  order.own_file = own_file_;
  order.rolls_back = true;
  order.earlier = target.generation;
  active_->target = past_.back();
  prepare(std::move(order));
}

void Lane::prepare(PreparationOrder order) {
  auto preparation = Preparation::start(services_, std::move(order));
  if (!preparation) {
    refuse(std::move(preparation.error()));
    return;
  }
  active_->preparation = std::move(*preparation);
  ++services_.preparing;
}

void Lane::look_at_active(MonotonicNs now_ns) {
  if (active_->phase == Active::Phase::kTrial) {
    look_at_trial(now_ns);
    return;
  }
  if (auto result = active_->preparation->take()) {
    active_->preparation.reset();
    --services_.preparing;
    on_prepared(std::move(*result));
  }
}

void Lane::on_prepared(PreparationResult result) {
  active_->prepared = std::move(result);
  PreparationResult& prepared = active_->prepared;
  active_->report.staged = prepared.staged;
  active_->report.examined = prepared.examined;
  active_->report.warmed = prepared.warmed;
  note_own_file();
  switch (prepared.kind) {
    case PreparationResult::Kind::kUnchanged:
      unchanged();
      return;
    case PreparationResult::Kind::kRefused:
      refuse(std::move(prepared.error));
      return;
    case PreparationResult::Kind::kReady:
      break;
  }
  if (active_->request.kind == SwapRequest::Kind::kSwap) {
    tell_overridden();
  }
  if (!start_trial()) {
    make_current();
  }
}

void Lane::tell_overridden() {
  PreparationResult& prepared = active_->prepared;
  std::vector<std::string> overridden = prepared.breaks;
  if (!prepared.objection.empty()) {
    overridden.push_back(prepared.objection);
  }
  if (overridden.empty()) {
    return;
  }
  std::string message = prepared.breaks.empty()
                            ? "a quarantine or roll-back overridden:"
                            : count_of(overridden.size(), "break", "breaks") + " of the schema overridden:";
  for (const std::string& found : overridden) {
    message += "\n  " + found;
  }
  tell(SwapEvent::Kind::kForced, prepared.plugin.get(), prepared.generation, message);
  services_.records.set_state(prepared.record, GenerationState::kTrial, message);
  active_->report.overridden = std::move(overridden);
}

void Lane::unchanged() {
  tell(SwapEvent::Kind::kDetected, current_->plugin.get(), current_->generation,
       "the file holds what is current already");
  explain();
  remember();
  active_->report.now = services_.records.info(current_->record);
  active_->report.before = active_->report.now;
  end(std::move(active_->report));
}

// -- the switch -------------------------------------------------------------------------------

void Lane::make_current() {
  PreparationResult& prepared = active_->prepared;
  const bool back = active_->request.kind == SwapRequest::Kind::kRollBack;
  // Queued calls were written for the old version; a version that breaks its schema might not
  // understand them.
  const bool keeps_queued = !prepared.breaks.empty();
  // Set before the switch, because a call may crash at once and must count.
  const GenerationTally start = services_.fleet->tally(prepared.generation);
  services_.fleet->switch_to(prepared.generation, keeps_queued, active_->request.options.session_drain);
  probation_.reset();

  const VersionRef before = current_;
  if (active_->target != nullptr && active_->target->generation.get() == prepared.generation.get()) {
    current_ = active_->target;
  } else {
    const std::filesystem::path source = back ? active_->target->source : active_->request.target.source;
    current_ =
        std::make_shared<Version>(Version{prepared.record, prepared.plugin, prepared.generation, source, nullptr});
  }
  if (back) {
    past_.pop_back();
  } else {
    source_ = active_->request.target.source;
  }
  why_ = back ? "rolled back to it: " + active_->request.reason
              : active_->request.reason + " ('" + active_->request.target.source.string() + "')";
  forced_ = !prepared.objection.empty();
  if (forced_) {
    services_.candidates.host().let_in(prepared.sha256, own_file_);
  }
  std::erase(draining_, current_);
  services_.records.set_state(current_->record, GenerationState::kCurrent);
  const std::string replaces =
      before == nullptr ? "the first version" : "in the place of " + described(*before->plugin);
  tell(back ? SwapEvent::Kind::kRolledBack : SwapEvent::Kind::kSwitched, current_->plugin.get(), current_->generation,
       back ? replaces + ": " + active_->request.reason : replaces);
  if (before != nullptr) {
    services_.records.set_note(before->record, {});
    if (back && active_->request.by_person) {
      keep_away(*before, active_->request.reason);
    } else if (back) {
      quarantine(*before, active_->request.reason);
    } else {
      past_.push_back(before);
      if (past_.size() > 1 && !is_draining(past_[past_.size() - 2])) {
        let_go(*past_[past_.size() - 2]);
      }
      if (past_.size() > kMaxPast) {
        past_.erase(past_.begin());
      }
      begin_probation(*before, start);
    }
    put_aside(before);
    active_->report.before = services_.records.info(before->record);
  }
  explain();
  remember();
  active_->report.now = services_.records.info(current_->record);
  end(std::move(active_->report));
  look_at_drains();
}

void Lane::put_aside(const VersionRef& version) {
  services_.records.set_state(version->record, GenerationState::kDraining);
  draining_.push_back(version);
}

void Lane::look_at_drains() {
  for (std::size_t i = 0; i < draining_.size();) {
    const VersionRef version = draining_[i];
    if (!services_.fleet->wait_drained(version->generation, std::chrono::milliseconds(0))) {
      ++i;
      continue;
    }
    draining_.erase(draining_.begin() + static_cast<std::ptrdiff_t>(i));
    services_.records.set_state(version->record, GenerationState::kRetired);
    tell(SwapEvent::Kind::kDrained, version->plugin.get(), version->generation, "no worker has it any more");
    // The latest version may be needed again at once, and then its file must exist.
    if (past_.empty() || past_.back() != version) {
      let_go(*version);
    }
  }
}

bool Lane::is_draining(const VersionRef& version) const noexcept {
  return std::find(draining_.begin(), draining_.end(), version) != draining_.end();
}

void Lane::let_go(Version& version) {
  services_.records.detach(version.record);
  version.generation = nullptr;
  version.file.reset();
}

// -- ends -------------------------------------------------------------------------------------

void Lane::refuse(Error error) {
  const PreparationResult& prepared = active_->prepared;
  const bool back = active_->request.kind == SwapRequest::Kind::kRollBack;
  const PluginInfo* plugin = prepared.plugin.get();
  if (!back && active_->request.target.file == own_file_ && !prepared.sha256.empty()) {
    if (!prepared.objected) {
      own_refusal_ = error.message;
    }
    explain();
    remember();
  }
  const bool again = active_->target != nullptr && active_->target->generation != nullptr;
  std::string subject = plugin != nullptr ? described(*plugin) : "plugin '" + name_ + "'";
  error.context.plugin = subject;
  if (!back) {
    subject += " of " + active_->request.target.source.string();
  }
  error.message =
      (back ? "cannot go back to " + subject + ": " : subject + " does not become current: ") + error.message;
  if (current_ != nullptr) {
    error.message += "; " + described(*current_->plugin) + " stays current";
  }
  if (prepared.generation && !again) {
    services_.fleet->retire(prepared.generation);
  }
  if (prepared.record != 0) {
    services_.records.set_state(prepared.record, GenerationState::kRefused, error.message);
    services_.records.detach(prepared.record);
  }
  SwapEvent event;
  event.kind = SwapEvent::Kind::kRefused;
  event.plugin = name_;
  event.version = plugin != nullptr ? plugin->version : "";
  event.sha256 = prepared.sha256;
  event.generation = prepared.generation ? prepared.generation->number : 0;
  event.message = error.message;
  services_.events.add(event);
  if (prepared.quarantined) {
    event.kind = SwapEvent::Kind::kQuarantined;
    event.message = prepared.kept_away ? "this host does not load this content again by itself"
                                       : "this content will not be loaded again";
    services_.events.add(std::move(event));
  }
  end(fail(std::move(error)));
}

void Lane::end(Result<SwapReport> result) {
  const auto done = std::move(active_->request.done);
  active_.reset();
  if (done) {
    done(std::move(result));
  }
}

void Lane::quarantine(const Version& version, const std::string& reason) {
  auto added = services_.candidates.quarantine(*version.plugin, reason);
  tell(SwapEvent::Kind::kQuarantined, version.plugin.get(), version.generation,
       added ? "this content will not be loaded again: " + reason
             : "this content could not be put into quarantine: " + added.error().message);
  services_.records.set_state(version.record, GenerationState::kDraining, reason);
}

void Lane::keep_away(const Version& version, const std::string& reason) {
  const PluginInfo& plugin = *version.plugin;
  auto added =
      services_.candidates.host().roll_back({plugin.sha256, plugin.version, version.source}, name_, own_file_, reason);
  tell(SwapEvent::Kind::kQuarantined, &plugin, version.generation,
       added ? "this host does not load this content again by itself: " + reason
             : "this content could not be kept away: " + added.error().message);
  services_.records.set_state(version.record, GenerationState::kDraining, reason);
}

void Lane::note_own_file() {
  const PreparationResult& prepared = active_->prepared;
  if (active_->request.kind == SwapRequest::Kind::kSwap && active_->request.target.file == own_file_ &&
      !prepared.sha256.empty()) {
    own_sha256_ = prepared.sha256;
    decided_sha256_ = prepared.sha256;
    own_refusal_.reset();
  }
}

void Lane::remember() {
  if (current_ == nullptr) {
    return;
  }
  const auto served = [](const Version& version) {
    return ServedVersion{version.plugin->sha256, version.plugin->version, version.source};
  };
  ServiceRecord record;
  record.plugin = name_;
  record.current = served(*current_);
  record.why = why_;
  record.since = std::chrono::system_clock::now();
  record.forced = forced_;
  if (lies_in(services_.directories, own_file_)) {
    record.file = own_file_;
  }
  record.file_sha256 = decided_sha256_;
  for (const VersionRef& version : past_) {
    record.past.push_back(served(*version));
  }
  services_.candidates.host().remember(std::move(record), own_file_);
}

void Lane::explain() {
  if (current_ == nullptr) {
    return;
  }
  const PluginInfo& plugin = *current_->plugin;
  if (own_sha256_.empty() || own_sha256_ == plugin.sha256) {
    services_.records.set_note(current_->record, {});
    return;
  }
  // A person may lift a quarantine or a roll-back at any time, so it is looked up for each reader.
  services_.records.set_note(
      current_->record,
      [&candidates = services_.candidates, name = name_, file = own_file_, sha256 = own_sha256_,
       served = ServedVersion{plugin.sha256, plugin.version, current_->source}, why = why_,
       refusal = own_refusal_] { return difference_text(candidates, name, file, sha256, served, why, refusal); });
}

void Lane::tell(SwapEvent::Kind kind, const PluginInfo* plugin, const GenerationRef& generation, std::string message) {
  SwapEvent event;
  event.kind = kind;
  event.plugin = name_;
  if (plugin != nullptr) {
    event.version = plugin->version;
    event.sha256 = plugin->sha256;
  }
  event.generation = generation ? generation->number : 0;
  event.message = std::move(message);
  services_.events.add(std::move(event));
}

std::string Lane::described(const PluginInfo& plugin) const {
  return describe_version(name_, plugin.version, plugin.sha256);
}

}  // namespace tenon::internal
