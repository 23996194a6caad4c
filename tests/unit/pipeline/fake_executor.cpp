#include "fake_executor.hpp"

#include <algorithm>
#include <utility>

#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::Ended;

namespace {

struct TextStorage final : internal::ReplyStorage {
  explicit TextStorage(std::string_view text) : content(text) {}
  const std::string content;
};

}  // namespace

Reply make_reply(std::string_view text) {
  auto storage = internal::make_shared_object<const TextStorage>(text);
  const std::string& content = storage->content;
  return Reply(std::move(storage), BytesView(reinterpret_cast<const std::uint8_t*>(content.data()), content.size()));
}

std::string text_of(const Reply& reply) {
  return {reply.bytes().begin(), reply.bytes().end()};
}

namespace {

/// Returns the number after `"key": ` in a JSON text.
std::int64_t number_in(const std::string& json, const std::string& key) {
  const std::size_t at = json.find("\"" + key + "\": ");
  return at == std::string::npos ? 0 : std::stoll(json.substr(at + key.size() + 4));
}

}  // namespace

/// A source counts up to its argument's `count`, or through the parts of its argument, an item; a
/// reduce joins the items that it is fed. The position of part P of the item V is 100 V + P.
class FakeSession final : public internal::ExecutorSession {
 public:
  FakeSession(FakeExecutor& executor, std::uint32_t first, std::uint32_t second)
      : executor_(executor), ended_{Ended::Kind::kSession, first, second} {}

  ~FakeSession() override {
    if (open_) {
      --spec().sessions;
    }
  }
  FakeSession(const FakeSession&) = delete;
  FakeSession& operator=(const FakeSession&) = delete;

  void open(const std::string& task, const SessionOptions& options) override {
    task_ = task;
    ++spec().opened;
    open_ = true;
    spec().most_sessions = std::max(spec().most_sessions, ++spec().sessions);
    const std::string argument(options.argument.begin(), options.argument.end());
    const std::string checkpoint(options.checkpoint.begin(), options.checkpoint.end());
    source_ = !argument.empty();
    count_ = number_in(argument, "count");
    if (argument.starts_with("value=")) {
      item_ = std::stoll(argument.substr(6));
      const int results = spec().results_of ? spec().results_of(*item_) : 10;
      given_ = checkpoint.empty() ? *item_ * 100 : std::stoll(checkpoint);
      count_ = *item_ * 100 + results;
    } else if (source_) {
      given_ = checkpoint.empty() ? number_in(argument, "first") : std::stoll(checkpoint);
    } else {
      joined_ = checkpoint;
    }
    Outcome outcome;
    if (spec().open_crashes.count(spec().opened - 1) > 0) {
      outcome.error = died(true);
    } else if (spec().open_losses.count(spec().opened - 1) > 0) {
      outcome.error = died(false);
    }
    begin(std::move(outcome));
  }
  void next(std::uint32_t max_results) override {
    Outcome outcome;
    const int operation = spec().operations++;
    spec().asked.push_back(max_results);
    if (!disturb(operation, outcome) && spec().pauses.count(operation) == 0) {
      while (given_ < count_ && outcome.results.size() < max_results && !trapped(given_, outcome)) {
        if (spec().broken.count(given_) > 0) {
          outcome.error = Error{ErrorCode::kFailed, "the disk is full", {}};
          break;
        }
        outcome.results.push_back(make_reply(result()));
        ++given_;
      }
      if (outcome.error) {
        outcome.results.clear();
      }
      if (spec().step_checkpoints && !outcome.results.empty() && given_ < count_) {
        outcome.checkpoint = make_reply(std::to_string(given_));
      }
      outcome.ended = given_ >= count_;
    }
    const std::size_t items = outcome.results.size();
    begin(std::move(outcome), items);
  }
  void feed(const std::vector<Reply>& arguments) override {
    Outcome outcome;
    if (!disturb(spec().operations++, outcome)) {
      spec().fed.push_back(arguments.size());
      for (const Reply& argument : arguments) {
        const std::string text = text_of(argument);
        if (text.starts_with("value=") && trapped(std::stoll(text.substr(6)), outcome)) {
          break;
        }
        joined_ += text_of(argument) + "|";
      }
    }
    begin(std::move(outcome), arguments.size());
  }
  void finish() override {
    Outcome outcome;
    if (!disturb(spec().operations++, outcome)) {
      outcome.results.push_back(make_reply(joined_));
    }
    begin(std::move(outcome));
  }
  void checkpoint() override {
    Outcome outcome;
    const int number = spec().checkpoints_taken++;
    if (spec().checkpoint_crashes.count(number) > 0 || spec().checkpoint_losses.count(number) > 0) {
      outcome.error = died(spec().checkpoint_crashes.count(number) > 0);
    } else if (spec().checkpoint_failures.count(number) > 0) {
      outcome.error = Error{ErrorCode::kFailed, "this position cannot be saved", {}};
    } else if (spec().checkpoints) {
      outcome.results.push_back(make_reply(source_ ? std::to_string(given_) : joined_));
    } else {
      outcome.error = Error{ErrorCode::kUnsupported, "no checkpoint", {}};
    }
    begin(std::move(outcome));
  }
  void cancel() override {
    if (spec().ignores_cancel) {
      return;
    }
    outcome_ = {};
    outcome_.error = Error{ErrorCode::kCancelled, "cancelled", {}};
    for (auto& pending : executor_.pending_) {
      if (pending.ended.kind == ended_.kind && pending.ended.first == ended_.first &&
          pending.ended.second == ended_.second) {
        pending.at = executor_.now_;
      }
    }
  }
  Outcome take() override { return std::exchange(outcome_, {}); }
  std::optional<Progress> progress() const override {
    return source_ ? std::optional<Progress>({static_cast<std::uint64_t>(given_), static_cast<std::uint64_t>(count_)})
                   : std::nullopt;
  }

