#include "sql/table_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "rows/json_text.hpp"

namespace sql {
namespace {

using tenon::Scalar;
using tenon::TaskError;
using tenon::plugins::quote;
using tenon::plugins::view;

constexpr std::size_t kMostStatements = 64;
constexpr std::uint64_t kMostLogged = 10;
constexpr const char* kProgressTable = "tenon_sessions";

/// A type without its value is a valid table.
Scalar type_of(const tenon::RecordField& field) noexcept {
  return field.value() == nullptr ? Scalar::NullValue : field.value_type();
}

std::string_view text_of(const tenon::RecordField& field) noexcept {
  return view(field.value_as_TextValue()->value());
}

/// Reads a number as SQL writes it: without infinity and NaN, which std::from_chars also reads.
template <typename Number>
std::optional<Number> read_number(std::string_view text) noexcept {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) {
      return std::nullopt;
    }
  }
  Number value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || !std::isfinite(static_cast<double>(value))) {
    return std::nullopt;
  }
  return value;
}

/// The shortest text that reads as the number.
std::string text_of(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

/// Whether `value` is one of the integers from -2^63 to 2^63 - 1.
bool is_int64(double value) noexcept {
  return value >= -0x1p63 && value < 0x1p63 && value == std::floor(value);
}

bool is_exact(std::int64_t integer) noexcept {
  const auto value = static_cast<double>(integer);
  return is_int64(value) && static_cast<std::int64_t>(value) == integer;
}

/// Whether a text of digits stands for the integer `value` itself; also true for texts of other forms.
bool is_exact(std::string_view text, double value) {
  text.remove_prefix(std::min(text.find_first_not_of("+-"), text.size()));
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return true;
  }
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
  // The largest number has 309 digits.
  std::array<char, 320> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), std::abs(value), std::chars_format::fixed, 0).ptr;
  return text == std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

/// Whether the 15 digits that SQLite makes of a number read as the number again.
bool has_15_digits(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.15g", value);
  return std::strtod(text.data(), nullptr) == value;
}

const char* name_of(Type type) noexcept {
  switch (type) {
    case Type::integer:
      return "integer";
    case Type::number:
      return "real";
    case Type::text:
      return "text";
    case Type::blob:
      return "blob";
    default:
      return "";
  }
}

/// The type of a column with values of both types.
Type common_type(Type type, Scalar value) noexcept {
  switch (value) {
    case Scalar::BoolValue:
    case Scalar::IntValue:
      return type == Type::automatic ? Type::integer : type;
    case Scalar::FloatValue:
      return type == Type::text ? type : Type::number;
    case Scalar::TextValue:
      return Type::text;
    default:
      return type;
  }
}

std::string shown(const tenon::Record& row) {
  constexpr std::size_t kShown = 200;
  std::string text;
  tenon::rows::append_json_record(text, row);
  if (text.size() > kShown) {
    std::size_t end = kShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
      --end;
    }
    text.resize(end);
    text += "...";
  }
  return text;
}

}  // namespace

TableWriter::TableWriter(const tenon::Call& call, const InsertParams& params)
    : call_(call),
      params_(params),
      table_(view(params.into())),
      database_(std::string(view(params.database())),
                {.write = true,
                 .create = params.create(),
                 .busy_timeout = std::chrono::milliseconds(params.busy_timeout_ms())},
                call) {
  if (table_.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(database_.path()) + ": no table is named; set `into`");
  }
  if (params.transaction_rows() == 0) {
    throw TaskError(TENON_INVALID_ARGUMENT, "`transaction_rows` is 0; set it to at least 1");
  }
  read_table();
  if (!has_table() && !params.create()) {
    throw TaskError(TENON_NOT_FOUND, quote(database_.path()) + ": has no table " + quote(table_) +
                                         "; correct `into`, or set `create` to make the table");
  }
  database_.run("pragma foreign_keys = on");
  database_.run(params.sync() ? "pragma synchronous = full" : "pragma synchronous = off");
  if (params.wal()) {
    Statement wal(database_, "pragma journal_mode = wal");
    if (!wal.step() || wal.text(0) != "wal") {
      throw TaskError(TENON_UNSUPPORTED, quote(database_.path()) +
                                             ": cannot be switched to a write-ahead log, for example because it lies "
                                             "on a network file system; set `wal` to false");
    }
  }
}

