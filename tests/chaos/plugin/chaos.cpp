#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <tenon/plugin.hpp>

#include "../../integration/swap/plugins/checksum.hpp"
#include "chaos_generated.h"
#include "misbehave.hpp"

void tenon::chaos::misbehave(Way way, const Culprit& culprit) {
  static_cast<void>(die(way, culprit) || breed(way, culprit) || meddle_with_descriptors(way, culprit) ||
                    scribble(way, culprit) || flood(way, culprit));
}

namespace {

using tenon::chaos::planned_way;
using tenon::chaos::scatter;
using tenon::chaos::Way;

/// The state of each worker.
struct State {
  explicit State(const tenon::WorkerContext& worker) : worker_id(worker.id()) {
    if (const auto* path = worker.settings<chaos::Settings>().ledger()) {
      ledger.emplace(path->str());
    }
  }

  std::uint64_t worker_id;
  std::optional<tenon::chaos::LedgerMap> ledger;  ///< None while the plugin is on trial.
};

/// Marks the start of a call, and misbehaves in its first `deaths` attempts.
void begin(const tenon::Call& call, State& state, std::uint64_t sequence, Way way, std::uint32_t deaths,
           std::uint64_t random) {
  const std::uint32_t before = state.ledger.value().begin(sequence, state.worker_id);
  if (way != Way::kNone && before < deaths) {
    misbehave(way, {call, *state.ledger, state.worker_id, random});
  }
}

tenon::Offset<chaos::Answer> answer(tenon::Call& call, const chaos::Ask& ask) {
  auto& state = call.state<State>();
  begin(call, state, ask.sequence(), Way(ask.way()), ask.deaths(), ask.random());
  const std::span<const std::uint8_t> payload = ask.payload() == nullptr
                                                    ? std::span<const std::uint8_t>()
                                                    : std::span(ask.payload()->data(), ask.payload()->size());
  auto& builder = call.builder(ask.echo() ? payload.size() + 256 : 256);
  const auto echoed = ask.echo() ? builder.CreateVector(payload.data(), payload.size()) : 0;
  const auto answered =
      chaos::CreateAnswer(builder, ask.sequence(), tenon::test::checksum(ask.sequence(), payload), echoed);
  state.ledger->end(ask.sequence());
  return answered;
}

tenon::Offset<chaos::Answer> again(tenon::Call& call, const chaos::Ask& ask) {
  return answer(call, ask);
}
tenon::Offset<chaos::Answer> once(tenon::Call& call, const chaos::Ask& ask) {
  return answer(call, ask);
}

/// Does the same for a number of a stream in step `step`: source, pass, pass_once, total.
template <typename T>
void begin_number(const tenon::Call& call, State& state, const T& of, std::uint64_t number, std::uint64_t step) {
  const std::uint64_t sequence = of.first_sequence() + step * of.count() + number;
  const chaos::Plan* plan = of.plan();
  const Way way = plan == nullptr ? Way::kNone : planned_way(plan->seed(), plan->density(), plan->ways(), sequence);
  begin(call, state, sequence, way, 1, scatter(sequence));
}

tenon::Source<chaos::Item> numbers(tenon::SourceContext& s, const chaos::Numbers& range) {
  auto& at = s.state<chaos::PositionT>();
  while (at.next < range.count()) {
    begin_number(s, s.plugin_state<State>(), range, at.next, 0);
    const std::uint64_t number = at.next++;
    co_yield chaos::CreateItem(s.builder(128), number, range.first_sequence(), range.count(), range.plan());
  }
}

tenon::Offset<chaos::Item> passed(tenon::Call& call, const chaos::Item& item, std::uint64_t step) {
  begin_number(call, call.state<State>(), item, item.number(), step);
  return chaos::CreateItem(call.builder(128), item.number(), item.first_sequence(), item.count(), item.plan());
}

tenon::Offset<chaos::Item> pass(tenon::Call& call, const chaos::Item& item) {
  return passed(call, item, 1);
}
tenon::Offset<chaos::Item> pass_once(tenon::Call& call, const chaos::Item& item) {
  return passed(call, item, 2);
}

tenon::Reduce<chaos::Sum> total(tenon::ReduceContext<chaos::Item>& s) {
  auto& sums = s.state<chaos::SumT>();
  while (const chaos::Item* item = co_await s.next()) {
    begin_number(s, s.plugin_state<State>(), *item, item->number(), 3);
    ++sums.count;
    sums.sum += item->number() + 1;
  }
  co_return sums;
}

}  // namespace

TENON_PLUGIN(chaos) {
  plugin.settings<chaos::Settings>();
  plugin.state<State>();
  plugin.task<again>("again");
  plugin.task<once>("once");
  plugin.task<numbers>("numbers");
  plugin.task<pass>("pass");
  plugin.task<pass_once>("pass_once");
  plugin.task<total>("total");
}