 private:
  static Error died(bool charged) {
    Error error{
        ErrorCode::kCrashed, charged ? "the worker died with signal 11" : "the worker of this session is gone", {}};
    error.context.charged = charged;
    return error;
  }
  FakeTask& spec() { return executor_.tasks_[task_]; }
  std::string result() {
    if (spec().item) {
      return spec().item(given_);
    }
    return item_ ? "value=" + std::to_string(*item_) + ";part=" + std::to_string(given_ - *item_ * 100)
                 : "value=" + std::to_string(given_) + ";group=g" + std::to_string(given_ % 3);
  }
  bool disturb(int operation, Outcome& outcome) {
    if (spec().crashes.count(operation) > 0 || spec().losses.count(operation) > 0) {
      outcome.error = died(spec().crashes.count(operation) > 0);
      return true;
    }
    if (spec().failures.count(operation) > 0) {
      outcome.error = Error{ErrorCode::kFailed, "the disk is full", {}};
      return true;
    }
    return false;
  }
  bool trapped(std::int64_t value, Outcome& outcome) {
    if (spec().traps.erase(value) == 0) {
      return false;
    }
    outcome.error = died(true);
    return true;
  }
  void begin(Outcome outcome, std::size_t items = 0) {
    outcome_ = std::move(outcome);
    executor_.begin(task_, ended_, executor_.finish_time(spec()) + items * spec().per_item);
  }

  FakeExecutor& executor_;
  Ended ended_;
  std::string task_;
  bool open_ = false;
  bool source_ = false;
  std::optional<std::int64_t> item_;
  std::int64_t count_ = 0;
  std::int64_t given_ = 0;
  std::string joined_;
  Outcome outcome_;
};

FakeExecutor::Clock::time_point FakeExecutor::finish_time(const FakeTask& task) {
  std::uniform_int_distribution<std::int64_t> draw(task.least.count(), task.most.count());
  return now_ + std::chrono::microseconds(draw(random_));
}

void FakeExecutor::begin(const std::string& task, const Ended& ended, Clock::time_point at) {
  FakeTask& spec = tasks_[task];
  spec.most_running = std::max(spec.most_running, ++spec.running);
  pending_.push_back({at, ended, task});
}

void FakeExecutor::submit(std::uint32_t slot, const std::string& task, const Reply& argument,
                          const CallOptions* options, const internal::EarlierAttempts& earlier) {
  ++unflushed_;
  FakeTask& spec = tasks_[task];
  spec.earlier.emplace_back(earlier.count, earlier.call_id);
  spec.arguments.push_back(text_of(argument));
  Result<Reply> outcome = argument;
  if (spec.run) {
    outcome = spec.run(spec.arguments.back()).map([](const std::string& text) { return make_reply(text); });
  }
  Clock::time_point at = finish_time(spec);
  if (!free_at_.empty()) {
    Clock::time_point& worker = *std::min_element(free_at_.begin(), free_at_.end());
    at += std::max(latency_, std::chrono::duration_cast<std::chrono::microseconds>(worker - now_));
    worker = at;
  }
  if (options->run_timeout && at > now_ + *options->run_timeout) {
    at = now_ + std::chrono::duration_cast<Clock::duration>(*options->run_timeout);
    outcome = fail(ErrorCode::kDeadline, "the call did not end in time");
  }
  outcomes_.insert_or_assign(slot, std::move(outcome));
  begin(task, {Ended::Kind::kCall, slot, 0}, at);
}

void FakeExecutor::cancel(std::uint32_t slot) {
  for (Pending& pending : pending_) {
    if (pending.ended.kind == Ended::Kind::kCall && pending.ended.first == slot) {
      pending.at = now_;
      outcomes_.insert_or_assign(slot, fail(ErrorCode::kCancelled, "cancelled"));
    }
  }
}

Result<Reply> FakeExecutor::take(std::uint32_t slot) {
  Result<Reply> outcome = std::move(outcomes_.at(slot));
  outcomes_.erase(slot);
  return outcome;
}

std::unique_ptr<internal::ExecutorSession> FakeExecutor::make_session(std::uint32_t first, std::uint32_t second) {
  return std::make_unique<FakeSession>(*this, first, second);
}

void FakeExecutor::wait(Clock::time_point deadline, std::vector<Ended>& ended) {
  ++waits_;
  if (unflushed_ != 0) {
    FAIL("the engine waits for calls it has not flushed");
  }
  if (on_wait) {
    on_wait();
  }
  if (woken_.exchange(false)) {
    return;
  }
  const auto first = std::min_element(pending_.begin(), pending_.end(),
                                      [](const Pending& a, const Pending& b) { return a.at < b.at; });
  if (first == pending_.end() || first->at > deadline) {
    now_ = std::max(now_, deadline);
    return;
  }
  now_ = std::max(now_, first->at);
  std::size_t left = 0;
  for (Pending& pending : pending_) {
    if (pending.at <= now_) {
      ended.push_back(pending.ended);
      --tasks_[pending.task].running;
    } else if (&pending != &pending_[left++]) {
      pending_[left - 1] = std::move(pending);
    }
  }
  pending_.resize(left);
}

}  // namespace tenon::test