template <typename Work>
void TableWriter::transaction(const Work& work) {
  database_.run("begin immediate");
  try {
    work();
    commit();
  } catch (...) {
    // An error may have ended the transaction already.
    if (::sqlite3_get_autocommit(database_.raw()) == 0) {
      for (RowStatement& each : statements_) {
        each.statement.reset();
      }
      ::sqlite3_exec(database_.raw(), "rollback", nullptr, nullptr, nullptr);
    }
    // A table that the transaction created no longer exists.
    schema_version_.reset();
    statements_.clear();
    throw;
  }
}

void TableWriter::commit() {
  if (::sqlite3_exec(database_.raw(), "commit", nullptr, nullptr, nullptr) == SQLITE_OK) {
    return;
  }
  if (::sqlite3_extended_errcode(database_.raw()) == SQLITE_CONSTRAINT_FOREIGNKEY) {
    // SQLite checks a deferred foreign key only now, and does not say which row it was.
    Statement broken(database_, "select rowid, parent from pragma_foreign_key_check(?1) limit 1");
    broken.bind_text(1, table_);
    const std::string which = broken.step() ? ": the row with the rowid " + std::string(broken.text(0)) +
                                                  " of the table " + quote(table_) + " refers to a row of " +
                                                  quote(broken.text(1)) + " that is not there"
                                            : ", table " + quote(table_) + ": a row refers to one that is not there";
    throw TaskError(TENON_INVALID_ARGUMENT, quote(database_.path()) + which +
                                                " (FOREIGN KEY constraint failed at the commit), so the transaction "
                                                "was rolled back; write that row in the same transaction or before");
  }
  database_.fail("cannot be written");
}

void TableWriter::write(InsertState& state) {
  if (state.rows.empty()) {
    return;
  }
  Progress progress;
  transaction([&] { progress = write_all(state); });
  state.progress = progress;
  state.rows.clear();
}

void TableWriter::require_table() {
  if (has_table()) {
    return;
  }
  if (!has_key() && (params_.types() == nullptr || params_.types()->size() == 0)) {
    call_.log(TENON_LOG_WARNING, quote(database_.path()) + ": no row came, so the table " + quote(table_) +
                                     " was not made; list its columns in `types` to make it without rows");
    return;
  }
  transaction([&] { prepare_table({}); });
}

std::int64_t TableWriter::schema_version() {
  Statement version(database_, "pragma schema_version");
  return version.step() ? version.integer(0) : 0;
}

void TableWriter::prepare_table(const WaitingRows& rows) {
  if (schema_version_ != schema_version()) {
    statements_.clear();
    read_table();
  }
  if (!has_table()) {
    create_table(rows);
    read_table();
  }
}

Progress TableWriter::write_all(InsertState& state) {
  prepare_table(state.rows);
  Progress progress = state.progress;
  std::size_t first = 0;
  const bool keeps_progress = state.can_continue() && must_write_once();
  if (keeps_progress) {
    const std::optional<Progress> committed = read_progress(state.session());
    if (committed && committed->done > progress.done) {
      first = static_cast<std::size_t>(std::min<std::uint64_t>(committed->done - progress.done, state.rows.size()));
      progress.kept = committed->kept;
      progress.broken = committed->broken;
    }
  }
  progress.done += first;
  for (std::size_t i = first; i < state.rows.size(); ++i) {
    ++progress.done;
    switch (write_row(state.rows[i], progress.done)) {
      case Outcome::kWritten:
        break;
      case Outcome::kKept:
        ++progress.kept;
        break;
      case Outcome::kBroken:
        ++progress.broken;
        break;
    }
  }
  if (keeps_progress && first < state.rows.size()) {
    save_progress(state.session(), progress);
  }
  return progress;
}

void TableWriter::read_table() {
  schema_version_ = schema_version();
  columns_.clear();
  column_names_.clear();
  Statement columns(database_, "select name, type, hidden from pragma_table_xinfo(?1)");
  columns.bind_text(1, table_);
  while (columns.step()) {
    constexpr std::int64_t kGenerated = 2;
    if (columns.integer(2) >= kGenerated) {
      continue;
    }
    // SQLite applies its own rules in this order.
    const std::string type = lower(columns.text(1));
    const auto has = [&](const char* part) { return type.find(part) != std::string::npos; };
    // Dates and booleans have the affinity of numbers too, but are often texts.
    const Affinity affinity = has("int")                                  ? Affinity::kInteger
                              : has("char") || has("clob") || has("text") ? Affinity::kText
                              : has("blob")                               ? Affinity::kBlob
                              : has("real") || has("floa") || has("doub") ? Affinity::kReal
                              : has("num") || has("dec")                  ? Affinity::kNumber
                                                                          : Affinity::kAny;
    columns_.emplace(lower(columns.text(0)), affinity);
    if (column_names_.size() < 300) {
      column_names_ += (column_names_.empty() ? "" : ", ") + std::string(columns.text(0));
    }
  }
  if (has_table() && has_key()) {
    check_key();
  }
}

