#include "csv/table_writer.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/text_reader.hpp"
#include "common/utf8.hpp"
#include "csv/columns.hpp"
#include "csv/rows.hpp"
#include "rows/csv_text.hpp"
#include "rows/text_window.hpp"

namespace csv {
namespace {

using tenon::TaskError;
using tenon::plugins::OutputExisting;
using tenon::plugins::quote;
using tenon::plugins::view;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
/// The longest first row of a file to which rows are appended.
constexpr std::size_t kMaxHeaderBytes = 16u << 20;

OutputExisting existing_of(Existing existing) {
  return existing == Existing::append   ? OutputExisting::kAppend
         : existing == Existing::refuse ? OutputExisting::kRefuse
                                        : OutputExisting::kReplace;
}

std::vector<std::string> names_of(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* names) {
  std::vector<std::string> all;
  if (names != nullptr) {
    for (const auto* name : *names) {
      all.emplace_back(view(name));
    }
  }
  return all;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kMostBytes = 300;
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + quote(name);
    if (text.size() > kMostBytes) {
      return text + ", ...";
    }
  }
  return text;
}

/// A value must not contain the character by itself.
void require_distinct(char character, const char* param) {
  if (std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '.' || character == '-' ||
      character == '+') {
    throw TaskError(TENON_INVALID_ARGUMENT, std::string("`") + param + "` " + quote({&character, 1}) +
                                                ": occurs in numbers or words; choose another character");
  }
}

}  // namespace

void TableWriter::open(const tenon::Call& call, const WriteParams& params) {
  call_ = &call;
  params_ = &params;
  poll_ = [&call] { call.check(); };
  tenon::plugins::OutputOptions options;
  options.path = view(params.path());
  options.existing = existing_of(params.existing());
  options.mode = params.mode();
  options.sync = params.sync();
  dialect_ = dialect_of(view(params.separator()), view(params.quote()), options.path);
  require_distinct(dialect_.separator, "separator");
  require_distinct(dialect_.quote, "quote");
  output_ = std::make_unique<tenon::plugins::RowOutput>(std::move(options));
  const auto position = tenon::plugins::position_of(*state_);
  if (position.inode != 0 && output_->resume(position)) {
    name_columns(std::move(state_->names));
  } else {
    *state_ = {};
    start();
  }
}

void TableWriter::start() {
  std::optional<std::vector<std::string>> there;
  if (params_->existing() == Existing::append) {
    there = first_row();
  }
  output_->start(poll_);
  std::vector<std::string> names = names_of(params_->columns());
  if (there && output_->appends_to_text()) {
    state_->existing_columns = static_cast<std::uint32_t>(there->size());
    if (params_->header()) {
      if (!names.empty() && names != *there) {
        throw TaskError(TENON_INVALID_ARGUMENT, quote(output_->path()) + ": has the columns " + listed(*there) +
                                                    " where `columns` names " + listed(names) +
                                                    "; correct `columns`, leave it out, or set `header` to false");
      }
      name_columns(std::move(*there));
      return;
    }
  }
  if (!names.empty()) {
    name_columns(std::move(names));
    require_good(write_header());
  }
}

void TableWriter::require_good(const std::string& why) const {
  if (!why.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(output_->path()) + ": " + why);
  }
}

void TableWriter::name_columns(std::vector<std::string> names) {
  require_good(set_columns(std::move(names)));
}

std::optional<std::vector<std::string>> TableWriter::first_row() const {
  struct stat status {};
  if (::stat(output_->path().c_str(), &status) != 0 || status.st_size == 0) {
    return std::nullopt;
  }
  tenon::plugins::Content content(output_->path());
  tenon::plugins::TextReader reader(content, UINT64_MAX);
  tenon::rows::TextWindow window(reader, kMaxHeaderBytes);
  while (window.text().size() < kByteOrderMark.size() && window.more(poll_) == tenon::rows::TextWindow::More::kRead) {
  }
  const auto text = window.text();
  if (std::string_view(text.data(), text.size()).starts_with(kByteOrderMark)) {
    window.consume(kByteOrderMark.size());
  }
  RowReader rows(window, dialect_, 0);
  switch (rows.next(poll_)) {
    case RowReader::Step::kRow:
      break;
    case RowReader::Step::kEnd:
      return std::nullopt;
    default:
      throw TaskError(TENON_CORRUPT, quote(output_->path()) +
                                         ": its first row is broken, so rows cannot be appended; correct it, check "
                                         "`separator` and `quote`, or set `existing` to replace");
  }
  std::vector<std::string> names;
  for (const Field& field : rows.fields()) {
    names.emplace_back(field.text);
  }
  return names;
}

