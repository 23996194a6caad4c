#include "plugin/quarantine.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/file.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

// A record is text: this line, the seconds since 1970-01-01 UTC, the time limit in ms, plugin, version, host, the
// reason. Earlier releases wrote 2, without the time limit, and 1, with only the seconds and the reason.
constexpr std::string_view kFirstLine = "tenon quarantine 3\n";
constexpr std::string_view kFirstLineStart = "tenon quarantine ";
constexpr std::size_t kMaxSubjectBytes = 1024;
constexpr std::size_t kMaxReasonBytes = 4096;
constexpr std::uint64_t kMaxRecordBytes = 16 * 1024;
constexpr std::size_t kSha256Digits = 64;
/// A temporary file of this age has no writer any more, because writing a record takes almost no time.
constexpr std::chrono::minutes kLeftBehind{1};

/// Removes the first line from a text; nullopt if the line has no end.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;  // The text was cut off.
  }
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

/// Removes a line that is a number.
std::optional<std::int64_t> take_number(std::string_view& text) {
  const auto line = take_line(text);
  std::int64_t number = 0;
  if (!line || std::from_chars(line->data(), line->data() + line->size(), number).ptr != line->data() + line->size()) {
    return std::nullopt;
  }
  return number;
}

std::optional<QuarantineRecord> parse(std::string_view text) {
  if (!text.starts_with(kFirstLineStart)) {
    return std::nullopt;
  }
  text.remove_prefix(kFirstLineStart.size());
  const auto format = take_number(text);
  const auto seconds = take_number(text);
  if (!format || *format < 1 || *format > 3 || !seconds) {
    return std::nullopt;
  }
  // Made printable again, because the file may contain anything.
  QuarantineRecord record;
  record.since = std::chrono::system_clock::time_point(std::chrono::seconds(*seconds));
  if (*format >= 3) {
    const auto limit_ms = take_number(text);
    if (!limit_ms || *limit_ms < 0) {
      return std::nullopt;
    }
    record.time_limit = std::chrono::milliseconds(*limit_ms);
  }
  if (*format >= 2) {
    for (std::string* const part : {&record.subject.plugin, &record.subject.version, &record.subject.host}) {
      const auto line = take_line(text);
      if (!line) {
        return std::nullopt;
      }
      *part = printable(*line, kMaxSubjectBytes);
    }
  }
  if (text.empty() || text.back() != '\n') {
    return std::nullopt;
  }
  text.remove_suffix(1);
  record.reason = printable(text, kMaxReasonBytes);
  return record;
}

}  // namespace

bool is_sha256(const std::string& text) noexcept {
  return text.size() == kSha256Digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Result<void> Quarantine::add(const std::string& sha256, const std::string& reason,
                             std::chrono::system_clock::time_point since, const QuarantineSubject& subject,
                             std::chrono::milliseconds time_limit) const {
  if (!is_sha256(sha256)) {
    return fail(ErrorCode::kInvalidArgument, "cannot quarantine '" + printable(sha256, 80) + "': it is no SHA-256");
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since.time_since_epoch()).count();
  std::string text =
      std::string(kFirstLine) + std::to_string(seconds) + "\n" + std::to_string(time_limit.count()) + "\n";
  for (const std::string& part : {subject.plugin, subject.version, subject.host}) {
    text += printable(part, kMaxSubjectBytes) + "\n";
  }
  text += printable(reason, kMaxReasonBytes) + "\n";
  std::error_code ignored;  // The write reports it.
  fs::create_directory(directory_, ignored);
  const BytesView bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  // Synced, which is slow but rare: a power cut must not let the content in again.
  if (auto written = write_file(directory_ / sha256, bytes, {.mode = 0600, .sync = true}); !written) {
    written.error().message = "cannot remember the quarantine of " + sha256 + ": " + written.error().message;
    return written;
  }
  const std::vector<QuarantineRecord> records = all();
  for (std::size_t i = max_records_; i < records.size(); ++i) {
    TENON_TRY(release(records[i].sha256));
  }
  return {};
}

std::optional<QuarantineRecord> Quarantine::find(const std::string& sha256) const {
  if (!is_sha256(sha256)) {
    return std::nullopt;
  }
  const fs::path file = directory_ / sha256;
  auto content = read_file(file, kMaxRecordBytes);
  if (!content && content.error().code == ErrorCode::kNotFound) {
    return std::nullopt;
  }
  std::optional<QuarantineRecord> record;
  if (content) {
    record = parse({reinterpret_cast<const char*>(content->data()), content->size()});
  }
  if (!record) {
    record.emplace();
    record->reason = "the record '" + file.string() + "' cannot be read; lift it to load this content again";
  }
  record->sha256 = sha256;
  return record;
}

Result<bool> Quarantine::release(const std::string& sha256) const {
  if (!is_sha256(sha256)) {
    return false;
  }
  std::error_code failed;
  const bool removed = fs::remove(directory_ / sha256, failed);
  if (failed) {
    return fail(os_error(failed.value(), "cannot release " + sha256 + " from quarantine"));
  }
  return removed;
}

std::vector<QuarantineRecord> Quarantine::all() const {
  std::vector<QuarantineRecord> records;
  std::error_code failed;
  for (fs::directory_iterator it(directory_, failed), end; !failed && it != end; it.increment(failed)) {
    if (auto record = find(it->path().filename().string())) {
      records.push_back(std::move(*record));
    }
  }
  std::sort(records.begin(), records.end(), [](const QuarantineRecord& a, const QuarantineRecord& b) {
    return a.since != b.since ? a.since > b.since : a.sha256 < b.sha256;
  });
  return records;
}

void Quarantine::sweep() const {
  std::error_code failed;
  for (fs::directory_iterator it(directory_, failed), end; !failed && it != end; it.increment(failed)) {
    std::error_code ignored;
    if (!is_sha256(it->path().filename().string()) &&
        fs::file_time_type::clock::now() - it->last_write_time(ignored) > kLeftBehind) {
      fs::remove(it->path(), ignored);
    }
  }
}

}  // namespace tenon::internal