void TableWriter::check_key() {
  const auto names_of = [](Statement& statement) {
    std::vector<std::string> names;
    while (statement.step()) {
      names.push_back(lower(statement.text(0)));
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  std::vector<std::string> key;
  for (const auto* name : *params_.key()) {
    key.push_back(lower(view(name)));
  }
  std::sort(key.begin(), key.end());
  // A primary key that is the row's number has no index.
  Statement primary(database_, "select name from pragma_table_xinfo(?1) where pk > 0");
  primary.bind_text(1, table_);
  if (names_of(primary) == key) {
    return;
  }
  Statement indexes(database_, "select name from pragma_index_list(?1) where \"unique\" = 1 and partial = 0");
  indexes.bind_text(1, table_);
  Statement columns(database_, "select name from pragma_index_xinfo(?1) where key = 1");
  while (indexes.step()) {
    columns.reset();
    columns.bind_text(1, indexes.text(0));
    if (names_of(columns) == key) {
      return;
    }
  }
  throw TaskError(TENON_INVALID_ARGUMENT, quote(database_.path()) + ": the table " + quote(table_) +
                                              " has no primary key or unique index of exactly the columns of `key`; "
                                              "create one, or correct `key`");
}

void TableWriter::create_table(const WaitingRows& rows) {
  if (!params_.create()) {
    throw TaskError(TENON_NOT_FOUND, quote(database_.path()) + ": no longer has the table " + quote(table_) +
                                         ", which someone has dropped");
  }
  std::vector<std::pair<std::string, Type>> columns;
  std::unordered_map<std::string, std::size_t> places;
  const auto add = [&](std::string_view name) -> Type& {
    const auto [place, is_new] = places.emplace(lower(name), columns.size());
    if (is_new) {
      columns.emplace_back(name, Type::automatic);
    }
    return columns[place->second].second;
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].fields() != nullptr) {
      for (const tenon::RecordField* field : *rows[i].fields()) {
        Type& type = add(view(field->name()));
        type = common_type(type, type_of(*field));
      }
    }
  }
  if (params_.types() != nullptr) {
    for (const ColumnType* type : *params_.types()) {
      Type& found = add(view(type->name()));
      found = type->type() == Type::automatic ? found : type->type();
    }
  }
  std::string keys;
  if (has_key()) {
    for (const auto* name : *params_.key()) {
      add(view(name));
      keys += (keys.empty() ? "" : ", ") + identifier(view(name));
    }
  }
  std::string text = "create table " + identifier(table_) + " (";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    text += (i == 0 ? "" : ", ") + identifier(columns[i].first) + " " + name_of(columns[i].second);
  }
  if (columns.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(database_.path()) + ": the table " + quote(table_) +
                                                " cannot be made, because the rows have no fields");
  }
  database_.run(text + (keys.empty() ? ")" : ", primary key (" + keys + "))"));
}

std::optional<Progress> TableWriter::read_progress(const std::string& session) {
  Statement exists(database_, "select 1 from sqlite_schema where type = 'table' and name = ?1");
  exists.bind_text(1, kProgressTable);
  if (!exists.step()) {
    return std::nullopt;
  }
  Statement read(database_, std::string("select done, kept, broken from ") + kProgressTable + " where session = ?1");
  read.bind_text(1, session);
  if (!read.step()) {
    return std::nullopt;
  }
  return Progress{static_cast<std::uint64_t>(read.integer(0)), static_cast<std::uint64_t>(read.integer(1)),
                  static_cast<std::uint64_t>(read.integer(2))};
}

void TableWriter::save_progress(const std::string& session, const Progress& progress) {
  const std::string name = kProgressTable;
  database_.run("create table if not exists " + name +
                " (session text primary key, done integer, kept integer, broken integer, changed text) without rowid");
  // The rows of sessions that have ended are not needed. Only their age shows which these are.
  database_.run("delete from " + name + " where changed < datetime('now', '-90 days')");
  Statement save(database_, "insert or replace into " + name + " values (?1, ?2, ?3, ?4, datetime('now'))");
  save.bind_text(1, session);
  save.bind(2, static_cast<std::int64_t>(progress.done));
  save.bind(3, static_cast<std::int64_t>(progress.kept));
  save.bind(4, static_cast<std::int64_t>(progress.broken));
  save.step();
}

