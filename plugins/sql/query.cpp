#include "sql/query.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <unordered_set>
#include <utility>

#include "common/file_name.hpp"
#include "common/utf8.hpp"

namespace sql {
namespace {

using tenon::TaskError;
using tenon::plugins::quote;
using tenon::plugins::view;

/// A page ends early when its rows have this many bytes.
constexpr std::size_t kPageBytes = 1u << 20;
/// Names of the parameters that the plugin adds to a statement.
constexpr std::string_view kOwnPrefix = "@tenon_page_";
constexpr const char* kRowsParameter = "@tenon_page_rows";

std::string last_parameter(std::size_t i) {
  return std::string(kOwnPrefix) + "last" + std::to_string(i);
}

[[noreturn]] void refuse(const Database& database, const std::string& message) {
  throw TaskError(TENON_INVALID_ARGUMENT, quote(database.path()) + ": " + message);
}

/// At most about 300 bytes of the names.
std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
    if (text.size() > 300) {
      return text + ", ...";
    }
  }
  return text;
}

ValueKind kind_of(sqlite3_value* value) noexcept {
  switch (::sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      return ValueKind::integer;
    case SQLITE_FLOAT:
      return ValueKind::number;
    case SQLITE_TEXT:
      return ValueKind::text;
    case SQLITE_BLOB:
      return ValueKind::blob;
    default:
      return ValueKind::null;
  }
}

/// Whether two values are certainly the same. By a collation, SQLite may treat further values as equal.
bool equal(const Cell& a, const Cell& b) noexcept {
  if (a.kind() != b.kind()) {
    return false;
  }
  switch (a.kind()) {
    case ValueKind::integer:
      return a.integer() == b.integer();
    case ValueKind::number:
      return a.number() == b.number();
    default:
      return a.bytes() == b.bytes();
  }
}

std::uint64_t digest_of(const Row& row, std::uint64_t seed) noexcept {
  for (const Cell& cell : row) {
    const auto kind = static_cast<std::uint64_t>(cell.kind());
    const std::int64_t integer = cell.kind() == ValueKind::integer ? cell.integer() : 0;
    const double number = cell.kind() == ValueKind::number ? cell.number() : 0;
    seed = ::XXH3_64bits_withSeed(&integer, sizeof(integer), seed ^ kind);
    seed = ::XXH3_64bits_withSeed(&number, sizeof(number), seed);
    seed = ::XXH3_64bits_withSeed(cell.bytes().data(), cell.bytes().size(), seed);
  }
  return seed;
}

/// Whether this process has not had the text yet, as far as it remembers.
bool is_new(const std::string& text) {
  constexpr std::size_t kMost = 1000;
  static std::mutex mutex;
  static std::unordered_set<std::string> known;
  const std::lock_guard lock(mutex);
  if (known.size() >= kMost) {
    known.clear();
  }
  return known.insert(text).second;
}

/// Never 0.
std::uint64_t digest_of(const std::vector<std::string>& names) noexcept {
  std::uint64_t digest = 0;
  for (const std::string& name : names) {
    digest = ::XXH3_64bits_withSeed(name.data(), name.size(), digest + name.size());
  }
  return digest == 0 ? 1 : digest;
}

/// The names of the columns of a statement's result.
std::vector<std::string> column_names(sqlite3_stmt* statement) {
  std::vector<std::string> names;
  for (int i = 0; i < ::sqlite3_column_count(statement); ++i) {
    const char* name = ::sqlite3_column_name(statement, i);
    if (name == nullptr) {
      throw std::bad_alloc();
    }
    names.emplace_back(name);
  }
  return names;
}

}  // namespace

