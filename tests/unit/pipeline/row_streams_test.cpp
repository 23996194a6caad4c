// Standard input and output of pipelines: keys, bytes to items, items to lines.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tenon/types_generated.h>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "host/storage.hpp"
#include "load.hpp"
#include "pipeline/row_input.hpp"
#include "pipeline/row_output.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/text.hpp"

using tenon::internal::InputRule;
using tenon::internal::OutputRule;
using tenon::internal::PlanNode;
using tenon::internal::RowInput;
using tenon::internal::RowOutput;
using tenon::test::has;

namespace {

/// A text that arrives in pieces.
class PiecewiseInput final : public tenon::ByteInput {
 public:
  explicit PiecewiseInput(std::string text, unsigned seed = 0, std::size_t most = 1 << 20)
      : text_(std::move(text)), random_(seed), most_(most) {}

  tenon::Result<std::size_t> read(tenon::MutableBytesView buffer) override {
    if (fails_at > 0 && at_ >= fails_at) {
      return tenon::fail(tenon::ErrorCode::kIo, "cannot read standard input: broken");
    }
    const std::size_t count = std::min({buffer.size(), text_.size() - at_, 1 + random_() % most_});
    std::memcpy(buffer.data(), text_.data() + at_, count);
    at_ += count;
    ++reads;
    return count;
  }
  void cancel() noexcept override {}

  int reads = 0;
  std::size_t fails_at = 0;

 private:
  std::string text_;
  std::size_t at_ = 0;
  std::mt19937 random_;
  std::size_t most_;
};

/// A record as one line: `name=type:value` for each field.
std::string text_of(const tenon::Record& record) {
  std::string out;
  for (const tenon::RecordField* const field : *record.fields()) {
    out += field->name()->str() + '=';
    switch (field->value_type()) {
      case tenon::Scalar::BoolValue:
        out += field->value_as_BoolValue()->value() ? "true" : "false";
        break;
      case tenon::Scalar::IntValue:
        out += "i" + std::to_string(field->value_as_IntValue()->value());
        break;
      case tenon::Scalar::FloatValue:
        out += "f" + std::to_string(field->value_as_FloatValue()->value());
        break;
      case tenon::Scalar::TextValue:
        out += "'" + flatbuffers::GetString(field->value_as_TextValue()->value()) + "'";
        break;
      default:
        out += "null";
    }
    out += ' ';
  }
  return out;
}

struct Given {
  std::vector<std::string> items;
  std::vector<std::pair<std::uint64_t, std::string>> broken;
  std::string error;
  std::size_t batches = 0;
};

Given read_all(const InputRule& rule, tenon::ByteInput& input) {
  RowInput rows(rule, input);
  Given out;
  for (bool ended = false; !ended; ++out.batches) {
    RowInput::Batch batch = rows.next();
    for (const tenon::Reply& item : batch.items) {
      switch (rule.format) {
        case InputRule::Format::kLines: {
          const auto line = tenon::TypedReply<tenon::Line>::verify(item);
          REQUIRE(line);
          CHECK((*line)->origin()->str() == "stdin");
          out.items.push_back(std::to_string((*line)->number()) + ":" + (*line)->text()->str());
          break;
        }
        case InputRule::Format::kBlob: {
          const auto file = tenon::TypedReply<tenon::File>::verify(item);
          REQUIRE(file);
          out.items.emplace_back((*file)->data()->begin(), (*file)->data()->end());
          break;
        }
        default: {
          const auto record = tenon::TypedReply<tenon::Record>::verify(item);
          REQUIRE(record);
          out.items.push_back(text_of(**record));
        }
      }
    }
    for (RowInput::Broken& broken : batch.broken) {
      out.broken.emplace_back(broken.line, broken.error.message);
    }
    out.error = batch.error ? batch.error->message : "";
    ended = batch.ended || batch.error;
  }
  return out;
}

Given read_text(InputRule::Format format, const std::string& text, InputRule rule = {}) {
  rule.format = format;
  PiecewiseInput input(text);
  Given whole = read_all(rule, input);
  // The pieces in which it arrives make no difference.
  for (unsigned seed = 1; seed < 20; ++seed) {
    PiecewiseInput pieces(text, seed, 1 + seed * seed);
    const Given other = read_all(rule, pieces);
    CHECK(other.items == whole.items);
    CHECK(other.broken == whole.broken);
    CHECK(other.error == whole.error);
  }
  return whole;
}

using Texts = std::vector<std::string>;

/// Writes items of the type tenon.Record.
class Lines {
 public:
  explicit Lines(OutputRule rule) {
    plan_.input_type = {"tenon", "tenon.Record"};
    plan_.rule = std::move(rule);
    rows_ = std::make_unique<RowOutput>(plan_, catalog_);
  }

