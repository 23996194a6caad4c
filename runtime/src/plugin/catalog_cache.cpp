#include "plugin/catalog_cache.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <flatbuffers/flatbuffers.h>
#include <tenon/manifest_generated.h>

#include "plugin/file_hash.hpp"

namespace tenon::internal {
namespace {

/// Increase it whenever the content of records changes, or what read_schema_model refuses: the schema of a plugin that
/// was found sound is not checked again when the plugin is recalled.
constexpr std::uint32_t kCacheFormat = 2;
constexpr std::uint64_t kMaxRecordBytes = 65'536;
/// Each record starts with the hexadecimal SHA-256 of its payload.
constexpr std::size_t kChecksumBytes = 64;
constexpr std::chrono::seconds kProblemLifetime = std::chrono::minutes(10);
/// A file that changed less than this ago may change again with the same times.
constexpr std::chrono::nanoseconds kSettleTime = std::chrono::seconds(1);

/// Maximum number of records of one kind. Each is small; a build that is tried a thousand times a day leaves a thousand
/// of them.
constexpr std::size_t kMaxRecords = 1024;
constexpr std::uint64_t kMaxTotalBytes = std::uint64_t{16} << 20;
/// Sizes are added up only once in this many writes, because that takes a system call for each record.
constexpr std::size_t kBetweenSizeChecks = 32;
/// A file that is not a record and has not changed for this long was left by a process that was killed while writing
/// it.
constexpr std::chrono::hours kLeftBehind{1};

BytesView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::chrono::nanoseconds wall_clock() {
  return std::chrono::system_clock::now().time_since_epoch();
}

template <typename T>
const T* verified(const Buffer& payload) {
  flatbuffers::Verifier verifier(payload.data(), payload.size());
  return verifier.VerifyBuffer<T>(nullptr) ? flatbuffers::GetRoot<T>(payload.data()) : nullptr;
}

std::string text(const flatbuffers::String* string) {
  return string == nullptr ? std::string() : string->str();
}

BytesView payload_of(const flatbuffers::FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetSize()};
}

/// Removes the oldest records beyond the limits from a directory. Other processes may prune at the same time, or use a
/// record that is removed: a missing record is created again.
void prune(const std::filesystem::path& directory) {
  struct Record {
    std::filesystem::file_time_type time;
    std::uint64_t size_bytes = 0;
    std::filesystem::path path;
  };
  std::size_t count = 0;
  std::error_code unread;
  for (std::filesystem::directory_iterator it(directory, unread), end; !unread && it != end; it.increment(unread)) {
    ++count;
  }
  if (count <= kMaxRecords && count % kBetweenSizeChecks != 0) {
    return;
  }
  std::vector<Record> records;
  std::uint64_t total_bytes = 0;
  const auto now = std::filesystem::file_time_type::clock::now();
  std::error_code failed;
  for (std::filesystem::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) {
    std::error_code gone;
    Record record{.time = it->last_write_time(gone), .size_bytes = it->file_size(gone), .path = it->path()};
    if (gone) {
      continue;
    }
    if (record.path.extension() != ".bin") {
      if (now - record.time > kLeftBehind) {
        std::filesystem::remove(record.path, gone);
      }
      continue;
    }
    total_bytes += record.size_bytes;
    records.push_back(std::move(record));
  }
  if (records.size() <= kMaxRecords && total_bytes <= kMaxTotalBytes) {
    return;
  }
  std::sort(records.begin(), records.end(),
            [](const Record& one, const Record& other) { return one.time < other.time; });
  // Removes a quarter at once, so that not every new record causes a removal.
  std::size_t left = records.size();
  for (const Record& record : records) {
    if (left <= kMaxRecords * 3 / 4 && total_bytes <= kMaxTotalBytes * 3 / 4) {
      return;
    }
    std::error_code gone;
    std::filesystem::remove(record.path, gone);
    --left;
    total_bytes -= record.size_bytes;
  }
}

}  // namespace

bool has_settled(const FileIdentity& identity) {
  // The change time, unlike the modification time, cannot be set back.
  return wall_clock() - std::chrono::nanoseconds(identity.ctime_ns) > kSettleTime;
}

std::filesystem::path CatalogCache::record_path(const char* kind, const std::string& key) const {
  return directory_ / kind / (sha256_of_bytes(bytes_of(key)) + ".bin");
}

std::optional<Buffer> CatalogCache::read_record(const std::filesystem::path& path) const {
  if (directory_.empty()) {
    return std::nullopt;
  }
  auto content = read_file(path, kMaxRecordBytes);
  if (!content || content->size() <= kChecksumBytes) {
    return std::nullopt;
  }
  Buffer payload(content->begin() + kChecksumBytes, content->end());
  const std::string checksum = sha256_of_bytes(payload);
  if (std::memcmp(checksum.data(), content->data(), kChecksumBytes) != 0) {
    return std::nullopt;
  }
  return payload;
}