Cell::Cell(sqlite3_value* value) : value_(::sqlite3_value_dup(value)), kind_(ValueKind::null) {
  if (!value_) {
    throw std::bad_alloc();
  }
  kind_ = kind_of(raw());
  if (kind_ == ValueKind::text || kind_ == ValueKind::blob) {
    const void* bytes = kind_ == ValueKind::text ? ::sqlite3_value_text(raw()) : ::sqlite3_value_blob(raw());
    const int size = ::sqlite3_value_bytes(raw());
    if (bytes == nullptr && size != 0) {
      throw std::bad_alloc();
    }
    bytes_ = {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
  }
}

Query::Query(const tenon::Call& call, const tenon::Record& argument, const QueryParams& params,
             QueryPositionT& position)
    : argument_(argument),
      params_(params),
      position_(position),
      database_(std::string(view(params.database())),
                {.busy_timeout = std::chrono::milliseconds(params.busy_timeout_ms()),
                 .max_row_bytes = params.max_row_bytes()},
                call),
      text_(view(params.statement())) {
  if (text_.empty()) {
    refuse(database_, "no statement is given; set `statement`, for example to \"select * from people\"");
  }
  if (params.page_rows() == 0) {
    refuse(database_, "`page_rows` is 0; set it to at least 1");
  }
  read_columns();
  const std::uint64_t columns = digest_of(columns_);
  if (position_.columns != 0 && position_.columns != columns) {
    throw TaskError(TENON_FAILED, quote(database_.path()) +
                                      ": the columns of the result have changed while the session was away; they are "
                                      "now: " +
                                      joined(columns_) + "; run the pipeline again");
  }
  position_.columns = columns;
  if (!has_key()) {
    statement_.emplace(database_, text_);
    bind_parameters(*statement_);
  }
}

void Query::read_columns() {
  Statement statement(database_, text_);
  if (statement.column_count() == 0 || ::sqlite3_stmt_readonly(statement.raw()) == 0) {
    refuse(database_, "the statement does not only read rows; use a `select`");
  }
  for (int i = 1; i <= ::sqlite3_bind_parameter_count(statement.raw()); ++i) {
    const char* name = ::sqlite3_bind_parameter_name(statement.raw(), i);
    if (name == nullptr || *name == '?') {
      refuse(database_, "the statement has a parameter without a name; write `:name` instead of `?`");
    }
    if (std::string_view(name).starts_with(kOwnPrefix)) {
      refuse(database_, "the plugin uses the parameter " + quote(name) + " itself; rename it");
    }
  }
  check_values(statement);
  columns_ = column_names(statement.raw());
  std::unordered_set<std::string> names;
  for (const std::string& name : columns_) {
    if (!names.insert(lower(name)).second) {
      refuse(database_, "two columns of the result have the name " + quote(name) +
                            ", in upper or lower case; rename one with `as`");
    }
    fixed_bytes_ += name.size() + 64;
  }
  if (params_.key() == nullptr) {
    return;
  }
  for (const auto* name : *params_.key()) {
    const auto found = std::find_if(columns_.begin(), columns_.end(),
                                    [&](const std::string& column) { return lower(column) == lower(view(name)); });
    if (found == columns_.end()) {
      refuse(database_, "`key` names the column " + quote(view(name)) +
                            ", which the result does not have; there are: " + joined(columns_));
    }
    key_columns_.push_back(static_cast<std::size_t>(found - columns_.begin()));
  }
  // The text becomes a part of another statement, so it must not end with a semicolon.
  text_.resize(statement.size());
  text_.erase(text_.find_last_not_of("; \t\r\n") + 1);
}

void Query::check_values(Statement& statement) {
  if (params_.values() == nullptr) {
    return;
  }
  std::unordered_set<std::string_view> parameters;
  for (int i = 1; i <= ::sqlite3_bind_parameter_count(statement.raw()); ++i) {
    parameters.insert(std::string_view(::sqlite3_bind_parameter_name(statement.raw(), i)).substr(1));
  }
  std::unordered_set<std::string_view> given;
  for (const Value* value : *params_.values()) {
    const std::string_view name = view(value->name());
    if (!given.insert(name).second) {
      refuse(database_, "`values` has " + quote(name) + " twice; remove one");
    }
    if (!parameters.contains(name)) {
      refuse(database_,
             "`values` has " + quote(name) + ", but the statement has no parameter of this name; correct one of them");
    }
  }
}

void Query::bind_parameters(Statement& statement) {
  for (int i = 1; i <= ::sqlite3_bind_parameter_count(statement.raw()); ++i) {
    const std::string_view name = ::sqlite3_bind_parameter_name(statement.raw(), i);
    if (!name.starts_with(kOwnPrefix)) {
      bind_value(statement, i, name.substr(1));
    }
  }
}

void Query::bind_value(Statement& statement, int parameter, std::string_view name) {
  if (params_.values() != nullptr) {
    for (const Value* value : *params_.values()) {
      if (view(value->name()) != name) {
        continue;
      }
      if ((value->text() != nullptr) + value->integer().has_value() + value->number().has_value() > 1) {
        refuse(database_, "`values`: " + quote(name) +
                              " has more than one value; keep one of `text`, `integer` and "
                              "`number`");
      }
      if (value->text() != nullptr) {
        statement.bind_text(parameter, view(value->text()));
      } else if (value->integer()) {
        statement.bind(parameter, *value->integer());
      } else if (value->number()) {
        statement.bind(parameter, *value->number());
      } else {
        statement.bind_null(parameter);
      }
      return;
    }
  }
  if (argument_.fields() != nullptr) {
    for (const tenon::RecordField* field : *argument_.fields()) {
      if (view(field->name()) != name) {
        continue;
      }
      // A type without its value is a valid table.
      switch (field->value() == nullptr ? tenon::Scalar::NullValue : field->value_type()) {
        case tenon::Scalar::BoolValue:
          statement.bind(parameter, std::int64_t{field->value_as_BoolValue()->value()});
          return;
        case tenon::Scalar::IntValue:
          statement.bind(parameter, field->value_as_IntValue()->value());
          return;
        case tenon::Scalar::FloatValue:
          statement.bind(parameter, field->value_as_FloatValue()->value());
          return;
        case tenon::Scalar::TextValue:
          statement.bind_text(parameter, view(field->value_as_TextValue()->value()));
          return;
        default:
          statement.bind_null(parameter);
          return;
      }
    }
  }
  refuse(database_,
         "the parameter " + quote(name) +
             " of the statement has no value; add it to `values`, or give the argument a field of this name");
}

std::string Query::page_statement(bool first) const {
  std::string names;
  std::string plain;
  std::string lasts;
  for (std::size_t i = 0; i < key_columns_.size(); ++i) {
    const std::string comma = i == 0 ? "" : ", ";
    const std::string name = identifier(columns_[key_columns_[i]]);
    names += comma + name;
    // The operator has no effect but that SQLite does not convert values to the type of a column before it compares
    // them. It also keeps SQLite from using an index.
    plain += comma + "+" + name;
    lasts += comma + last_parameter(i);
  }
  // The first column says whether a row has the key of the last row of the page before. The comparison
  // includes that key, so that a second row with it is noticed. It is the first column because its place must not
  // depend on the columns of the statement, which may change.
  const std::string repeats = first ? "0" : "(" + plain + ") = (" + lasts + ")";
  const std::string where = first ? "" : "where (" + (converts_keys_ ? plain : names) + ") >= (" + lasts + ") ";
  return "select " + repeats + ", * from (\n" + text_ + "\n) " + where + "order by " + names + " limit " +
         kRowsParameter;
}

void Query::read_plan() {
  Statement plan(database_, "explain query plan " + page_statement(false));
  bind_parameters(plan);
  bool sorts = false;
  while (plan.step()) {
    constexpr int kParent = 1;
    constexpr int kDetail = 3;
    const std::string_view detail = plan.text(kDetail);
    const auto has = [&](std::string_view part) { return detail.find(part) != std::string_view::npos; };
    // A column of a table contains only values of its type, as far as they can be converted. But if rows come from
    // several statements, as in a `union`, SQLite would convert the keys of one to the type of another. It merges
    // the statements at the top of the plan only if their columns have the same type.
    converts_keys_ = converts_keys_ || has("COMPOUND") || has("RECURSIVE") || has("CONSTANT ROW") ||
                     (has("MERGE (") && plan.integer(kParent) != 0);
    sorts = sorts || (has("TEMP B-TREE") && has("ORDER BY"));
  }
  // An expand runs a statement for each item.
  if (sorts && is_new(database_.path() + '\n' + text_)) {
    database_.call().log(TENON_LOG_WARNING, quote(database_.path()) +
                                                ": no index gives the rows in the order of `key`, so SQLite sorts "
                                                "them again for each page; create an index, or raise `page_rows`");
  }
}

void Query::check_columns() {
  std::vector<std::string> now = column_names(statement_->raw());
  if (has_key()) {
    now.erase(now.begin());
  }
  if (now != columns_) {
    throw TaskError(TENON_FAILED, quote(database_.path()) + ": the columns of the result changed after row " +
                                      std::to_string(position_.rows + page_.size()) + ": they were " +
                                      joined(columns_) + ", and are now " + joined(now) +
                                      "; name the columns in the statement, and do not change the table during a run");
  }
}

bool Query::step(bool first) {
  const int code = statement_->try_step();
  if (code == SQLITE_TOOBIG) {
    const Row* before = !page_.empty() ? &page_.back() : current_ ? &*current_ : nullptr;
    const std::uint64_t rows = position_.rows + page_.size();
    const std::string place = before != nullptr ? "after " + key_text(*before) : "number " + std::to_string(rows + 1);
    throw TaskError(TENON_TOO_LARGE,
                    quote(database_.path()) + ": the row " + place + " has a value of more than " +
                        std::to_string(::sqlite3_limit(database_.raw(), SQLITE_LIMIT_LENGTH, -1)) +
                        " bytes; raise `max_row_bytes`, of which SQLite allows 1 GB, or leave out the row by a "
                        "`where`, or the column");
  }
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    database_.fail("the statement failed");
  }
  if (first) {
    check_columns();
  }
  return code == SQLITE_ROW;
}