  /// Returns the error; empty if there is none.
  std::string add(const tenon::RecordT& record) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(tenon::Record::Pack(builder, &record));
    tenon::internal::StoredBytes stored =
        tenon::internal::copy_to_host(tenon::BytesView(builder.GetBufferPointer(), builder.GetSize()));
    const tenon::internal::Item item{tenon::Reply(std::move(stored.storage), stored.bytes), index_++};
    std::string row;
    const tenon::Result<void> appended = rows_->append(item, row);
    text += rows_->take_header() + row;
    return appended ? "" : appended.error().message;
  }

  std::string text;

 private:
  PlanNode plan_;
  tenon::Catalog catalog_;
  std::unique_ptr<RowOutput> rows_;
  std::uint64_t index_ = 0;
};

void add_text(tenon::RecordT& record, std::string name, std::string value) {
  auto field = std::make_unique<tenon::RecordFieldT>();
  field->name = std::move(name);
  tenon::TextValueT text;
  text.value = std::move(value);
  field->value.Set(std::move(text));
  record.fields.push_back(std::move(field));
}

void add_integer(tenon::RecordT& record, std::string name, std::int64_t value) {
  auto field = std::make_unique<tenon::RecordFieldT>();
  field->name = std::move(name);
  tenon::IntValueT integer;
  integer.value = value;
  field->value.Set(integer);
  record.fields.push_back(std::move(field));
}

void add_real(tenon::RecordT& record, std::string name, double value) {
  auto field = std::make_unique<tenon::RecordFieldT>();
  field->name = std::move(name);
  tenon::FloatValueT real;
  real.value = value;
  field->value.Set(real);
  record.fields.push_back(std::move(field));
}

/// Collects what is written. Its reader goes away, or its disk is full, after some bytes.
class CollectingOutput final : public tenon::ByteOutput {
 public:
  tenon::Result<void> write(tenon::BytesView bytes) override {
    if (text.size() >= fails_at) {
      return tenon::fail(code, "standard output: as asked");
    }
    text.append(bytes.begin(), bytes.end());
    written = true;
    return {};
  }
  void cancel() noexcept override {}

  std::string text;
  std::atomic<bool> written{false};
  std::size_t fails_at = std::string::npos;
  tenon::ErrorCode code = tenon::ErrorCode::kUnavailable;
};

/// Gives one object and then waits, as a terminal does; as an output, it waits at once.
class Waiting final : public tenon::ByteInput {
 public:
  tenon::Result<std::size_t> read(tenon::MutableBytesView buffer) override {
    if (!std::exchange(given_, true)) {
      std::memcpy(buffer.data(), "{}\n", 3);
      return 3;
    }
    wait();
    return tenon::fail(tenon::ErrorCode::kCancelled, "cancelled");
  }
  void cancel() noexcept override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    waits = true;
    changed_.wait(lock, [this] { return cancelled_; });
  }

  std::atomic<bool> waits{false};

 private:
  bool given_ = false;
  bool cancelled_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
};

class WaitingOutput final : public tenon::ByteOutput {
 public:
  tenon::Result<void> write(tenon::BytesView /*bytes*/) override {
    inner.wait();
    return tenon::fail(tenon::ErrorCode::kCancelled, "cancelled");
  }
  void cancel() noexcept override { inner.cancel(); }

  Waiting inner;
};

