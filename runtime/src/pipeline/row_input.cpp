#include "pipeline/row_input.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <unordered_set>
#include <utility>

#include <tenon/types_generated.h>

#include "base/text.hpp"
#include "host/storage.hpp"
#include "rows/csv_values.hpp"

namespace tenon::internal {
namespace {

/// A batch ends when it has this many items, or this much memory in them.
constexpr std::size_t kBatchItems = 1024;
constexpr std::uint64_t kBatchBytes = std::uint64_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
/// The name of the input in items; messages call it standard input.
constexpr std::string_view kOrigin = "stdin";

struct ReadFailure {
  Error error;
};

[[noreturn]] void fail_input(ErrorCode code, std::string message) {
  throw ReadFailure{Error{code, std::move(message), {}}};
}

/// Nothing interrupts the work between two reads; a read ends when its input is cancelled.
void poll() {}

}  // namespace

std::size_t RowInput::Source::read(std::span<std::uint8_t> buffer) {
  Result<std::size_t> count = input_.read(buffer);
  if (!count) {
    throw ReadFailure{std::move(count.error())};
  }
  return *count;
}

RowInput::RowInput(const InputRule& rule, ByteInput& input)
    : rule_(rule),
      source_(input),
      window_(source_, static_cast<std::size_t>(rule.max_row_bytes), rows::TextWindow::Reading::kAvailable),
      table_(window_, rule.dialect, 0) {}

RowInput::Batch RowInput::next() {
  Batch batch;
  batch_bytes_ = 0;
  try {
    if (rule_.format == InputRule::Format::kBlob) {
      take_blob(batch);
      return batch;
    }
    do {
      take_row(batch);
    } while (!batch.ended && batch.items.size() + batch.broken.size() < kBatchItems && batch_bytes_ < kBatchBytes &&
             has_line());
  } catch (ReadFailure& failure) {
    batch.error = std::move(failure.error);
  } catch (const std::bad_alloc&) {
    batch.error = Error{ErrorCode::kOutOfMemory, "out of memory while reading standard input", {}};
  }
  return batch;
}

bool RowInput::has_line() {
  const auto text = window_.text();
  return !text.empty() && std::memchr(text.data(), '\n', text.size()) != nullptr;
}

void RowInput::take_row(Batch& batch) {
  switch (rule_.format) {
    case InputRule::Format::kLines:
      take_line(batch);
      break;
    case InputRule::Format::kJsonLines:
      take_object(batch);
      break;
    case InputRule::Format::kCsv:
      take_table_row(batch);
      break;
    case InputRule::Format::kBlob:
      break;
  }
}

void RowInput::add_broken(Batch& batch, std::uint64_t line, const std::string& why, ErrorCode code) const {
  batch.broken.push_back({line, Error{code, "standard input, line " + std::to_string(line) + ": " + why, {}}});
}

template <typename Offset>
void RowInput::finish(Offset root, Batch& batch) {
  builder_.Finish(root);
  StoredBytes stored = copy_to_host(BytesView(builder_.GetBufferPointer(), builder_.GetSize()));
  batch_bytes_ += builder_.GetSize();
  batch.items.emplace_back(std::move(stored.storage), stored.bytes);
}

bool RowInput::next_line(rows::ScannedLine& line, Batch& batch) {
  if (!rows::next_line(window_, line, poll)) {
    batch.ended = true;
    return false;
  }
  ++line_;
  if (line.too_long) {
    add_broken(batch, line_, "is longer than " + format_size(rule_.max_row_bytes) + "; raise 'max_row'",
               ErrorCode::kTooLarge);
    return false;
  }
  return true;
}

void RowInput::take_line(Batch& batch) {
  rows::ScannedLine line;
  if (!next_line(line, batch)) {
    return;
  }
  builder_.Clear();
  const auto text = builder_.CreateString(line.text.data(), line.text.size());
  const auto origin = builder_.CreateString(kOrigin.data(), kOrigin.size());
  finish(CreateLine(builder_, text, origin, line_), batch);
}

void RowInput::take_object(Batch& batch) {
  rows::ScannedLine line;
  if (!next_line(line, batch)) {
    return;
  }
  if (line_ == 1 && line.text.starts_with(kByteOrderMark)) {
    line.text.remove_prefix(kByteOrderMark.size());
  }
  if (line.text.find_first_not_of(" \t\r") == std::string_view::npos) {
    return;
  }
  if (!objects_.parse(line.text)) {
    add_broken(batch, line_, "is not a JSON object: " + objects_.error());
    return;
  }
  builder_.Clear();
  record_.start(builder_);
  for (const rows::JsonField& field : objects_.fields()) {
    switch (field.kind) {
      case rows::JsonField::Kind::kNull:
        record_.null(field.name);
        break;
      case rows::JsonField::Kind::kBool:
        record_.boolean(field.name, field.boolean);
        break;
      case rows::JsonField::Kind::kInteger:
        record_.integer(field.name, field.integer);
        break;
      case rows::JsonField::Kind::kNumber:
        record_.number(field.name, field.number);
        break;
      case rows::JsonField::Kind::kText:
        record_.text(field.name, field.text);
        break;
    }
  }
  finish(record_.finish(), batch);
}

void RowInput::skip_byte_order_mark() {
  while (window_.text().size() < kByteOrderMark.size() && window_.more(poll) == rows::TextWindow::More::kRead) {
  }
  const auto text = window_.text();
  if (std::string_view(text.data(), text.size()).starts_with(kByteOrderMark)) {
    window_.consume(kByteOrderMark.size());
  }
}

void RowInput::name_columns(std::vector<std::string> names) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      fail_input(ErrorCode::kInvalidArgument, "standard input: two columns have the name '" + printable(name, 100) +
                                                  "'; set 'names' to distinguish them");
    }
  }
  names_ = std::move(names);
}

