#include "plugin/served_contents.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "base/text.hpp"
#include "platform/file.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/quarantine.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

// A record is text: this line, the content's SHA-256, the path of the plugin file.
constexpr std::string_view kFirstLine = "tenon served 1\n";
constexpr std::uint64_t kMaxRecordBytes = 16 * 1024;
constexpr std::chrono::hours kKeepRecords{24 * 30};
/// A temporary file of this age has no writer any more.
constexpr std::chrono::minutes kLeftBehind{1};

BytesView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

struct Record {
  std::string sha256;
  std::string source;
};

std::optional<Record> read_record(const fs::path& file) {
  const auto content = read_file(file, kMaxRecordBytes);
  if (!content) {
    return std::nullopt;
  }
  std::string_view text(reinterpret_cast<const char*>(content->data()), content->size());
  if (!text.starts_with(kFirstLine) || !text.ends_with('\n')) {
    return std::nullopt;
  }
  text.remove_prefix(kFirstLine.size());
  text.remove_suffix(1);
  const std::size_t end = text.find('\n');
  Record record{std::string(text.substr(0, end)),
                end == std::string_view::npos ? std::string() : std::string(text.substr(end + 1))};
  return is_sha256(record.sha256) && !record.source.empty() ? std::optional(std::move(record)) : std::nullopt;
}

}  // namespace

fs::path ServedContents::record_of(const fs::path& source) const {
  return directory_ / sha256_of_bytes(bytes_of(source.string()));
}

Result<void> ServedContents::remember(const fs::path& source, const std::string& sha256) const {
  if (!is_sha256(sha256)) {
    return fail(ErrorCode::kInvalidArgument, "cannot remember '" + printable(sha256, 80) + "': it is no SHA-256");
  }
  const std::string text = std::string(kFirstLine) + sha256 + "\n" + source.string() + "\n";
  // Not synced: a record that a power cut spoils counts as none.
  auto written = write_file(record_of(source), bytes_of(text), {.mode = 0600, .sync = false});
  if (!written) {
    written.error().message =
        "cannot remember what is served of " + source.string() + ": " + std::move(written.error().message);
  }
  return written;
}

std::optional<std::string> ServedContents::find(const fs::path& source) const {
  auto record = read_record(record_of(source));
  return record && record->source == source.string() ? std::optional(std::move(record->sha256)) : std::nullopt;
}

std::set<std::string> ServedContents::all() const {
  std::set<std::string> contents;
  std::error_code failed;
  for (fs::directory_iterator it(directory_, failed), end; !failed && it != end; it.increment(failed)) {
    if (auto record = read_record(it->path())) {
      contents.insert(std::move(record->sha256));
    }
  }
  return contents;
}

void ServedContents::sweep() const {
  std::error_code failed;
  for (fs::directory_iterator it(directory_, failed), end; !failed && it != end; it.increment(failed)) {
    std::error_code ignored;
    const auto age = fs::file_time_type::clock::now() - it->last_write_time(ignored);
    const bool is_record = is_sha256(it->path().filename().string());
    if (!ignored && (is_record ? age > kKeepRecords : age > kLeftBehind)) {
      fs::remove(it->path(), ignored);
    }
  }
}

}  // namespace tenon::internal