bool TableWriter::is_key(std::string_view name) const {
  return has_key() && std::any_of(params_.key()->begin(), params_.key()->end(),
                                  [&](const auto* key) { return lower(view(key)) == lower(name); });
}

std::string TableWriter::check_fields(const std::vector<std::string>& fields, std::vector<Affinity>& affinities) const {
  std::vector<std::string> names;
  for (const std::string& field : fields) {
    names.push_back(lower(field));
    const auto column = columns_.find(names.back());
    if (column == columns_.end()) {
      return "the table has no column " + quote(field) + "; it has: " + column_names_ +
             "; add the column, or rename or leave out the field by a stage of kind `project`";
    }
    if (std::count(names.begin(), names.end(), names.back()) > 1) {
      return "it has the field " + quote(field) + " twice";
    }
    affinities.push_back(column->second);
  }
  if (fields.empty()) {
    return "it has no fields";
  }
  if (has_key()) {
    for (const auto* key : *params_.key()) {
      if (std::find(names.begin(), names.end(), lower(view(key))) == names.end()) {
        return "it has no field " + quote(view(key)) + ", which `key` names";
      }
    }
  }
  return {};
}

std::string TableWriter::insert_statement(const std::vector<std::string>& fields) const {
  std::string columns;
  std::string values;
  std::string updates;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string name = identifier(fields[i]);
    columns += (i == 0 ? "" : ", ") + name;
    values += (i == 0 ? "?" : ", ?") + std::to_string(i + 1);
    if (!is_key(fields[i])) {
      updates += (updates.empty() ? "" : ", ") + name + " = excluded." + name;
    }
  }
  std::string text = "insert into " + identifier(table_) + " (" + columns + ") values (" + values + ")";
  if (has_key() && params_.existing() != Existing::refuse) {
    std::string keys;
    for (const auto* key : *params_.key()) {
      keys += (keys.empty() ? "" : ", ") + identifier(view(key));
    }
    text += " on conflict (" + keys + ") do ";
    text += updates.empty() || params_.existing() == Existing::keep ? "nothing" : "update set " + updates;
  }
  return text;
}

TableWriter::RowStatement& TableWriter::statement_for(const tenon::Record& row) {
  const auto* fields = row.fields();
  const std::size_t count = fields == nullptr ? 0 : fields->size();
  const auto fits = [&](const RowStatement& known) {
    if (known.fields.size() != count) {
      return false;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (view(fields->Get(static_cast<flatbuffers::uoffset_t>(i))->name()) != known.fields[i]) {
        return false;
      }
    }
    return true;
  };
  const auto found = std::find_if(statements_.begin(), statements_.end(), fits);
  if (found != statements_.end()) {
    statements_.splice(statements_.begin(), statements_, found);
    return statements_.front();
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    names.emplace_back(view(fields->Get(static_cast<flatbuffers::uoffset_t>(i))->name()));
  }
  std::vector<Affinity> affinities;
  std::string wrong = check_fields(names, affinities);
  Statement statement(database_, wrong.empty() ? insert_statement(names) : "select 1");
  if (statements_.size() >= kMostStatements) {
    statements_.pop_back();
  }
  statements_.push_front({std::move(names), std::move(affinities), std::move(statement), std::move(wrong)});
  return statements_.front();
}

std::string TableWriter::bind_number(RowStatement& target, std::size_t i, double value) {
  const int parameter = static_cast<int>(i + 1);
  if (std::isnan(value)) {
    return "the value of " + quote(target.fields[i]) + " is not a number (NaN), which SQLite cannot store";
  }
  switch (target.affinities[i]) {
    case Affinity::kInteger:
      if (!is_int64(value)) {
        return "the column " + quote(target.fields[i]) + " takes integers, but the value is " + text_of(value);
      }
      target.statement.bind(parameter, static_cast<std::int64_t>(value));
      break;
    case Affinity::kText:
      // SQLite's own conversion would drop digits.
      if (!has_15_digits(value)) {
        target.statement.bind_text_copy(parameter, text_of(value));
        break;
      }
      [[fallthrough]];
    default:
      target.statement.bind(parameter, value);
  }
  return {};
}