void Query::start_page() {
  const bool first = position_.last.empty();
  if (!statement_ || continues_ == first) {
    if (!statement_) {
      read_plan();
    }
    statement_.reset();
    statement_.emplace(database_, page_statement(first));
    bind_parameters(*statement_);
    continues_ = !first;
  }
  statement_->bind(statement_->parameter(kRowsParameter), std::int64_t{params_.page_rows()} + (first ? 0 : 1));
  for (std::size_t i = 0; i < position_.last.size(); ++i) {
    const KeyValueT& value = *position_.last[i];
    const int parameter = statement_->parameter(last_parameter(i).c_str());
    const std::string_view bytes(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
    switch (value.kind) {
      case ValueKind::integer:
        statement_->bind(parameter, value.integer);
        break;
      case ValueKind::number:
        statement_->bind(parameter, value.number);
        break;
      case ValueKind::text:
        statement_->bind_text(parameter, bytes);
        break;
      case ValueKind::blob:
        statement_->bind_blob(parameter, bytes);
        break;
      case ValueKind::null:
        statement_->bind_null(parameter);
        break;
    }
  }
}

std::size_t Query::add_row() {
  Row row;
  row.reserve(columns_.size());
  std::size_t size = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    row.emplace_back(::sqlite3_column_value(statement_->raw(), static_cast<int>(has_key() ? i + 1 : i)));
    size += row.back().bytes().size() + sizeof(std::int64_t);
  }
  page_.push_back(std::move(row));
  if (size > params_.max_row_bytes()) {
    throw TaskError(TENON_TOO_LARGE, quote(database_.path()) + ": " + key_text(page_.back()) + " has " +
                                         std::to_string(size) + " bytes, more than " +
                                         std::to_string(params_.max_row_bytes()) +
                                         "; raise `max_row_bytes`, or select less of it");
  }
  return size;
}

