#include <tenon/error.hpp>

#include <cerrno>
#include <cstddef>
#include <system_error>

namespace tenon {

std::string_view error_code_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kFailed:
      return "failed";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kDeadline:
      return "deadline";
    case ErrorCode::kCrashed:
      return "crashed";
    case ErrorCode::kRejected:
      return "rejected";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kOutOfMemory:
      return "out_of_memory";
    case ErrorCode::kIncompatible:
      return "incompatible";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kTooLarge:
      return "too_large";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kInternal:
      return "internal";
  }
  // The number comes from a worker or a file of another version.
  return "unknown";
}

namespace {

/// Appends the lines of `tail`, each prefixed with a bar.
void append_quoted(std::string& text, std::string_view tail) {
  while (!tail.empty() && tail.back() == '\n') {
    tail.remove_suffix(1);
  }
  if (tail.empty()) {
    return;
  }
  text += "\n  | ";
  for (const char letter : tail) {
    text += letter;
    if (letter == '\n') {
      text += "  | ";
    }
  }
}

}  // namespace

std::string Error::to_string() const {
  std::string text(error_code_name(code));
  text += ": ";
  text += message.empty() ? "no message" : message;

  std::string details;
  const auto add = [&details](std::string_view name, std::string_view value) {
    if (!details.empty()) {
      details += ", ";
    }
    details += name;
    if (!name.empty()) {
      details += ' ';
    }
    details += value;
  };
  if (!context.task.empty()) {
    add("task", context.task);
  }
  if (!context.plugin.empty()) {
    add("plugin", context.plugin);
  }
  if (context.call_id != 0) {
    add("call", std::to_string(context.call_id));
  }
  if (context.attempt != 0) {
    add("attempt", std::to_string(context.attempt));
  }
  if (context.signal != 0) {
    add("signal", std::to_string(context.signal));
  }
  if (context.exit_code) {
    add("exit code", std::to_string(*context.exit_code));
  }
  if (context.os_code != 0) {
    add("system error", std::to_string(context.os_code));
  }
  if (!details.empty()) {
    text += " (" + details + ")";
  }
  append_quoted(text, context.stderr_tail);
  append_quoted(text, context.stdout_tail);
  return text;
}

namespace {

ErrorCode code_of(int os_code) noexcept {
  switch (os_code) {
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
      return ErrorCode::kNotFound;
    case ENOMEM:
      return ErrorCode::kOutOfMemory;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
    case ELOOP:
      return ErrorCode::kInvalidArgument;
    case EFBIG:
    case E2BIG:
    case EMSGSIZE:
    case EOVERFLOW:
      return ErrorCode::kTooLarge;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOTCONN:
    case EBUSY:
    case ETXTBSY:
      return ErrorCode::kUnavailable;
    case ETIMEDOUT:
      return ErrorCode::kDeadline;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kIo;
  }
}

/// What the user can do about it; empty if the system's own message is sufficient.
std::string_view advice_for(int os_code) noexcept {
  switch (os_code) {
    case EMFILE:
      return "this process has reached its limit of open descriptors; raise 'ulimit -n' or use fewer workers";
    case ENFILE:
      return "the whole system has too many files open; raise fs.file-max";
    case ENOSPC:
      return "the disk is full; free some space";
    case EDQUOT:
      return "the disk quota is used up";
    case EROFS:
      return "the file system is read-only";
    case EACCES:
    case EPERM:
      return "check owner and permissions";
    case ENOMEM:
      return "memory, or a limit on it, is used up";
    default:
      return {};
  }
}

}  // namespace

Error os_error(int os_code, std::string_view what) {
  Error error;
  error.code = code_of(os_code);
  error.message = std::string(what) + ": " + std::generic_category().message(os_code);
  if (const std::string_view advice = advice_for(os_code); !advice.empty()) {
    error.message += "; ";
    error.message += advice;
  }
  error.context.os_code = os_code;
  return error;
}

}  // namespace tenon
