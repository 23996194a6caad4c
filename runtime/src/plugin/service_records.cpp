#include "plugin/service_records.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>

#include <flatbuffers/flatbuffers.h>

#include <tenon/store_generated.h>

#include "base/text.hpp"
#include "platform/file.hpp"
#include "plugin/file_hash.hpp"
#include "schema/plugin_name.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxRecordBytes = std::uint64_t{1} << 20;
constexpr std::chrono::hours kKeepHosts{24 * 92};
/// A temporary file of this age has no writer any more.
constexpr std::chrono::minutes kLeftBehind{1};
constexpr std::string_view kRecordSuffix = ".plugin";
constexpr const char* kRolledBack = "rolled_back";

std::unique_ptr<store::VersionT> to_message(const ServedVersion& version) {
  auto message = std::make_unique<store::VersionT>();
  message->sha256 = version.sha256;
  message->version = version.version;
  message->source = version.source.string();
  return message;
}

ServedVersion from_message(const store::VersionT& message) {
  return {message.sha256, message.version, message.source};
}

std::optional<ServiceRecord> read_record(const fs::path& file) {
  const auto content = read_file(file, kMaxRecordBytes);
  if (!content) {
    return std::nullopt;
  }
  flatbuffers::Verifier verifier(content->data(), content->size());
  if (content->size() < 8 || !store::ServiceRecordBufferHasIdentifier(content->data()) ||
      !store::VerifyServiceRecordBuffer(verifier)) {
    return std::nullopt;
  }
  store::ServiceRecordT message;
  store::GetServiceRecord(content->data())->UnPackTo(&message);
  ServiceRecord record;
  record.host = message.host;
  record.plugin = message.plugin;
  record.current = from_message(*message.current);
  record.why = message.why;
  record.since = std::chrono::system_clock::time_point(std::chrono::milliseconds(message.since_ms));
  record.forced = message.forced;
  record.file = message.file;
  record.file_sha256 = message.file_sha256;
  for (const auto& version : message.past) {
    record.past.push_back(from_message(*version));
    if (!is_sha256(record.past.back().sha256)) {
      return std::nullopt;
    }
  }
  if (!is_sha256(record.current.sha256) || !is_plugin_name(record.plugin)) {
    return std::nullopt;
  }
  return record;
}

/// Calls `function` with each entry of a directory that can be read.
template <typename Function>
void for_each_entry(const fs::path& directory, Function function) {
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) {
    function(it->path());
  }
}

}  // namespace

fs::path ServiceRecords::place_of(const std::string& host) const {
  return directory_ / sha256_of_bytes({reinterpret_cast<const std::uint8_t*>(host.data()), host.size()});
}

Result<void> ServiceRecords::remember(const ServiceRecord& record, Durability durability) const {
  if (!is_sha256(record.current.sha256) || !is_plugin_name(record.plugin)) {
    return fail(ErrorCode::kInvalidArgument, "cannot remember what is served of '" + printable(record.plugin, 80) +
                                                 "': '" + printable(record.current.sha256, 80) + "' is not a SHA-256");
  }
  if (auto known = find(record.host, record.plugin)) {
    known->since = record.since;
    if (*known == record) {
      return {};
    }
  }
  store::ServiceRecordT message;
  message.host = record.host;
  message.plugin = record.plugin;
  message.current = to_message(record.current);
  message.why = record.why;
  message.since_ms = std::chrono::duration_cast<std::chrono::milliseconds>(record.since.time_since_epoch()).count();
  message.forced = record.forced;
  message.file = record.file.string();
  message.file_sha256 = record.file_sha256;
  for (const ServedVersion& version : record.past) {
    message.past.push_back(to_message(version));
  }
  flatbuffers::FlatBufferBuilder builder;
  store::FinishServiceRecordBuffer(builder, store::ServiceRecord::Pack(builder, &message));
  const fs::path place = place_of(record.host);
  std::error_code ignored;  // The write reports it.
  fs::create_directory(place, ignored);
  auto written = write_file(place / (record.plugin + std::string(kRecordSuffix)),
                            BytesView(builder.GetBufferPointer(), builder.GetSize()),
                            {.mode = 0600, .sync = durability == Durability::kPowerCut});
  if (!written) {
    written.error().message =
        "cannot remember what is served of '" + record.plugin + "': " + std::move(written.error().message);
  }
  return written;
}

std::optional<ServiceRecord> ServiceRecords::find(const std::string& host, const std::string& plugin) const {
  if (!is_plugin_name(plugin)) {
    return std::nullopt;
  }
  auto record = read_record(place_of(host) / (plugin + std::string(kRecordSuffix)));
  return record && record->host == host && record->plugin == plugin ? std::move(record) : std::nullopt;
}

std::vector<ServiceRecord> ServiceRecords::of(const std::string& host) const {
  std::map<std::string, ServiceRecord> records;
  for_each_entry(place_of(host), [&](const fs::path& file) {
    if (auto record = read_record(file); record && record->host == host) {
      records.insert_or_assign(record->plugin, std::move(*record));
    }
  });
  std::vector<ServiceRecord> sorted;
  for (auto& [plugin, record] : records) {
    sorted.push_back(std::move(record));
  }
  return sorted;
}

std::set<std::string> ServiceRecords::needed() const {
  std::set<std::string> contents;
  for_each_entry(directory_, [&](const fs::path& host) {
    for_each_entry(host, [&](const fs::path& file) {
      if (auto record = read_record(file)) {
        contents.insert(record->current.sha256);
        if (!record->past.empty()) {
          contents.insert(record->past.back().sha256);
        }
      }
    });
  });
  return contents;
}

Quarantine ServiceRecords::rolled_back(const std::string& host) const {
  return {place_of(host) / kRolledBack, max_rolled_back_};
}

std::vector<Quarantine> ServiceRecords::all_rolled_back() const {
  std::vector<Quarantine> all;
  for_each_entry(directory_, [&](const fs::path& host) { all.emplace_back(host / kRolledBack, max_rolled_back_); });
  return all;
}

void ServiceRecords::touch(const std::string& host) const {
  std::error_code ignored;
  fs::last_write_time(place_of(host), fs::file_time_type::clock::now(), ignored);
}

void ServiceRecords::sweep() const {
  const auto older = [](const fs::path& path, std::chrono::seconds age) {
    std::error_code failed;
    const auto time = fs::last_write_time(path, failed);
    return !failed && fs::file_time_type::clock::now() - time > age;
  };
  for_each_entry(directory_, [&](const fs::path& host) {
    std::error_code ignored;
    if (older(host, kKeepHosts)) {
      fs::remove_all(host, ignored);
      return;
    }
    for_each_entry(host, [&](const fs::path& file) {
      if (file.extension() != kRecordSuffix && file.filename() != kRolledBack && older(file, kLeftBehind)) {
        fs::remove(file, ignored);
      }
    });
    Quarantine(host / kRolledBack, max_rolled_back_).sweep();
  });
}

}  // namespace tenon::internal
