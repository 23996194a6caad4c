#include "sql/database.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "common/content.hpp"
#include "common/utf8.hpp"

namespace sql {
namespace {

using tenon::TaskError;
using tenon::plugins::quote;

/// Number of instructions of SQLite's virtual machine after which the plugin checks whether the call must stop.
constexpr int kInstructionsPerCheck = 10'000;
constexpr std::chrono::milliseconds kLongestPause{20};

/// SQLite gives names such as ":memory:" and "file:x?mode=ro" a meaning of their own.
std::string as_plain_path(const std::string& path) {
  return path.starts_with('/') ? path : "./" + path;
}

std::string system_message(int os_code) {
  return os_code == 0 ? std::string() : " (" + std::generic_category().message(os_code) + ")";
}

bool is_blank(std::string_view text) noexcept {
  return text.find_first_not_of(" \t\r\n;") == std::string_view::npos;
}

/// "line 2, column 8" of a byte.
std::string position_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(1 + offset - start);
}

}  // namespace

Database::Database(std::string path, const DatabaseOptions& options, const tenon::Call& call)
    : path_(std::move(path)), options_(options), call_(call) {
  check_file();
  // A reader also opens the file for writing: otherwise it could not undo what a killed writer has left.
  const int flags = SQLITE_OPEN_READWRITE | (options.create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX;
  sqlite3* connection = nullptr;
  const int code = ::sqlite3_open_v2(as_plain_path(path_).c_str(), &connection, flags, nullptr);
  connection_.reset(connection);
  if (connection == nullptr) {
    throw std::bad_alloc();
  }
  if (code != SQLITE_OK) {
    fail("cannot be opened");
  }
  ::sqlite3_extended_result_codes(connection, 1);
  if (!options.write) {
    // Otherwise a misspelt column name in double quotes would count as a text. For a writer, triggers of the database
    // may depend on that.
    ::sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    // A reader must not change the file, as the last connection does that moves a write-ahead log into it.
    ::sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  // SQLite itself needs room for the text of its schema.
  ::sqlite3_limit(connection, SQLITE_LIMIT_LENGTH,
                  static_cast<int>(std::clamp<std::uint64_t>(options.max_row_bytes, 1u << 20, 1'000'000'000)));
  ::sqlite3_busy_handler(connection, &Database::wait, this);
  ::sqlite3_progress_handler(
      connection, kInstructionsPerCheck,
      [](void* self) { return static_cast<const Database*>(self)->call_.poll() == TENON_OK ? 0 : 1; }, this);
  // SQLite opens lazily; this reads the header and the schema.
  run("select 1 from sqlite_schema limit 1");
  if (!options.write) {
    run("pragma query_only = on");
  }
}

Database::~Database() {
  // The handlers use the call, which may have ended.
  ::sqlite3_busy_handler(raw(), nullptr, nullptr);
  ::sqlite3_progress_handler(raw(), 0, nullptr, nullptr);
}

void Database::check_file() const {
  if (path_.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT, "no database is named; set `database` to the path of a SQLite database");
  }
  tenon::plugins::require_whole_path(path_);
  // SUBTLE: the file is not opened for these checks. Closing any descriptor of a file releases all locks that this
  // process has on the file, including those of other connections in this worker.
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) {
    if (errno != ENOENT || !options_.create) {
      tenon::plugins::throw_os_error(path_, "cannot be opened", errno,
                                     options_.write ? "set `create` to make a new database" : "check `database`");
    }
  } else if (!S_ISREG(status.st_mode)) {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(path_) + ": is not a regular file, so it is not a SQLite database");
  }
}

int Database::wait(void* raw, int attempts) noexcept {
  auto& self = *static_cast<Database*>(raw);
  const auto now = std::chrono::steady_clock::now();
  if (attempts == 0) {
    self.waits_since_ = now;
  }
  if (now - self.waits_since_ >= self.options_.busy_timeout || self.call_.poll() != TENON_OK) {
    return 0;
  }
  std::this_thread::sleep_for(std::min(std::chrono::milliseconds(1 + attempts), kLongestPause));
  return 1;
}

void Database::run(const std::string& statement) {
  if (::sqlite3_exec(raw(), statement.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail("cannot be " + std::string(options_.write ? "written" : "read"));
  }
}

void Database::fail(std::string_view what) const {
  const int code = ::sqlite3_extended_errcode(raw());
  const std::string start = quote(path_) + ": ";
  const std::string message = std::string(what) + ": " + ::sqlite3_errmsg(raw());
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      call_.check();
      throw TaskError(
          TENON_UNAVAILABLE,
          start + "is locked by another connection for more than " + std::to_string(options_.busy_timeout.count()) +
              " ms; end the program that holds the lock, or raise `busy_timeout_ms`" +
              (options_.write ? "; if it is a sql.query of this pipeline, give that a `key`, or set `wal`" : ""));
    case SQLITE_INTERRUPT:
      call_.check();
      throw TaskError(TENON_CANCELLED, start + "the statement was interrupted");
    case SQLITE_NOTADB:
      throw TaskError(TENON_CORRUPT, start + "is not a SQLite database, or is encrypted; check `database`");
    case SQLITE_CORRUPT:
      throw TaskError(TENON_CORRUPT, start + "is damaged: " + ::sqlite3_errmsg(raw()) +
                                         "; restore a copy, or save what is left with `sqlite3 FILE .recover`");
    case SQLITE_FULL:
      if (!options_.write) {
        throw TaskError(TENON_IO, start +
                                      "the disk with SQLite's temporary files is full, for example during a sort; "
                                      "free space on it, or set the environment variable SQLITE_TMPDIR to a "
                                      "directory on another");
      }
      throw TaskError(TENON_IO, start + "the disk is full, and the transaction was rolled back; free space on it");
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      throw TaskError(TENON_IO, start + message + system_message(::sqlite3_system_errno(raw())) +
                                    "; check the permissions of the file and of its directory, where SQLite "
                                    "creates files too, and the disk");
    case SQLITE_NOMEM:
      throw TaskError(TENON_OUT_OF_MEMORY, start + message);
    case SQLITE_TOOBIG:
      throw TaskError(TENON_TOO_LARGE,
                      start + "a value or row is larger than " + std::to_string(options_.max_row_bytes) + " bytes");
    default:
      throw TaskError(TENON_INVALID_ARGUMENT, start + message);
  }
}

Statement::Statement(Database& database, std::string_view text) : database_(&database) {
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  const int code = ::sqlite3_prepare_v2(database.raw(), text.data(), static_cast<int>(text.size()), &statement, &rest);
  statement_.reset(statement);
  // SQLITE_SCHEMA says that the text does not fit the schema, and that another connection is changing that.
  if (code == SQLITE_ERROR || code == SQLITE_SCHEMA) {
    const int offset = ::sqlite3_error_offset(database.raw());
    throw TaskError(TENON_INVALID_ARGUMENT,
                    quote(database.path()) + ": the statement is not valid" +
                        (offset < 0 ? std::string()
                                    : ", at its " + position_of(text, static_cast<std::size_t>(offset)) + " (byte " +
                                          std::to_string(offset + 1) + ")") +
                        ": " + ::sqlite3_errmsg(database.raw()));
  }
  if (code != SQLITE_OK) {
    database.fail("the statement cannot be prepared");
  }
  if (statement == nullptr) {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(database.path()) + ": the statement is empty");
  }
  // The rest may be a comment, which SQLite prepares as an empty statement.
  size_ = static_cast<std::size_t>(rest - text.data());
  const std::string_view after = text.substr(size_);
  if (!is_blank(after)) {
    sqlite3_stmt* second = nullptr;
    const int code_after =
        ::sqlite3_prepare_v2(database.raw(), after.data(), static_cast<int>(after.size()), &second, nullptr);
    const std::unique_ptr<sqlite3_stmt, Finalize> owner(second);
    if (code_after != SQLITE_OK || second != nullptr) {
      throw TaskError(TENON_INVALID_ARGUMENT, quote(database.path()) + ": there is a second statement at " +
                                                  position_of(text, size_) + "; remove all but one");
    }
  }
}

bool Statement::step() {
  const int code = try_step();
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    database_->fail("the statement failed");
  }
  return code == SQLITE_ROW;
}

void Statement::bind_text(int parameter, std::string_view value) {
  // A null address would bind NULL.
  check(::sqlite3_bind_text64(raw(), parameter, value.data() == nullptr ? "" : value.data(), value.size(),
                              SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::bind_text_copy(int parameter, std::string_view value) {
  check(::sqlite3_bind_text64(raw(), parameter, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::bind_blob(int parameter, std::string_view value) {
  check(::sqlite3_bind_blob64(raw(), parameter, value.data() == nullptr ? "" : value.data(), value.size(),
                              SQLITE_STATIC));
}

std::string_view Statement::text(int column) noexcept {
  const auto* text = reinterpret_cast<const char*>(::sqlite3_column_text(raw(), column));
  return text == nullptr ? std::string_view()
                         : std::string_view(text, static_cast<std::size_t>(::sqlite3_column_bytes(raw(), column)));
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) {
    database_->fail("a value cannot be bound");
  }
}

std::string identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    quoted.append(c == '"' ? 2 : 1, c);
  }
  return quoted + "\"";
}

std::string lower(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

}  // namespace sql