void Query::read_page() {
  if (!has_key()) {
    ended_ = !step(!std::exchange(started_, true));
    if (ended_) {
      statement_.reset();
    } else {
      add_row();
    }
    return;
  }
  start_page();
  std::int64_t rows = 0;
  std::size_t size = 0;
  bool repeated = false;
  while (size < kPageBytes) {
    if (!step(rows == 0)) {
      // Fewer rows than the limit: there are no more.
      ended_ = rows < std::int64_t{params_.page_rows()} + (position_.last.empty() ? 0 : 1);
      break;
    }
    ++rows;
    const bool repeats = statement_->integer(0) != 0;
    const std::size_t row_bytes = add_row();
    if (repeats && !repeated) {
      page_.pop_back();
      repeated = true;
      continue;
    }
    size += row_bytes;
    check_key(page_.back());
    const Row* before = page_.size() > 1 ? &page_[page_.size() - 2] : nullptr;
    const bool twice =
        repeats || (before != nullptr && std::all_of(key_columns_.begin(), key_columns_.end(), [&](std::size_t column) {
                      return equal((*before)[column], page_.back()[column]);
                    }));
    if (twice) {
      refuse(database_, key_text(page_.back()) +
                            ": its key is not unique, so that rows could be lost; name columns in `key` that are "
                            "unique together, such as a primary key");
    }
  }
  // This releases the lock. The page does not depend on the statement.
  statement_->reset();
}