std::string TableWriter::set_columns(std::vector<std::string> names) {
  if (state_->existing_columns != 0 && names.size() != state_->existing_columns) {
    return "the file has " + std::to_string(state_->existing_columns) + " columns, but rows of " +
           std::to_string(names.size()) + " are to be appended: " + listed(names);
  }
  state_->names = std::move(names);
  places_.clear();
  places_.reserve(state_->names.size());
  for (const std::string& name : state_->names) {
    if (!places_.emplace(name, places_.size()).second) {
      return "two columns have the name " + quote(name) + "; rename one of them";
    }
  }
  row_.resize(state_->names.size());
  return {};
}

std::string TableWriter::begin(const tenon::Record& first) {
  std::vector<std::string> names;
  if (first.fields() != nullptr) {
    for (const tenon::RecordField* field : *first.fields()) {
      names.emplace_back(view(field->name()));
    }
  }
  if (names.empty()) {
    return "has no fields to name the columns after; set `columns`";
  }
  std::string why = set_columns(std::move(names));
  if (why.empty()) {
    why = write_header();
  }
  if (!why.empty()) {
    // The columns are named after the next row.
    places_.clear();
    state_->names.clear();
  }
  return why;
}

std::string TableWriter::write_header() {
  // The first row of a file to which rows are appended is its header.
  if (!params_->header() || state_->existing_columns != 0) {
    return {};
  }
  std::string& out = output_->text();
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < state_->names.size(); ++i) {
    if (i != 0) {
      out += dialect_.separator;
    }
    if (const std::string why = tenon::rows::append_csv_name(out, state_->names[i], dialect_); !why.empty()) {
      out.resize(start);
      return "the column " + quote(state_->names[i]) + " " + why;
    }
  }
  end_row();
  return {};
}

void TableWriter::end_row() {
  output_->text() += params_->line_end() == LineEnd::crlf ? "\r\n" : "\n";
  output_->end_row(poll_);
}

void TableWriter::add(const tenon::Record& record, std::uint64_t item) {
  std::string why;
  if (state_->names.empty()) {
    why = begin(record);
  }
  std::string& out = output_->text();
  const std::size_t start = out.size();
  if (why.empty()) {
    why = arrange(record);
  }
  if (why.empty()) {
    why = append_row();
  }
  if (why.empty()) {
    end_row();
    return;
  }
  out.resize(start);
  tenon::plugins::BrokenItems(*call_, output_->path(), params_->skip_broken(), state_->broken).add(item, why);
}

std::string TableWriter::arrange(const tenon::Record& record) {
  std::fill(row_.begin(), row_.end(), nullptr);
  std::size_t found = 0;
  std::size_t next = 0;  // Most records have their fields in the order of the columns.
  if (record.fields() != nullptr) {
    for (const tenon::RecordField* field : *record.fields()) {
      const std::string_view name = view(field->name());
      if (next >= row_.size() || state_->names[next] != name) {
        const auto place = places_.find(name);
        if (place == places_.end()) {
          if (params_->drop_others()) {
            continue;
          }
          return "has the field " + quote(name) + ", which is not a column; add it to `columns`, or set `drop_others`";
        }
        next = place->second;
      }
      if (row_[next] != nullptr) {
        return "has the field " + quote(name) + " twice";
      }
      row_[next++] = field;
      ++found;
    }
  }
  if (found == row_.size() || params_->fill_missing()) {
    return {};
  }
  const auto missing = static_cast<std::size_t>(std::find(row_.begin(), row_.end(), nullptr) - row_.begin());
  return "has no field " + quote(state_->names[missing]) + ", which is a column; set `fill_missing` to write nulls";
}

std::string TableWriter::append_row() {
  std::string& out = output_->text();
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < row_.size(); ++i) {
    if (i != 0) {
      out += dialect_.separator;
    }
    if (const std::string why = tenon::rows::append_csv_value(out, row_[i], dialect_); !why.empty()) {
      return "column " + quote(state_->names[i]) + ": " + why;
    }
  }
  if (out.size() != start) {
    return {};
  }
  // A row of one column that is null would be an empty line, which is not a row.
  if (dialect_.quote == '\0') {
    return "column " + quote(state_->names.front()) +
           ": is empty, and an empty line is not a row; set `quote`, or add a column";
  }
  out.append(2, dialect_.quote);
  return {};
}

tenon::FileT TableWriter::finish() {
  tenon::plugins::BrokenItems(*call_, output_->path(), params_->skip_broken(), state_->broken).finish();
  return output_->finish(poll_);
}

std::vector<std::uint8_t> TableWriter::save() const {
  if (output_ != nullptr) {
    tenon::plugins::save_position(output_->position(), *state_);
  }
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(WritePosition::Pack(builder, state_.get()));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

TableWriter TableWriter::load(std::span<const std::uint8_t> bytes) {
  TableWriter writer;
  tenon::internal::verified_root<WritePosition>(bytes, "checkpoint").UnPackTo(writer.state_.get());
  return writer;
}

}  // namespace csv
