#include "pipeline/item_stage.hpp"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "base/try.hpp"
#include "pipeline/decision.hpp"
#include "pipeline/item_collector.hpp"
#include "pipeline/record_maker.hpp"

namespace tenon::internal {
namespace {

ItemVerdict pass(std::uint32_t output = 0) {
  return {ItemVerdict::Action::kPass, output, {}};
}

ItemVerdict drop() {
  return {ItemVerdict::Action::kDrop, 0, {}};
}

ItemVerdict wait(ItemStage::TimePoint until) {
  return {ItemVerdict::Action::kWait, 0, until};
}

/// A route by the value of one field.
class FieldRoute final : public ItemStage {
 public:
  explicit FieldRoute(const PlanNode& plan) : plan_(plan) {}

  Result<ItemVerdict> decide(std::size_t /*input*/, Edge& edge, TimePoint /*now*/) override {
    TENON_ASSIGN(const std::string value, plan_.route_reader(edge.front().reply.bytes()));
    const auto found = plan_.cases.find(value);
    const std::uint32_t output = found == plan_.cases.end() ? plan_.else_output : found->second;
    return output == plan_.else_output && plan_.else_dropped ? drop() : pass(output);
  }

 private:
  const PlanNode& plan_;
};

/// A filter, or a route by conditions.
class Chooser final : public ItemStage {
 public:
  Chooser(const PlanNode& plan, const DecisionRule& rule) : plan_(plan), decision_(*rule.decision) {}

  Result<ItemVerdict> decide(std::size_t /*input*/, Edge& edge, TimePoint /*now*/) override {
    const std::optional<std::uint32_t> output = decision_.decide(edge.front());
    if (!output) {
      return fail(ErrorCode::kCorrupt, "a field that the conditions read is not valid");
    }
    if (*output == plan_.else_output && plan_.else_dropped) {
      ++unmatched_;
      return drop();
    }
    return pass(*output);
  }
  // Other items may have been dropped because a limit behind the filter was reached.
  std::string explain(std::uint64_t /*dropped*/) const override {
    return plan_.kind == NodeKind::kFilter && unmatched_ > 0
               ? count_of(unmatched_, "item did", "items did") + " not match 'where'"
               : std::string();
  }

 private:
  const PlanNode& plan_;
  const Decision& decision_;
  std::uint64_t unmatched_ = 0;
};

class Project final : public ItemStage {
 public:
  explicit Project(const ProjectRule& rule) : maker_(rule) {}

  Result<ItemVerdict> decide(std::size_t /*input*/, Edge& edge, TimePoint /*now*/) override {
    TENON_ASSIGN(Reply record, maker_.make(edge.front()));
    edge.replace_front(std::move(record));
    return pass();
  }

 private:
  RecordMaker maker_;
};

class Sample final : public ItemStage {
 public:
  explicit Sample(const SampleRule& rule) : rule_(rule) {}

  Result<ItemVerdict> decide(std::size_t /*input*/, Edge& edge, TimePoint /*now*/) override {
    const bool chosen = seen_ == 0;
    seen_ = seen_ + 1 < rule_.every ? seen_ + 1 : 0;
    return chosen && hash(edge.front().index) <= rule_.most_hash ? pass() : drop();
  }