void Query::check_key(const Row& row) const {
  for (const std::size_t column : key_columns_) {
    if (row[column].kind() == ValueKind::null) {
      refuse(database_, key_text(row) + ": the column " + quote(columns_[column]) +
                            " of its key is null; leave such rows out with `where " + columns_[column] +
                            " is not null`");
    }
  }
}

std::string Query::key_text(const Row& row) const {
  std::string text = "row " + std::to_string(position_.rows + page_.size());
  for (const std::size_t column : key_columns_) {
    const Cell& cell = row[column];
    text += (column == key_columns_.front() ? " (" : ", ") + columns_[column] + " = ";
    switch (cell.kind()) {
      case ValueKind::integer:
        text += std::to_string(cell.integer());
        break;
      case ValueKind::number:
        text += std::to_string(cell.number());
        break;
      case ValueKind::null:
        text += "null";
        break;
      default:
        text += quote(cell.bytes().substr(0, 100));
    }
  }
  return has_key() ? text + ")" : text;
}

const Row* Query::next() {
  while (page_.empty() && !ended_) {
    read_page();
  }
  if (page_.empty()) {
    current_.reset();
    return nullptr;
  }
  current_.emplace(std::move(page_.front()));
  page_.pop_front();
  advance(*current_);
  return &*current_;
}

void Query::advance(const Row& row) {
  ++position_.rows;
  if (!has_key()) {
    position_.digest = digest_of(row, position_.digest);
    return;
  }
  if (position_.last.empty()) {
    for (std::size_t i = 0; i < key_columns_.size(); ++i) {
      position_.last.push_back(std::make_unique<KeyValueT>());
    }
  }
  for (std::size_t i = 0; i < key_columns_.size(); ++i) {
    const Cell& cell = row[key_columns_[i]];
    KeyValueT& value = *position_.last[i];
    value.kind = cell.kind();
    value.integer = cell.kind() == ValueKind::integer ? cell.integer() : 0;
    value.number = cell.kind() == ValueKind::number ? cell.number() : 0;
    value.bytes.assign(cell.bytes().begin(), cell.bytes().end());
  }
}

bool Query::repeat(std::uint64_t most) {
  if (has_key() || repeated_rows_ == position_.rows) {
    return true;
  }
  for (; most > 0 && repeated_rows_ < position_.rows; --most) {
    read_page();
    if (page_.empty()) {
      break;
    }
    repeated_digest_ = digest_of(page_.front(), repeated_digest_);
    ++repeated_rows_;
    page_.clear();
  }
  if (!ended_ && repeated_rows_ < position_.rows) {
    return false;
  }
  if (repeated_rows_ != position_.rows || repeated_digest_ != position_.digest) {
    throw TaskError(TENON_FAILED, quote(database_.path()) +
                                      ": the statement was repeated after the loss of its worker, and its first " +
                                      std::to_string(position_.rows) +
                                      " rows are not the same; set `key`, or keep others from changing the database");
  }
  return true;
}

void Query::build(const Row& row, tenon::rows::RecordBuilder& record) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    switch (row[i].kind()) {
      case ValueKind::integer:
        record.integer(columns_[i], row[i].integer());
        break;
      case ValueKind::number:
        record.number(columns_[i], row[i].number());
        break;
      case ValueKind::text:
      case ValueKind::blob:
        record.text(columns_[i], row[i].bytes());
        break;
      case ValueKind::null:
        record.null(columns_[i]);
        break;
    }
  }
}

std::size_t Query::size_bytes(const Row& row) const noexcept {
  std::size_t size = fixed_bytes_;
  for (const Cell& cell : row) {
    size += cell.bytes().size() + 8;
  }
  return size;
}

}  // namespace sql