void CatalogCache::write_record(const std::filesystem::path& path, BytesView payload) const {
  if (directory_.empty() || payload.size() + kChecksumBytes > kMaxRecordBytes) {
    return;
  }
  std::error_code refused;
  std::filesystem::create_directories(path.parent_path(), refused);
  const std::string checksum = sha256_of_bytes(payload);
  Buffer content(checksum.begin(), checksum.end());
  content.insert(content.end(), payload.begin(), payload.end());
  // Not synced: after a power cut the checksum reveals the damage, and the record is created again.
  if (write_file(path, content, {.mode = 0600, .sync = false})) {
    prune(path.parent_path());
  }
}

std::optional<Verdict> CatalogCache::find_verdict(const std::string& key) const {
  const auto payload = read_record(record_path("inspections", key));
  const auto* record = payload ? verified<cache::Inspection>(*payload) : nullptr;
  if (record == nullptr || record->format() != kCacheFormat || record->key()->string_view() != key) {
    return std::nullopt;
  }
  if (record->sound()) {
    return Verdict{};
  }
  const auto age = wall_clock() - std::chrono::seconds(record->inspected_at_s());
  const bool known_code = record->code() >= static_cast<std::int32_t>(ErrorCode::kFailed) &&
                          record->code() <= static_cast<std::int32_t>(ErrorCode::kInternal);
  if (age < std::chrono::seconds(-1) || age > kProblemLifetime || !known_code) {
    return std::nullopt;
  }
  ErrorContext context;
  context.signal = record->signal();
  if (record->exit_code().has_value()) {
    context.exit_code = *record->exit_code();
  }
  context.stderr_tail = text(record->stderr_tail());
  return Verdict{Error{static_cast<ErrorCode>(record->code()), text(record->message()), std::move(context)},
                 std::chrono::duration_cast<std::chrono::seconds>(age)};
}

void CatalogCache::keep_verdict(const std::string& key, const Verdict& verdict) const {
  flatbuffers::FlatBufferBuilder builder;
  const auto key_text = builder.CreateString(key);
  const Error* problem = verdict.problem ? &*verdict.problem : nullptr;
  const auto message = problem == nullptr ? 0 : builder.CreateString(problem->message);
  const auto stderr_tail = problem == nullptr ? 0 : builder.CreateString(problem->context.stderr_tail);
  cache::InspectionBuilder record(builder);
  record.add_format(kCacheFormat);
  record.add_key(key_text);
  record.add_sound(problem == nullptr);
  if (problem != nullptr) {
    record.add_code(static_cast<std::int32_t>(problem->code));
    record.add_message(message);
    record.add_signal(problem->context.signal);
    if (problem->context.exit_code) {
      record.add_exit_code(*problem->context.exit_code);
    }
    record.add_stderr_tail(stderr_tail);
  }
  record.add_inspected_at_s(std::chrono::duration_cast<std::chrono::seconds>(wall_clock()).count());
  builder.Finish(record.Finish());
  write_record(record_path("inspections", key), payload_of(builder));
}

std::optional<std::string> CatalogCache::find_hash(const std::filesystem::path& file,
                                                   const FileIdentity& identity) const {
  const std::string path = file.string();
  if (const auto payload = read_record(record_path("stamps", path))) {
    const auto* stamp = verified<cache::Stamp>(*payload);
    if (stamp != nullptr && stamp->format() == kCacheFormat && stamp->path()->string_view() == path &&
        stamp->device() == identity.device && stamp->inode() == identity.inode &&
        stamp->size_bytes() == identity.size_bytes && stamp->mtime_ns() == identity.mtime_ns &&
        stamp->ctime_ns() == identity.ctime_ns) {
      return stamp->sha256()->str();
    }
  }
  return std::nullopt;
}

void CatalogCache::keep_hash(const std::filesystem::path& file, const FileIdentity& identity,
                             const std::string& sha256) const {
  flatbuffers::FlatBufferBuilder builder;
  const std::string path = file.string();
  builder.Finish(cache::CreateStampDirect(builder, kCacheFormat, path.c_str(), identity.device, identity.inode,
                                          identity.size_bytes, identity.mtime_ns, identity.ctime_ns, sha256.c_str()));
  write_record(record_path("stamps", path), payload_of(builder));
}

Result<std::string> CatalogCache::hash_file(const std::filesystem::path& file, const FileIdentity& identity) const {
  if (auto known = find_hash(file, identity)) {
    return std::move(*known);
  }
  // Checked before the content is read: any later change will show in the change time.
  const bool settled = has_settled(identity);
  auto hash = sha256_of_file(file);
  if (hash && settled) {
    keep_hash(file, identity, *hash);
  }
  return hash;
}

}  // namespace tenon::internal
