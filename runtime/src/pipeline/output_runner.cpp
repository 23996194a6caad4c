#include "pipeline/output_runner.hpp"

#include <optional>
#include <string_view>
#include <utility>

#include <tenon/types_generated.h>

#include "host/storage.hpp"

namespace tenon::internal {
namespace {

/// No further items are taken while a write is under way and this much waits.
constexpr std::size_t kBlockBytes = std::size_t{64} << 10;

}  // namespace

OutputRunner::OutputRunner(RunContext& run, std::uint32_t node)
    : NodeRunner(run, node), rows_(plan_, run.graph.catalog), thread_(run.stream_ends, node, "tenon-stdout") {}

void OutputRunner::pump() {
  if (!flush_outbox()) {
    return;
  }
  while (outbox_.empty() && (next_.text.size() < kBlockBytes || (under_way() == 0 && !in_test()))) {
    if (next_.text.size() >= kBlockBytes) {
      begin();
      if (run_.aborted) {
        return;
      }
    }
    const std::optional<std::uint32_t> edge = run_.flow.next_edge(node_);
    if (!edge) {
      break;
    }
    take_item(*edge);
    if (in_test() && !flush_outbox()) {
      return;
    }
  }
  const bool ended = input_ended();
  if (ended) {
    if (std::string header = rows_.take_header(); in_test() && !header.empty()) {
      show_line(header, 0);
    } else {
      next_.text.insert(0, header);
    }
  }
  if (under_way() == 0 && !next_.text.empty()) {
    begin();
  }
  if (ended && flush_outbox() && under_way() == 0 && !run_.aborted) {
    finish();
  }
}

void OutputRunner::take_item(std::uint32_t edge) {
  const Item item = run_.flow.pop(edge);
  const std::size_t start = next_.text.size();
  Result<void> appended = rows_.append(item, next_.text);
  // The names of columns are known with the first row, before which nothing was written.
  std::string header = rows_.take_header();
  if (in_test()) {
    if (!header.empty()) {
      show_line(header, item.index);
    }
    if (appended) {
      show_line(next_.text, item.index);
    }
    next_.text.clear();
  } else if (!header.empty()) {
    next_.text.insert(start, header);
  }
  if (!appended) {
    fail_item(item, std::move(appended.error()));
  } else if (!in_test()) {
    ++active_;
    ++next_.items;
  }
}

void OutputRunner::show_line(std::string_view row, std::uint64_t index) {
  row.remove_suffix(row.ends_with('\n') ? 1 : 0);
  flatbuffers::FlatBufferBuilder builder;
  const auto text = builder.CreateString(row.data(), row.size());
  builder.Finish(CreateLine(builder, text));
  StoredBytes stored = copy_to_host(BytesView(builder.GetBufferPointer(), builder.GetSize()));
  outbox_.push_back({Reply(std::move(stored.storage), stored.bytes), index});
}

void OutputRunner::begin() {
  if (run_.output == nullptr) {
    fail_run(Error{ErrorCode::kInvalidArgument, "the run has no standard output (RunOptions::output)", {}});
    return;
  }
  writing_.text.clear();
  writing_.items = 0;
  std::swap(writing_, next_);
  const auto write = [this] {
    const std::string& text = writing_.text;
    written_ = run_.output->write(BytesView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  };
  if (Result<void> begun = thread_.begin(write); !begun) {
    fail_run(std::move(begun.error()));
    return;
  }
  operation_began();
}

void OutputRunner::ended(std::uint32_t /*which*/) {
  operation_ended();
  if (run_.aborted) {
    return;
  }
  if (written_) {
    report_.items_out += writing_.items;
    active_ -= writing_.items;
    schedule();
  } else if (written_.error().code == ErrorCode::kUnavailable) {
    close();
  } else {
    fail_run(std::move(written_.error()));
  }
}

void OutputRunner::close() {
  closed_ = true;
  report_.dropped += active_;
  active_ = 0;
  // The reader has what it wanted, even in a run that is stopping.
  run_.flow.set_cut(node_, false);
  run_.flow.close_inputs(node_);
  run_.timers.hurry(run_.now, [this](std::uint32_t node) { return run_.flow.unwanted(node); });
  finish();
}

void OutputRunner::cancel() {
  if (under_way() > 0) {
    run_.output->cancel();
  }
}

void OutputRunner::fill_report() {
  NodeRunner::fill_report();
  if (closed_) {
    report_.note = "the reader of standard output has closed it";
  }
}

}  // namespace tenon::internal