/// Runs objects from standard input through `stages`, the last of which is `last`, to standard output.
struct StreamRun {
  explicit StreamRun(const std::string& stages = {}, const std::string& last = "in")
      : graph(tenon::test::graph_of("[sources.in]\nkind = \"stdin\"\nformat = \"jsonl\"\n" + stages +
                                    "[sinks.out]\nkind = \"stdout\"\ninputs = [\"" + last + "\"]\n")) {
    for (int i = 0; i < 5000; ++i) {
      text += "{\"number\":" + std::to_string(i) + "}\n";
    }
    options.output = output;
    options.stop = &stop;
  }
  tenon::RunReport run() {
    if (options.input == nullptr) {
      options.input = std::make_shared<PiecewiseInput>(text, 3, 5000);
    }
    tenon::test::FakeExecutor executor;
    executor.on_wait = [this] {
      if (stops && stops()) {
        stop = stop_to;
      }
    };
    return tenon::test::run(graph, executor, options);
  }

  tenon::Graph::Impl graph;
  std::string text;
  std::shared_ptr<CollectingOutput> output = std::make_shared<CollectingOutput>();
  tenon::RunOptions options;
  std::atomic<int> stop{0};
  std::function<bool()> stops;
  int stop_to = 1;
};

std::string messages(const std::string& source, const std::string& sink) {
  return tenon::test::load("[sources.in]\n" + source + "[sinks.out]\ninputs = [\"in\"]\n" + sink).messages;
}

}  // namespace

TEST_CASE("standard input: lines") {
  const auto lines = [](const std::string& text) { return read_text(InputRule::Format::kLines, text).items; };
  CHECK(lines("").empty());
  CHECK(lines("\n") == Texts{"1:"});
  CHECK(lines("a\r\n\nb") == Texts{"1:a", "2:", "3:b"});
  CHECK(lines("a\n\xFF\xFE\n") == Texts{"1:a", "2:\xFF\xFE"});
}

