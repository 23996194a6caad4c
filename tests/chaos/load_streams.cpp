#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tenon/pipeline.hpp>

#include "chaos_generated.h"
#include "load.hpp"

namespace tenon::chaos {
namespace {

/// How often a session is opened again before it counts as making no progress. Each planned death
/// happens once, but other calls may also kill the worker.
constexpr int kPatience = 200;

/// The calls of one step in a stream's part of the book, in the order in which begin_number of the
/// plugin uses them.
enum Step : std::uint64_t { kSource, kPass, kPassOnce, kTotal, kSteps };

}  // namespace

/// One stream of numbers.
struct StreamLoad::Stream {
  LoadState& state;
  std::uint64_t first_sequence = 0;
  std::uint64_t count = 0;
  std::uint64_t ways = 0;

  [[nodiscard]] std::uint64_t sequence(Step step, std::uint64_t number) const {
    return first_sequence + step * count + number;
  }
  [[nodiscard]] ::chaos::Plan plan() const { return {state.options.seed, state.options.mix.density, ways}; }

  Entry& ask(Kind kind, Step step, std::uint64_t number) {
    const std::uint64_t at = sequence(step, number);
    Entry& entry = state.book.entry(at);
    entry.kind = kind;
    entry.way = planned_way(state.options.seed, state.options.mix.density, ways, at);
    entry.once = step == kPassOnce;
    return entry;
  }
  /// A step of a session eventually succeeds: deaths are compensated.
  void end_step(Kind kind, Step step, std::uint64_t number) {
    ask(kind, step, number);
    state.book.end_well(sequence(step, number), true);
  }
  void find(const std::string& what, bool excusable = true) const {
    state.book.find(
        "the stream from " + std::to_string(first_sequence) + " of " + std::to_string(count) + " numbers: " + what,
        excusable);
  }
};

StreamLoad::Stream StreamLoad::begin(Kind kind, std::uint64_t count) {
  // An exception in a session ends it, and the pipeline.
  std::uint64_t ways = state_.options.mix.ways & ~kWaysWithDeadline & ~bit(Way::kThrow) & ~bit(Way::kExhaustMemory);
  if (kind == Kind::kSession) {
    // The results do not show whether a session of a damaged worker continues.
    ways &= kWaysOfDying | kWaysOfForking | kWaysOfFlooding | kWaysOfComingLate;
  }
  return {state_, state_.book.take(count * kSteps), count, ways};
}

// -- sessions by hand -----------------------------------------------------------------------------

namespace {

/// A session that is opened again from its last checkpoint if it fails.
class Steady {
 public:
  Steady(Runtime& runtime, const char* task, BytesView argument)
      : runtime_(runtime), task_(task), argument_(argument.begin(), argument.end()) {}