bool RowInput::begin_table(Batch& batch) {
  skip_byte_order_mark();
  if (!rule_.header) {
    names_ = rule_.names;
    return true;
  }
  switch (table_.next(poll)) {
    case rows::CsvRowReader::Step::kRow:
      break;
    case rows::CsvRowReader::Step::kEnd:
      batch.ended = true;
      return false;
    case rows::CsvRowReader::Step::kBroken:
      fail_input(ErrorCode::kCorrupt, "standard input, line " + std::to_string(table_.row_line()) +
                                          ": the header is broken: " + table_.why());
    case rows::CsvRowReader::Step::kTooLong:
      fail_input(ErrorCode::kTooLarge, "standard input, line " + std::to_string(table_.row_line()) +
                                           ": the header is longer than " + format_size(rule_.max_row_bytes) +
                                           "; raise 'max_row', or look for a quote that is never closed");
  }
  std::vector<std::string> names = rule_.names;
  if (names.empty()) {
    for (const rows::CsvField& field : table_.fields()) {
      names.emplace_back(field.text);
    }
  }
  name_columns(std::move(names));
  return true;
}

void RowInput::take_table_row(Batch& batch) {
  if (table_.line() == 0 && !begin_table(batch)) {
    return;
  }
  switch (table_.next(poll)) {
    case rows::CsvRowReader::Step::kRow:
      break;
    case rows::CsvRowReader::Step::kEnd:
      batch.ended = true;
      return;
    case rows::CsvRowReader::Step::kBroken:
      add_broken(batch, table_.row_line(), table_.why());
      return;
    case rows::CsvRowReader::Step::kTooLong:
      add_broken(batch, table_.row_line(),
                 "the row is longer than " + format_size(rule_.max_row_bytes) +
                     "; raise 'max_row', or look for a quote that is never closed",
                 ErrorCode::kTooLarge);
      return;
  }
  const auto fields = table_.fields();
  if (names_.empty()) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      names_.push_back("column" + std::to_string(i + 1));
    }
  }
  if (fields.size() != names_.size()) {
    add_broken(batch, table_.row_line(),
               "has " + std::to_string(fields.size()) + (fields.size() == 1 ? " field" : " fields") + " where " +
                   std::to_string(names_.size()) + " are expected; correct the row, or check 'separator' and 'quote'");
    return;
  }
  builder_.Clear();
  record_.start(builder_);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    rows::add_inferred(names_[i], fields[i], record_);
  }
  finish(record_.finish(), batch);
}

void RowInput::take_blob(Batch& batch) {
  constexpr std::size_t kStepBytes = std::size_t{1} << 20;
  std::vector<std::uint8_t> bytes;
  for (;;) {
    const std::size_t size = bytes.size();
    // One byte more than allowed shows that there is too much.
    const std::uint64_t room = rule_.max_size_bytes + 1 - size;
    const std::size_t step = std::max(kStepBytes, size / 2);
    bytes.resize(size + static_cast<std::size_t>(std::min<std::uint64_t>(room, step)));
    const std::size_t count = source_.read(std::span(bytes).subspan(size));
    bytes.resize(size + count);
    if (count == 0) {
      break;
    }
    if (bytes.size() > rule_.max_size_bytes) {
      fail_input(ErrorCode::kTooLarge, "standard input has more than " + format_size(rule_.max_size_bytes) +
                                           ", the limit of a blob; raise 'max_size', or read it by lines");
    }
  }
  flatbuffers::FlatBufferBuilder builder(bytes.size() + 256);
  const auto path = builder.CreateString(kOrigin.data(), kOrigin.size());
  const auto data = builder.CreateVector(bytes);
  FileBuilder file(builder);
  file.add_path(path);
  file.add_size_bytes(bytes.size());
  file.add_data(data);
  builder.Finish(file.Finish());
  bytes = {};
  StoredBytes stored = copy_to_host(BytesView(builder.GetBufferPointer(), builder.GetSize()));
  batch.items.emplace_back(std::move(stored.storage), stored.bytes);
  batch.ended = true;
}

}  // namespace tenon::internal