std::string TableWriter::bind_text(RowStatement& target, std::size_t i, std::string_view text) {
  const int parameter = static_cast<int>(i + 1);
  const Affinity affinity = target.affinities[i];
  const auto integer = read_number<std::int64_t>(text);
  const auto refused = [&](const char* takes) {
    return "the column " + quote(target.fields[i]) + " takes " + takes + ", but the value is the text " +
           quote(text.substr(0, 100));
  };
  if (affinity == Affinity::kInteger && !integer) {
    return refused("integers");
  }
  if (affinity == Affinity::kReal || (affinity == Affinity::kNumber && !integer)) {
    const auto number = read_number<double>(text);
    if (!number) {
      return refused("numbers");
    }
    if (!is_exact(text, *number)) {
      return refused("numbers of about 15 digits");
    }
  }
  if (affinity == Affinity::kBlob) {
    target.statement.bind_blob(parameter, text);
  } else {
    target.statement.bind_text(parameter, text);
  }
  return {};
}

std::string TableWriter::bind(RowStatement& target, const tenon::Record& row) {
  std::string wrong;
  for (std::size_t i = 0; i < target.fields.size() && wrong.empty(); ++i) {
    const tenon::RecordField& field = *row.fields()->Get(static_cast<flatbuffers::uoffset_t>(i));
    const int parameter = static_cast<int>(i + 1);
    switch (type_of(field)) {
      case Scalar::BoolValue:
        target.statement.bind(parameter, std::int64_t{field.value_as_BoolValue()->value()});
        break;
      case Scalar::IntValue: {
        const std::int64_t value = field.value_as_IntValue()->value();
        if (target.affinities[i] == Affinity::kReal && !is_exact(value)) {
          return "the column " + quote(target.fields[i]) + " takes numbers of about 15 digits, but the value is " +
                 std::to_string(value) + "; declare the column as integer or text";
        }
        target.statement.bind(parameter, value);
        break;
      }
      case Scalar::FloatValue:
        wrong = bind_number(target, i, field.value_as_FloatValue()->value());
        break;
      case Scalar::TextValue:
        wrong = bind_text(target, i, text_of(field));
        break;
      default:
        // To SQLite, no two null keys are equal, so such a row would be inserted each time.
        if (is_key(target.fields[i])) {
          return "the field " + quote(target.fields[i]) + ", which `key` names, is null";
        }
        target.statement.bind_null(parameter);
    }
  }
  return wrong;
}

TableWriter::Outcome TableWriter::write_row(const tenon::Record& row, std::uint64_t number) {
  RowStatement& target = statement_for(row);
  const std::string wrong = target.broken.empty() ? bind(target, row) : target.broken;
  if (!wrong.empty()) {
    return broken(row, number, wrong);
  }
  const int code = target.statement.try_step();
  if (code == SQLITE_DONE) {
    const bool kept = has_key() && params_.existing() == Existing::keep && ::sqlite3_changes(database_.raw()) == 0;
    target.statement.reset();
    return kept ? Outcome::kKept : Outcome::kWritten;
  }
  const int primary = code & 0xFF;
  const bool its_own =
      primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH || primary == SQLITE_TOOBIG || code == SQLITE_ROW;
  if (!its_own) {
    database_.fail("the table " + quote(table_) + " cannot be written, at row " + std::to_string(number));
  }
  std::string why = ::sqlite3_errmsg(database_.raw());
  if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_ROWID) {
    why += has_key() ? "; another row has this value already"
                     : "; another row has this value already; set `key` to update that";
  } else if (code == SQLITE_CONSTRAINT_NOTNULL) {
    why += "; give the field a value, for example by the `defaults` of a stage of kind `project`";
  }
  // A trigger or a clause of the table may roll back the whole transaction.
  if (::sqlite3_get_autocommit(database_.raw()) != 0) {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(database_.path()) + ", table " + quote(table_) + ": row " +
                                                std::to_string(number) + " " + shown(row) +
                                                " has ended its transaction: " + why);
  }
  target.statement.reset();
  return broken(row, number, why);
}

TableWriter::Outcome TableWriter::broken(const tenon::Record& row, std::uint64_t number, const std::string& why) {
  const std::string text = quote(database_.path()) + ", table " + quote(table_) + ": row " + std::to_string(number) +
                           " " + shown(row) + ": " + why;
  if (!params_.skip_broken()) {
    throw TaskError(TENON_INVALID_ARGUMENT, text + "; correct the row, or set `skip_broken`");
  }
  if (logged_ < kMostLogged) {
    call_.log(TENON_LOG_WARNING, text + (++logged_ == kMostLogged ? "; further broken rows are only counted" : ""));
  }
  return Outcome::kBroken;
}

}  // namespace sql