  /// Returns the open session; null if it cannot be opened after many attempts.
  Session* session() {
    while (!session_ && failures_ < kPatience) {
      SessionOptions options;
      options.argument = argument_;
      options.checkpoint = checkpoint_;
      auto opened = runtime_.open(task_, options).get();
      if (opened) {
        session_.emplace(std::move(*opened));
      } else {
        failed(opened.error());
      }
    }
    return session_ ? &*session_ : nullptr;
  }
  void failed(const Error& error) {
    session_.reset();
    ++failures_;
    error_ = error.to_string();
  }
  /// Returns whether there is a new checkpoint; otherwise the session has failed.
  bool checkpoint() {
    auto taken = session_->checkpoint().get();
    if (!taken) {
      failed(taken.error());
      return false;
    }
    checkpoint_.assign(taken->bytes().begin(), taken->bytes().end());
    return true;
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  Runtime& runtime_;
  const char* task_;
  Buffer argument_;
  Buffer checkpoint_;
  std::optional<Session> session_;
  int failures_ = 0;
  std::string error_;
};

}  // namespace

std::uint64_t StreamLoad::sessions() {
  Stream stream = begin(Kind::kSession, random_() % 200 + 1);
  flatbuffers::FlatBufferBuilder builder;
  const ::chaos::Plan plan = stream.plan();
  builder.Finish(::chaos::CreateNumbers(builder, stream.first_sequence, stream.count, &plan));

  // The source gives numbers in order, each once.
  Steady source(state_.runtime, "chaos.numbers", {builder.GetBufferPointer(), builder.GetSize()});
  std::vector<Reply> items;
  std::size_t at_checkpoint = 0;
  for (bool ended = false; !ended;) {
    Session* session = source.session();
    if (session == nullptr) {
      stream.find("the source cannot go on: " + source.error(), false);
      return stream.count;
    }
    auto batch = session->next(static_cast<std::uint32_t>(random_() % 40 + 1)).get();
    ++state_.book.progress;
    if (!batch) {
      source.failed(batch.error());
      items.resize(at_checkpoint);
      continue;
    }
    for (Reply& result : batch->results) {
      const auto item = TypedReply<::chaos::Item>::verify(result);
      if (!item || (*item)->number() != items.size()) {
        stream.find("the source gave another item than number " + std::to_string(items.size()));
        return stream.count;
      }
      items.push_back(std::move(result));
    }
    ended = batch->ended;
    if (!ended && random_() % 3 == 0) {
      if (source.checkpoint()) {
        at_checkpoint = items.size();
      } else {
        items.resize(at_checkpoint);
      }
    }
  }
  if (items.size() != stream.count) {
    stream.find("the source gave " + std::to_string(items.size()) + " items");
    return stream.count;
  }

  // The reduce counts each item once.
  Steady reduce(state_.runtime, "chaos.total", {});
  std::size_t fed = 0;
  at_checkpoint = 0;
  for (;;) {
    Session* session = reduce.session();
    if (session == nullptr) {
      stream.find("the reduce cannot go on: " + reduce.error(), false);
      return stream.count;
    }
    ++state_.book.progress;
    if (fed < items.size()) {
      const std::size_t count = std::min<std::size_t>(random_() % 40 + 1, items.size() - fed);
      const auto first = items.begin() + static_cast<std::ptrdiff_t>(fed);
      const auto given = session->feed({first, first + static_cast<std::ptrdiff_t>(count)}).get();
      if (!given) {
        reduce.failed(given.error());
        fed = at_checkpoint;
        continue;
      }
      fed += count;
      if (random_() % 3 == 0) {
        if (reduce.checkpoint()) {
          at_checkpoint = fed;
        } else {
          fed = at_checkpoint;
        }
      }
      continue;
    }
    const auto result = session->finish().get();
    if (!result) {
      reduce.failed(result.error());
      fed = at_checkpoint;
      continue;
    }
    const auto sum = TypedReply<::chaos::Sum>::verify(*result);
    if (!sum || (*sum)->count() != stream.count || (*sum)->sum() != stream.count * (stream.count + 1) / 2) {
      stream.find(
          "the reduce gave a wrong sum" +
          (sum ? ": " + std::to_string((*sum)->sum()) + " of " + std::to_string((*sum)->count()) + " items" : ""));
    }
    break;
  }
  for (std::uint64_t number = 0; number < stream.count; ++number) {
    stream.end_step(Kind::kSession, kSource, number);
    stream.end_step(Kind::kSession, kTotal, number);
  }
  return stream.count * 2;
}

// -- pipelines ------------------------------------------------------------------------------------

std::uint64_t StreamLoad::pipeline() {
  Stream stream = begin(Kind::kPipeline, random_() % 500 + 1);
  const std::string text = "[sources.numbers]\ntask = \"chaos.numbers\"\nargs = { first_sequence = " +
                           std::to_string(stream.first_sequence) + ", count = " + std::to_string(stream.count) +
                           ", plan = { seed = " + std::to_string(state_.options.seed) +
                           ", density = " + std::to_string(state_.options.mix.density) +
                           ", ways = " + std::to_string(stream.ways) +
                           " } }\n[stages.pass]\ntask = \"chaos.pass\"\ninputs = [\"numbers\"]\n" +
                           "[stages.pass_once]\ntask = \"chaos.pass_once\"\ninputs = [\"pass\"]\n" +
                           (random_() % 2 == 0 ? "order = \"input\"\n" : "") +
                           "[sinks.total]\ntask = \"chaos.total\"\ninputs = [\"pass_once\"]\n";
  Diagnostics diagnostics;
  const auto graph = Graph::parse(text, "chaos.toml", state_.runtime.catalog(), {}, diagnostics);
  if (!graph) {
    stream.find("the pipeline cannot be loaded: " + diagnostics.to_text(), false);
    return stream.count;
  }
  RunOptions options;
  options.max_reported_failures = stream.count * kSteps;
  options.on_progress = [&, last = std::uint64_t{0}](const RunReport& report) mutable {
    std::uint64_t now = 0;
    for (const StageReport& stage : report.stages) {
      now += stage.items_out + stage.grouped + stage.failed;
    }
    state_.book.progress += std::exchange(last, now) != now ? 1 : 0;
  };
  const RunReport report = run_pipeline(state_.runtime, *graph, options);
  ++state_.book.progress;
  if (report.end != RunReport::End::kDone) {
    stream.find("the pipeline ended as " + std::string(run_end_name(report.end)) + ": " +
                    (report.error ? report.error->to_string() : std::string("no error")),
                true);
    return stream.count;
  }

  enum class Fate : std::uint8_t { kThrough, kFailedInPass, kFailedInPassOnce };
  std::vector<Fate> fates(stream.count, Fate::kThrough);
  for (const ItemFailure& failure : report.failures) {
    std::uint64_t number = stream.count;
    if (const std::string& item = failure.item; item.starts_with("number ")) {
      std::from_chars(item.data() + 7, item.data() + item.size(), number);
    }
    const Step step = failure.stage == "pass" ? kPass : kPassOnce;
    if (number >= stream.count || fates[number] != Fate::kThrough ||
        (failure.stage != "pass" && failure.stage != "pass_once")) {
      stream.find("a failure that cannot be: " + failure.stage + ", " + failure.item + ": " +
                  failure.error.to_string());
      continue;
    }
    fates[number] = step == kPass ? Fate::kFailedInPass : Fate::kFailedInPassOnce;
    stream.ask(Kind::kPipeline, step, number);
    state_.book.end_badly(stream.sequence(step, number), failure.error);
  }
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
  for (std::uint64_t number = 0; number < stream.count; ++number) {
    stream.end_step(Kind::kPipeline, kSource, number);
    if (fates[number] == Fate::kFailedInPass) {
      continue;
    }
    stream.end_step(Kind::kPipeline, kPass, number);
    if (fates[number] == Fate::kFailedInPassOnce) {
      continue;
    }
    stream.end_step(Kind::kPipeline, kPassOnce, number);
    stream.end_step(Kind::kPipeline, kTotal, number);
    ++count;
    sum += number + 1;
  }
  const auto total = report.outputs.size() == 1 ? TypedReply<::chaos::Sum>::verify(report.outputs[0].second)
                                                : fail(ErrorCode::kNotFound, "no output");
  if (!total || (*total)->count() != count || (*total)->sum() != sum) {
    stream.find("the sum is " +
                (total ? std::to_string((*total)->sum()) + " of " + std::to_string((*total)->count()) : "not there") +
                "; it should be " + std::to_string(sum) + " of " + std::to_string(count));
  }
  return stream.count * kSteps;
}

}  // namespace tenon::chaos