TEST_CASE("standard input: a line that is too long is a failed item and bounds the memory") {
  InputRule rule;
  rule.max_row_bytes = 1000;
  const Given given = read_text(InputRule::Format::kLines,
                                "one\n" + std::string(100'000, 'x') + "\nthree\n" + std::string(2000, 'y'), rule);
  CHECK(given.items == Texts{"1:one", "3:three"});
  REQUIRE(given.broken.size() == 2);
  CHECK(given.broken[0].first == 2);
  CHECK(has(given.broken[0].second, "standard input, line 2: is longer than "));
  CHECK(has(given.broken[0].second, "raise 'max_row'"));
  CHECK(given.broken[1].first == 4);
}

TEST_CASE("standard input: JSON lines") {
  const Given given =
      read_text(InputRule::Format::kJsonLines,
                "\xEF\xBB\xBF{\"a\": 1, \"b\": {\"c\": \"x\"}}\n\n  \n[1]\n{\"a\": \n{\"t\": true, \"n\": null, "
                "\"f\": 1.5, \"l\": [1, 2]}\n{\"bad\": \"\xFF\"}\n{}");
  CHECK(given.items == Texts{"a=i1 b.c='x' ", "t=true n=null f=f1.500000 l='[1, 2]' ", ""});
  REQUIRE(given.broken.size() == 3);
  CHECK(given.broken[0].first == 4);
  CHECK(has(given.broken[0].second, "line 4: is not a JSON object: expected an object"));
  CHECK(given.broken[1].first == 5);
  CHECK(has(given.broken[2].second, "is not UTF-8"));
}

TEST_CASE("standard input: tables") {
  const Given given =
      read_text(InputRule::Format::kCsv,
                "\xEF\xBB\xBFname,\"the age\"\nAnn,41\n\"B,\"\"o\"\"\nb\",\"7\"\n\nonly one\n\"x\"y,1\n,007\n");
  CHECK(given.items == Texts{"name='Ann' the age=i41 ", "name='B,\"o\"\nb' the age='7' ", "name=null the age='007' "});
  REQUIRE(given.broken.size() == 2);
  CHECK(given.broken[0].first == 6);
  CHECK(has(given.broken[0].second, "line 6: has 1 field where 2 are expected"));
  CHECK(given.broken[1].first == 7);

  InputRule rule;
  rule.header = false;
  rule.dialect.separator = '\t';
  CHECK(read_text(InputRule::Format::kCsv, "1\tx", rule).items == Texts{"column1=i1 column2='x' "});
  rule.names = {"a", "b"};
  CHECK(read_text(InputRule::Format::kCsv, "1\tx", rule).items == Texts{"a=i1 b='x' "});
  rule.header = true;
  CHECK(read_text(InputRule::Format::kCsv, "1\tx\n2\ty", rule).items == Texts{"a=i2 b='y' "});
  CHECK(read_text(InputRule::Format::kCsv, "").items.empty());
  CHECK(has(read_text(InputRule::Format::kCsv, "a,a\n1,2\n").error, "two columns have the name 'a'"));
  CHECK(has(read_text(InputRule::Format::kCsv, "\"a\"b\n1\n").error, "line 1: the header is broken"));
  rule.max_row_bytes = 100;
  CHECK(has(read_text(InputRule::Format::kCsv, std::string(1000, 'x') + "\n1\n", rule).error, "the header is longer"));
}

TEST_CASE("standard input: one blob of a limited size") {
  InputRule rule;
  rule.max_size_bytes = 5'000'000;
  CHECK(read_text(InputRule::Format::kBlob, "").items == Texts{""});
  const std::string large(5'000'000, 'z');
  PiecewiseInput fits(large);
  rule.format = InputRule::Format::kBlob;
  CHECK(read_all(rule, fits).items == Texts{large});
  PiecewiseInput more(large + 'z');
  CHECK(has(read_all(rule, more).error, "standard input has more than"));
}

TEST_CASE("standard input: rows are there as soon as they have arrived and none is lost at an error") {
  // Each piece is a line and the start of the next one.
  PiecewiseInput input("first\nsecond\nthird", 1, 7);
  const InputRule rule;
  RowInput rows(rule, input);
  RowInput::Batch batch = rows.next();
  CHECK(batch.items.size() == 1);
  CHECK_FALSE(batch.ended);

  PiecewiseInput broken("1\n2\n3\n4", 0, 4);
  broken.fails_at = 4;
  const Given given = read_all({}, broken);
  CHECK(given.items.size() >= 2);
  CHECK(given.error == "cannot read standard input: broken");

  std::string many;
  for (int i = 0; i < 10'000; ++i) {
    many += std::to_string(i) + '\n';
  }
  PiecewiseInput at_once(many);
  const Given all = read_all({}, at_once);
  CHECK(all.items.size() == 10'000);
  CHECK(all.batches >= 10);
  CHECK(all.batches < 20);
  CHECK(at_once.reads < 10);
}

TEST_CASE("standard output: JSON lines of records") {
  Lines lines({});
  tenon::RecordT record;
  add_text(record, "a.b", "x\"\n");
  add_integer(record, "n", -7);
  add_real(record, "r", 2);
  CHECK(lines.add(record).empty());
  CHECK(lines.add({}).empty());
  CHECK(lines.text == "{\"a.b\":\"x\\\"\\n\",\"n\":-7,\"r\":2.0}\n{}\n");
  add_real(record, "inf", std::numeric_limits<double>::infinity());
  CHECK(has(lines.add(record), "the field 'inf' is infinite"));
  CHECK(lines.text.ends_with("{}\n"));
}

TEST_CASE("standard output: tables") {
  OutputRule rule;
  rule.format = OutputRule::Format::kCsv;
  Lines usual(rule);
  CHECK(has(usual.add({}), "the first record has no fields"));
  tenon::RecordT record;
  add_text(record, "name", "Ann, \"A\"");
  add_integer(record, "age", 41);
  CHECK(usual.add(record).empty());
  tenon::RecordT less;
  add_text(less, "name", "7");
  CHECK(usual.add(less).empty());
  tenon::RecordT more;
  add_text(more, "name", "Bob");
  add_text(more, "mail", "");
  CHECK(has(usual.add(more), "has the field 'mail', which the first record does not have; set 'columns'"));
  CHECK(usual.text == "name,age\n\"Ann, \"\"A\"\"\",41\n\"7\",\n");

  rule.columns = {"age", "@index", "name"};
  rule.dialect.separator = '\t';
  Lines chosen(rule);
  CHECK(chosen.add(more).empty());
  CHECK(chosen.add(record).empty());
  CHECK(chosen.text == "age\t@index\tname\n\t1\tBob\n41\t2\t\"Ann, \"\"A\"\"\"\n");

  rule.columns = {"name"};
  rule.header = false;
  rule.dialect.quote = '\0';
  Lines plain(rule);
  CHECK(plain.add(less).empty());
  tenon::RecordT lines;
  add_text(lines, "name", "a\nb");
  CHECK(has(plain.add(lines), "needs quotes"));
  CHECK(has(plain.add({}), "an empty line is not a row"));
  CHECK(plain.text == "7\n");
}

TEST_CASE("standard output: what is read again is what was written") {
  std::mt19937 random(7);
  const Texts values = {"",    "plain", "with \"quotes\"",  "a,b", "line\nbreak", "cr\r", " space ", "true", "12",
                        "1.5", "007",   "\xEF\xBB\xBFmark", "ünï", "null",        "-"};
  for (int round = 0; round < 200; ++round) {
    OutputRule rule;
    const bool table = round % 2 == 0;
    rule.format = table ? OutputRule::Format::kCsv : OutputRule::Format::kJsonLines;
    Lines lines(rule);
    Texts expected;
    const int count = 1 + static_cast<int>(random() % 5);
    for (int i = 0; i < count; ++i) {
      tenon::RecordT record;
      add_text(record, "a", values[random() % values.size()]);
      add_integer(record, "b", static_cast<std::int64_t>(random()) - 1000);
      add_real(record, "c", static_cast<double>(random() % 1000) / 8);
      add_text(record, "d", values[random() % values.size()]);
      flatbuffers::FlatBufferBuilder builder;
      builder.Finish(tenon::Record::Pack(builder, &record));
      expected.push_back(text_of(*flatbuffers::GetRoot<tenon::Record>(builder.GetBufferPointer())));
      REQUIRE(lines.add(record).empty());
    }
    const Given given = read_text(table ? InputRule::Format::kCsv : InputRule::Format::kJsonLines, lines.text);
    INFO(lines.text);
    CHECK(given.items == expected);
    CHECK(given.broken.empty());
  }
}

TEST_CASE("standard streams: the keys of a file") {
  CHECK(messages("kind = \"stdin\"\n", "kind = \"stdout\"\n").empty());
  CHECK(messages("kind = \"stdin\"\nformat = \"csv\"\nseparator = \";\"\nquote = \"none\"\nheader = false\n"
                 "names = [\"a\"]\nmax_row = \"1KiB\"\n",
                 "kind = \"stdout\"\nformat = \"tsv\"\ncolumns = [\"a\"]\nheader = false\nqueue = { items = 5 }\n")
            .empty());
  CHECK(has(messages("kind = \"stdim\"\n", "kind = \"stdout\"\n"), "did you mean 'stdin'?"));
  CHECK(has(messages("kind = \"stdin\"\nformat = \"xml\"\n", "kind = \"stdout\"\n"),
            "unknown format 'xml'\n  = formats are lines, jsonl, csv, tsv, blob"));
  CHECK(has(messages("kind = \"stdin\"\ntask = \"tenon.numbers\"\n", "kind = \"stdout\"\n"),
            "unknown key 'task' in source 'in'\n  = it runs no task; leave 'kind' out to run one"));
  CHECK(has(messages("kind = \"stdin\"\nheader = false\n", "kind = \"stdout\"\n"),
            "'header' does not apply here\n  = it belongs to formats \"csv\" and \"tsv\""));
  CHECK(has(messages("kind = \"stdin\"\nmax_size = \"1GiB\"\n", "kind = \"stdout\"\n"),
            "'max_size' does not apply here"));
  CHECK(has(messages("kind = \"stdin\"\nformat = \"blob\"\nmax_size = \"3GiB\"\n", "kind = \"stdout\"\n"),
            "'max_size' takes 1B to 2047MiB"));
  CHECK(has(messages("kind = \"stdin\"\nformat = \"csv\"\nseparator = \",,\"\n", "kind = \"stdout\"\n"),
            "'separator' takes one ASCII character"));
  CHECK(has(messages("kind = \"stdin\"\nformat = \"csv\"\nquote = \",\"\n", "kind = \"stdout\"\n"),
            "'separator' and 'quote' are the same character"));
  CHECK(has(messages("kind = \"stdin\"\nformat = \"csv\"\nnames = [\"a\", \"a\"]\n", "kind = \"stdout\"\n"),
            "the name 'a' appears twice"));
  CHECK(has(messages("kind = \"stdin\"\nformat = \"csv\"\nheader = \"no\"\n", "kind = \"stdout\"\n"),
            "'header' is a string; it takes true or false"));
  CHECK(has(messages("kind = \"stdin\"\n", "kind = \"stdout\"\nformat = \"csv\"\nseparator = \"x\"\n"),
            "'separator' is 'x', which occurs in numbers or words"));
  CHECK(has(messages("kind = \"stdin\"\n", "kind = \"stdout\"\nformat = \"text\"\ntemplate = \"{text\"\n"),
            "a brace of 'template' is never closed"));
  CHECK(has(messages("kind = \"stdin\"\n", "kind = \"stdout\"\nformat = \"text\"\ntemplate = \"{txt}\"\n"),
            "tenon.Line has no field 'txt'\n  = did you mean 'text'?"));
  CHECK(has(messages("kind = \"stdin\"\n", "kind = \"stdout\"\nformat = \"csv\"\ncolumns = [\"number\", \"@line\"]\n"),
            "items have no '@line'"));
  CHECK(has(messages("kind = \"stdin\"\nformat = \"jsonl\"\n", "kind = \"stdout\"\nformat = \"text\"\n"),
            "'out' has no template for items of type tenon.Record"));
  CHECK(messages("kind = \"stdin\"\n", "kind = \"stdout\"\nformat = \"text\"\n").empty());
  CHECK(has(messages("kind = \"stdin\"\n", "task = \"tenon.sum\"\n"),
            "'out' takes tenon.Number, but 'in' gives tenon.Line"));
}

TEST_CASE("standard streams: each has one owner and a type of items") {
  const std::string two =
      tenon::test::load(
          "[sources.a]\nkind = \"stdin\"\n[sources.b]\nkind = \"stdin\"\n[sinks.x]\nkind = \"stdout\"\n"
          "inputs = [\"a\"]\n[sinks.y]\nkind = \"stdout\"\ninputs = [\"b\"]\n")
          .messages;
  CHECK(has(two, "3:10: error: only one source can read standard input\n  = name 'a' as the input of several stages"));
  CHECK(has(two, "1:10: note: 'a' reads it"));
  CHECK(has(two, "8:8: error: only one sink can write standard output"));
  CHECK(has(tenon::test::load("[sources.a]\nkind = \"stdin\"\n[sources.b]\ntask = \"tenon.numbers\"\n[sinks.x]\nkind = "
                              "\"stdout\"\ninputs = [\"a\", \"b\"]\n")
                .messages,
            "standard output cannot write the items of 'x': they have several types"));
  tenon::internal::Reporter reporter("p.toml", "");
  CHECK_FALSE(tenon::internal::load_graph(
      {"[sources.a]\nkind = \"stdin\"\n[sinks.x]\nkind = \"stdout\"\ninputs = [\"a\"]\n", "p"},
      tenon::test::FakeDirectory(), {}, reporter));
  tenon::Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  CHECK(has(diagnostics.to_text(), "'a' reads standard input, which a pipeline does not have here"));
  CHECK(has(diagnostics.to_text(), "'x' writes standard output, which a pipeline does not have here"));
}

TEST_CASE("standard streams: the types and columns of a checked graph") {
  const auto loaded = tenon::test::load(
      "[sources.in]\nkind = \"stdin\"\nformat = \"blob\"\n[stages.lines]\ntask = \"text.lines\"\ninputs = [\"in\"]\n"
      "[sinks.out]\nkind = \"stdout\"\nformat = \"csv\"\ninputs = [\"lines\"]\n");
  INFO(loaded.messages);
  REQUIRE(loaded.graph);
  CHECK(loaded.graph->nodes[0].output_type.name == "tenon.File");
  const auto& rule = std::get<OutputRule>(loaded.graph->nodes[2].rule);
  CHECK(rule.columns == Texts{"text", "origin", "number"});
  REQUIRE(rule.projection);
  CHECK(rule.projection->fields.size() == 3);
  CHECK(loaded.graph->nodes[2].output_type.name == "tenon.Line");
}

TEST_CASE("standard streams in a run: every item is written once and in order") {
  StreamRun run;
  run.text += "no object\n{}";
  const tenon::RunReport report = run.run();
  CHECK(report.end == tenon::RunReport::End::kDone);
  run.text.resize(run.text.size() - 12);
  CHECK(run.output->text == run.text + "{}\n");
  CHECK(tenon::test::stage(report, "out").items_out == 5001);
  CHECK(tenon::test::stage(report, "in").failed == 1);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].item == "stdin:5001");
  tenon::test::check_accounts(run.graph, report, true);
}

TEST_CASE("standard streams in a run: a reader that goes away ends it well") {
  StreamRun run;
  run.output->fails_at = 100;
  const tenon::RunReport report = run.run();
  CHECK(report.end == tenon::RunReport::End::kDone);
  CHECK(report.failure_count == 0);
  CHECK(run.text.starts_with(run.output->text));
  const tenon::StageReport& out = tenon::test::stage(report, "out");
  CHECK(out.dropped > 0);
  CHECK(out.note == "the reader of standard output has closed it");
  tenon::test::check_accounts(run.graph, report, true);
}

TEST_CASE("standard streams in a run: a limit ends the input even while it waits") {
  StreamRun run("[stages.one]\nkind = \"limit\"\nitems = 1\ninputs = [\"in\"]\n", "one");
  run.options.input = std::make_shared<Waiting>();
  const tenon::RunReport report = run.run();
  CHECK(report.end == tenon::RunReport::End::kDone);
  CHECK(run.output->text == "{}\n");
  tenon::test::check_accounts(run.graph, report, true);
}

TEST_CASE("standard streams in a run: a full disk fails it") {
  StreamRun run;
  run.output->fails_at = 100;
  run.output->code = tenon::ErrorCode::kIo;
  const tenon::RunReport report = run.run();
  CHECK(report.end == tenon::RunReport::End::kFailed);
  CHECK(report.failed_stage == "out");
  REQUIRE(report.error);
  CHECK(report.error->message == "sink 'out' failed: standard output: as asked");

  StreamRun broken;
  const auto input = std::make_shared<PiecewiseInput>(broken.text, 1, 100);
  input->fails_at = 1000;
  broken.options.input = input;
  const tenon::RunReport unread = broken.run();
  CHECK(unread.end == tenon::RunReport::End::kFailed);
  CHECK(unread.failed_stage == "in");
}

TEST_CASE("standard streams in a run: a stop ends a read that waits and writes what was read") {
  StreamRun run;
  const auto input = std::make_shared<Waiting>();
  run.options.input = input;
  run.stops = [&] { return input->waits && run.output->written; };
  const tenon::RunReport report = run.run();
  CHECK(report.end == tenon::RunReport::End::kInterrupted);
  CHECK(run.output->text == "{}\n");
  CHECK(tenon::test::stage(report, "out").items_out == 1);
  tenon::test::check_accounts(run.graph, report, true);
}

TEST_CASE("standard streams in a run: a cancel ends a write that waits") {
  StreamRun run;
  const auto output = std::make_shared<WaitingOutput>();
  run.options.output = output;
  run.stops = [&] { return output->inner.waits.load(); };
  run.stop_to = 2;
  const tenon::RunReport report = run.run();
  CHECK(report.end == tenon::RunReport::End::kInterrupted);
  CHECK(tenon::test::stage(report, "out").items_out == 0);
}

TEST_CASE("standard streams in a run: without streams it fails in words") {
  StreamRun run;
  run.options.output = nullptr;
  const tenon::RunReport report = run.run();
  CHECK(report.end == tenon::RunReport::End::kFailed);
  REQUIRE(report.error);
  CHECK(has(report.error->message, "RunOptions::output"));
}
