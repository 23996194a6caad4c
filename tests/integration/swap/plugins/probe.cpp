#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <tenon/plugin.hpp>

#include "checksum.hpp"
#include "ledger.hpp"
#include "probe_generated.h"
#include "stamp.hpp"
#include "variant.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Volatile: the value is read from the file, in which tests change it.
extern volatile const tenon::test::Stamp kStamp;
__attribute__((used)) volatile const tenon::test::Stamp kStamp = {TENON_TEST_STAMP_MAGIC, 0};

/// The state of each worker.
struct State {
  explicit State(const tenon::WorkerContext& worker) : ledger(ledger_of(worker)) { variant::on_init(worker.id()); }
  ~State() { variant::on_fini(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static std::string ledger_of(const tenon::WorkerContext& worker) {
    const auto* path = worker.settings<probe::Settings>().ledger();
    return path == nullptr ? std::string() : path->str();
  }

  tenon::test::LedgerMarker ledger;
  std::uint64_t calls = 0;
};

std::uint64_t version_bit() {
  return std::uint64_t{1} << variant::version;
}

tenon::Offset<probe::Answer> answer(tenon::Call& call, const probe::Ask& ask) {
  auto& state = call.state<State>();
  variant::on_call(++state.calls);
  state.ledger.mark(ask.sequence());
  const std::span<const std::uint8_t> payload = ask.payload() == nullptr
                                                    ? std::span<const std::uint8_t>()
                                                    : std::span(ask.payload()->data(), ask.payload()->size());
  auto& builder = call.builder(ask.echo() ? payload.size() + 256 : 256);
  const auto echoed = ask.echo() ? builder.CreateVector(payload.data(), payload.size()) : 0;
#if PROBE_SCHEMA >= 2
  const auto note = builder.CreateString("of the second schema");
#endif
  probe::AnswerBuilder answered(builder);
  answered.add_version(variant::version);
  answered.add_stamp(kStamp.value);
  answered.add_sequence(ask.sequence());
  answered.add_checksum(tenon::test::checksum(ask.sequence(), payload) + variant::falsified);
  answered.add_pid(::getpid());
  answered.add_attempt(call.attempt());
  answered.add_payload(echoed);
#if PROBE_SCHEMA >= 2
  answered.add_note(note);
#endif
  return answered.Finish();
}

tenon::Offset<probe::Answer> tag(tenon::Call& call, const probe::Ask& ask) {
  return answer(call, ask);
}

tenon::Offset<probe::Answer> tag_once(tenon::Call& call, const probe::Ask& ask) {
  return answer(call, ask);
}

tenon::Offset<probe::Answer> sleep_for(tenon::Call& call, const probe::Sleep& argument) {
  const auto until = steady_clock::now() + milliseconds(argument.duration_ms());
  while (steady_clock::now() < until) {
    call.check();
    std::this_thread::sleep_for(milliseconds(1));
  }
  auto& builder = call.builder(128);
  probe::AnswerBuilder answered(builder);
  answered.add_version(variant::version);
  answered.add_pid(::getpid());
  answered.add_attempt(call.attempt());
  return answered.Finish();
}

tenon::Offset<probe::Tick> tick(tenon::SourceContext& s, std::uint64_t value) {
  return probe::CreateTick(s.builder(64), value, variant::version);
}

tenon::Source<probe::Tick> count(tenon::SourceContext& s, const probe::Range& range) {
  auto& at = s.state<probe::RangePositionT>();
  const milliseconds interval(range.interval_ms());
  auto due = steady_clock::now() + interval;
  while (at.next <= range.count()) {
    while (interval.count() != 0 && steady_clock::now() < due) {
      co_await s.pause();
    }
    due += interval;
    const std::uint64_t value = at.next++;
    co_yield tick(s, value);
  }
}

tenon::Source<probe::Tick> count_here(tenon::SourceContext& s, const probe::Range& range) {
  const milliseconds interval(range.interval_ms());
  auto due = steady_clock::now() + interval;
  for (std::uint64_t value = 1; value <= range.count(); ++value) {
    while (interval.count() != 0 && steady_clock::now() < due) {
      co_await s.pause();
    }
    due += interval;
    co_yield tick(s, value);
  }
}

tenon::Offset<probe::Tick> pass(tenon::Call& call, const probe::Tick& argument) {
  auto& state = call.state<State>();
  variant::on_call(++state.calls);
  return probe::CreateTick(call.builder(64), argument.value(), argument.version(), variant::version);
}

void add(probe::TotalT& total, const probe::Tick& next) {
  total.sum += next.value();
  ++total.count;
  total.sources |= std::uint64_t{1} << next.version();
  if (next.passed() != 0) {
    total.stages |= std::uint64_t{1} << next.passed();
  }
  total.reduces |= version_bit();
}

tenon::Reduce<probe::Total> total(tenon::ReduceContext<probe::Tick>& s) {
  auto& sums = s.state<probe::TotalT>();
  while (const probe::Tick* next = co_await s.next()) {
    add(sums, *next);
  }
  co_return sums;
}

tenon::Reduce<probe::Total> total_here(tenon::ReduceContext<probe::Tick>& s) {
  probe::TotalT sums;
  while (const probe::Tick* next = co_await s.next()) {
    add(sums, *next);
  }
  co_return sums;
}

tenon::Offset<probe::Mapped> where(tenon::Call& call, const tenon::Empty&) {
  auto& builder = call.builder();
  std::vector<flatbuffers::Offset<flatbuffers::String>> lines;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/probe.so") != std::string::npos) {
      lines.push_back(builder.CreateString(line));
    }
  }
  const auto found = builder.CreateVector(lines);
  return probe::CreateMapped(builder, variant::version, found);
}

}  // namespace

TENON_PLUGIN(probe) {
  variant::on_entry();
  plugin.settings<probe::Settings>();
  plugin.state<State>();
  plugin.task<tag>("tag");
  plugin.task<tag_once>("tag_once");
  plugin.task<sleep_for>("sleep");
  plugin.task<count>("count");
  plugin.task<count_here>("count_here");
  plugin.task<pass>("pass");
  plugin.task<total>("total");
  plugin.task<total_here>("total_here");
  plugin.task<where>("where");
}
