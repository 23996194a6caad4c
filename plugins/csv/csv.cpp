#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/row_file.hpp"
#include "common/utf8.hpp"
#include "csv/columns.hpp"
#include "csv/rows.hpp"
#include "csv/table_writer.hpp"
#include "csv_generated.h"
#include "rows/record_builder.hpp"

namespace {

using tenon::plugins::BrokenRows;
using tenon::plugins::RowFile;
using tenon::plugins::view;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Reads a file row by row. What a session must remember is in its position.
class RecordSource {
 public:
  RecordSource(tenon::SourceContext& session, const tenon::File& file, const csv::ReadParams& params,
               csv::ReadPositionT& position)
      : params_(params),
        position_(position),
        poll_([&session] { session.check(); }),
        file_(file, params.max_size_bytes(), params.max_row_bytes()),
        broken_(session, file_.path(), params.skip_broken(), position.broken),
        rows_(file_.window(), csv::dialect_of(view(params.separator()), view(params.quote()), file_.path()),
              position.line) {
    file_.start(position.offset_bytes, position.device, position.inode, poll_);
  }

  /// Finds the next row that is not broken; false at the end.
  bool next() {
    if (position_.offset_bytes == 0 && position_.line == 0) {
      begin();
    }
    while (const std::optional<std::span<const csv::Field>> row = next_row()) {
      if (!columns_) {
        if (position_.names.empty()) {
          for (std::size_t i = 0; i < row->size(); ++i) {
            position_.names.push_back("column" + std::to_string(i + 1));
          }
        }
        columns_.emplace(file_.path(), position_.names, params_);
      }
      row_ = *row;
      return true;
    }
    broken_.finish();
    return false;
  }

  /// Adds the row to a record; false if it is broken.
  bool build(tenon::rows::RecordBuilder& record) {
    const std::string why = columns_->add(row_, record);
    if (!why.empty()) {
      broken_.add(rows_.row_line(), why);
    }
    return why.empty();
  }

  [[nodiscard]] std::size_t size_bytes() const noexcept {
    std::size_t size = columns_->fixed_bytes();
    for (const csv::Field& field : row_) {
      size += field.text.size() + 8;
    }
    return size;
  }

 private:
  /// The start of the file: a byte order mark, lines to skip, the header.
  void begin() {
    while (file_.window().text().size() < kByteOrderMark.size() &&
           file_.window().more(poll_) == tenon::rows::TextWindow::More::kRead) {
    }
    const auto text = file_.window().text();
    if (std::string_view(text.data(), text.size()).starts_with(kByteOrderMark)) {
      file_.window().consume(kByteOrderMark.size());
    }
    tenon::rows::ScannedLine line;
    for (std::uint32_t i = 0; i < params_.skip_lines() && next_line(file_.window(), line, poll_); ++i) {
      rows_.count_line();
    }
    if (params_.names() != nullptr) {
      for (const auto* name : *params_.names()) {
        position_.names.emplace_back(view(name));
      }
    }
    if (params_.header()) {
      const std::uint64_t broken = position_.broken;
      const auto header = next_row();
      if (position_.broken != broken) {
        throw tenon::TaskError(TENON_CORRUPT,
                               tenon::plugins::quote(file_.path()) +
                                   ": the header is broken, so the columns have no names; correct it, or "
                                   "set `names`, and `skip_lines` to the lines before the data");
      }
      if (header && position_.names.empty()) {
        for (const csv::Field& field : *header) {
          position_.names.emplace_back(field.text);
        }
      }
    }
  }

  std::optional<std::span<const csv::Field>> next_row() {
    for (;;) {
      const auto step = rows_.next(poll_);
      if (step == csv::RowReader::Step::kEnd) {
        return std::nullopt;
      }
      position_.offset_bytes = file_.window().offset_bytes();
      position_.line = rows_.line();
      switch (step) {
        case csv::RowReader::Step::kBroken:
          broken_.add(rows_.row_line(), rows_.why());
          break;
        case csv::RowReader::Step::kTooLong:
          broken_.add(rows_.row_line(),
                      "the row is longer than " + std::to_string(params_.max_row_bytes()) +
                          " bytes; raise `max_row_bytes`, or look for a quote that is never closed",
                      TENON_TOO_LARGE);
          break;
        default:
          return rows_.fields();
      }
    }
  }

  const csv::ReadParams& params_;
  csv::ReadPositionT& position_;
  tenon::plugins::Poll poll_;
  RowFile file_;
  BrokenRows broken_;
  csv::RowReader rows_;
  std::optional<csv::Columns> columns_;
  std::span<const csv::Field> row_;
};

tenon::Source<tenon::Record> read_rows(tenon::SourceContext& s, const tenon::File& argument,
                                       const csv::ReadParams& params) {
  RecordSource source(s, argument, params, s.state<csv::ReadPositionT>());
  tenon::rows::RecordBuilder record;
  while (source.next()) {
    record.start(s.builder(source.size_bytes()));
    if (source.build(record)) {
      co_yield record.finish();
    } else {
      s.builder().Clear();
    }
  }
}

tenon::Reduce<tenon::File> take_rows(tenon::ReduceContext<tenon::Record>& s) {
  auto& writer = s.state<csv::TableWriter>();
  while (const tenon::Record* record = co_await s.next()) {
    writer.add(*record, s.taken());
  }
  co_return writer.finish();
}

/// SUBTLE: the file is opened with the session and not with its first step, so that its first
/// checkpoint can name it. A session that continues from there sees whether the file is complete.
tenon::Reduce<tenon::File> write_rows(tenon::ReduceContext<tenon::Record>& s, const csv::WriteParams& params) {
  s.state<csv::TableWriter>().open(s, params);
  return take_rows(s);
}

}  // namespace

TENON_PLUGIN(csv) {
  plugin.task<read_rows>("read");
  plugin.task<write_rows>("write");
}