 private:
  /// The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
  /// generators", 2014).
  [[nodiscard]] std::uint64_t hash(std::uint64_t index) const noexcept {
    std::uint64_t z = rule_.seed * 0xd1342543de82ef95 + (index + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  SampleRule rule_;
  std::uint64_t seen_ = 0;  ///< Items since the last one that `every` chose.
};

class Limit final : public ItemStage {
 public:
  explicit Limit(const LimitRule& rule) : items_(rule.items), left_(rule.items) {}

  Result<ItemVerdict> decide(std::size_t /*input*/, Edge& /*edge*/, TimePoint /*now*/) override {
    if (left_ == 0) {
      return drop();
    }
    --left_;
    return pass();
  }
  bool complete() const noexcept override { return left_ == 0; }
  std::string explain(std::uint64_t dropped) const override {
    return left_ > 0 ? std::string()
                     : count_of(dropped, "item", "items") + " came after the limit of " + std::to_string(items_);
  }

 private:
  std::uint64_t items_;
  std::uint64_t left_;
};

/// The generic cell rate algorithm: `due_` is when the next item would pass without a burst.
class Throttle final : public ItemStage {
 public:
  explicit Throttle(const ThrottleRule& rule)
      : items_(static_cast<std::int64_t>(rule.items)),
        period_(rule.period),
        // The first item of a burst needs no credit.
        credit_(std::chrono::nanoseconds(
            static_cast<std::int64_t>(static_cast<double>(rule.period.count()) / static_cast<double>(rule.items) *
                                      static_cast<double>(rule.burst - 1)))) {}

  Result<ItemVerdict> decide(std::size_t /*input*/, Edge& /*edge*/, TimePoint now) override {
    if (due_ - credit_ > now) {
      return wait(due_ - credit_);
    }
    if (due_ < now) {
      due_ = now;
      rest_ = 0;
    }
    due_ += period_ / items_;
    // The remainders of the division are accumulated, so that the rate is exact.
    rest_ += period_.count() % items_;
    if (rest_ >= items_) {
      rest_ -= items_;
      due_ += std::chrono::nanoseconds(1);
    }
    return pass();
  }

 private:
  std::int64_t items_;
  std::chrono::nanoseconds period_;
  std::chrono::nanoseconds credit_;
  TimePoint due_{};
  std::int64_t rest_ = 0;
};

class Delay final : public ItemStage {
 public:
  Delay(const DelayRule& rule, std::size_t inputs) : time_(rule.time), inputs_(inputs) {}

  Result<ItemVerdict> decide(std::size_t input, Edge& /*edge*/, TimePoint now) override {
    Input& from = inputs_[input];
    Arrival& first = from.arrivals.front();
    const TimePoint due = first.at + time_;
    if (due > now) {
      return wait(due);
    }
    --from.noted;
    if (--first.items == 0) {
      static_cast<void>(from.arrivals.pop_front());
    }
    return pass();
  }
  void notice(std::size_t input, std::size_t items, TimePoint now) override {
    Input& from = inputs_[input];
    if (items > from.noted) {
      from.arrivals.push_back({now, items - from.noted});
      from.noted = items;
    }
  }

 private:
  /// Items that arrived in one round of the engine.
  struct Arrival {
    TimePoint at{};
    std::size_t items = 0;
  };
  struct Input {
    Ring<Arrival> arrivals;
    std::size_t noted = 0;  ///< The sum of `arrivals`.
  };

  std::chrono::nanoseconds time_;
  std::vector<Input> inputs_;
};

class Collect final : public ItemStage {
 public:
  explicit Collect(ItemCollector& collector) : collector_(collector) {}

  Result<ItemVerdict> decide(std::size_t /*input*/, Edge& edge, TimePoint /*now*/) override {
    collector_.take(edge.front());
    return pass();
  }
  bool complete() const noexcept override { return collector_.full(); }

 private:
  ItemCollector& collector_;
};

}  // namespace

std::unique_ptr<ItemStage> make_item_stage(const PlanNode& plan) {
  struct Maker {
    const PlanNode& plan;
    std::unique_ptr<ItemStage> operator()(std::monostate) const { return std::make_unique<FieldRoute>(plan); }
    std::unique_ptr<ItemStage> operator()(const DecisionRule& rule) const {
      return std::make_unique<Chooser>(plan, rule);
    }
    std::unique_ptr<ItemStage> operator()(const ProjectRule& rule) const { return std::make_unique<Project>(rule); }
    std::unique_ptr<ItemStage> operator()(const GivenRule&) const { return nullptr; }
    std::unique_ptr<ItemStage> operator()(const InputRule&) const { return nullptr; }
    std::unique_ptr<ItemStage> operator()(const OutputRule&) const { return nullptr; }
    std::unique_ptr<ItemStage> operator()(const CollectRule& rule) const {
      return std::make_unique<Collect>(*rule.collector);
    }
    std::unique_ptr<ItemStage> operator()(const SampleRule& rule) const { return std::make_unique<Sample>(rule); }
    std::unique_ptr<ItemStage> operator()(const LimitRule& rule) const { return std::make_unique<Limit>(rule); }
    std::unique_ptr<ItemStage> operator()(const ThrottleRule& rule) const { return std::make_unique<Throttle>(rule); }
    std::unique_ptr<ItemStage> operator()(const DelayRule& rule) const {
      return std::make_unique<Delay>(rule, plan.inputs.size());
    }
  };
  return std::visit(Maker{plan}, plan.rule);
}

}  // namespace tenon::internal
