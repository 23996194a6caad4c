#include <algorithm>
#include <string>
#include <string_view>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/row_file.hpp"
#include "jsonl/object_writer.hpp"
#include "jsonl_generated.h"
#include "rows/json_object.hpp"
#include "rows/record_builder.hpp"

namespace {

using tenon::plugins::view;
using tenon::rows::JsonField;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_wanted(std::string_view name, const jsonl::ReadParams& params) {
  return params.only() == nullptr || std::any_of(params.only()->begin(), params.only()->end(),
                                                 [name](const auto* wanted) { return view(wanted) == name; });
}

void add(const JsonField& field, tenon::rows::RecordBuilder& record) {
  switch (field.kind) {
    case JsonField::Kind::kNull:
      record.null(field.name);
      break;
    case JsonField::Kind::kBool:
      record.boolean(field.name, field.boolean);
      break;
    case JsonField::Kind::kInteger:
      record.integer(field.name, field.integer);
      break;
    case JsonField::Kind::kNumber:
      record.number(field.name, field.number);
      break;
    case JsonField::Kind::kText:
      record.text(field.name, field.text);
      break;
  }
}

tenon::Source<tenon::Record> read_objects(tenon::SourceContext& s, const tenon::File& argument,
                                          const jsonl::ReadParams& params) {
  auto& position = s.state<jsonl::ReadPositionT>();
  const tenon::plugins::Poll poll = [&s] { s.check(); };
  tenon::plugins::RowFile file(argument, params.max_size_bytes(), params.max_row_bytes());
  tenon::plugins::BrokenRows broken(s, file.path(), params.skip_broken(), position.broken);
  file.start(position.offset_bytes, position.device, position.inode, poll);
  tenon::rows::JsonObjectParser parser;
  tenon::rows::RecordBuilder record;
  tenon::rows::ScannedLine line;
  while (next_line(file.window(), line, poll)) {
    if (position.line == 0 && line.text.starts_with(kByteOrderMark)) {
      line.text.remove_prefix(kByteOrderMark.size());
    }
    position.offset_bytes = file.window().offset_bytes();
    ++position.line;
    if (line.too_long) {
      broken.add(position.line,
                 "the line is longer than " + std::to_string(params.max_row_bytes()) + " bytes; raise `max_row_bytes`",
                 TENON_TOO_LARGE);
      continue;
    }
    if (line.text.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    if (!parser.parse(line.text)) {
      broken.add(position.line, "is not a JSON object: " + parser.error());
      continue;
    }
    record.start(s.builder(line.text.size() + 64 * parser.fields().size() + 256));
    for (const JsonField& field : parser.fields()) {
      if (is_wanted(field.name, params)) {
        add(field, record);
      }
    }
    co_yield record.finish();
  }
  broken.finish();
}

tenon::Reduce<tenon::File> take_objects(tenon::ReduceContext<tenon::Record>& s) {
  auto& writer = s.state<jsonl::ObjectWriter>();
  while (const tenon::Record* record = co_await s.next()) {
    writer.add(*record, s.taken());
  }
  co_return writer.finish();
}

/// SUBTLE: the file is opened with the session and not with its first step, so that its first
/// checkpoint can name it. A session that continues from there sees whether the file is complete.
tenon::Reduce<tenon::File> write_objects(tenon::ReduceContext<tenon::Record>& s, const jsonl::WriteParams& params) {
  s.state<jsonl::ObjectWriter>().open(s, params);
  return take_objects(s);
}

}  // namespace

TENON_PLUGIN(jsonl) {
  plugin.task<read_objects>("read");
  plugin.task<write_objects>("write");
}
