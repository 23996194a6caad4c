#include "swap/host_records.hpp"

#include <array>
#include <cstdio>

#include "platform/environment.hpp"

namespace tenon::internal {

HostRecords::HostRecords(Store store, std::string instance, bool watches)
    : store_(std::move(store)), instance_(std::move(instance)), watches_(watches) {
  if (instance_.empty()) {
    program_ = executable_path().value_or(std::filesystem::path()).string();
  } else {
    store_.hosts().touch(instance_);
  }
}

std::string HostRecords::name(const std::filesystem::path& file) const {
  return instance_.empty() ? program_ + " with " + file.string() : instance_;
}

std::optional<ServiceRecord> HostRecords::find(const std::string& plugin, const std::filesystem::path& file) const {
  return store_.hosts().find(name(file), plugin);
}

std::vector<ServiceRecord> HostRecords::all() const {
  return restores() ? store_.hosts().of(instance_) : std::vector<ServiceRecord>();
}

void HostRecords::remember(ServiceRecord record, const std::filesystem::path& file) const {
  record.host = name(file);
  // Without a name, nothing is current again after a restart.
  static_cast<void>(store_.hosts().remember(
      record, restores() ? ServiceRecords::Durability::kPowerCut : ServiceRecords::Durability::kProcess));
}

Result<void> HostRecords::roll_back(const ServedVersion& version, const std::string& plugin,
                                    const std::filesystem::path& file, const std::string& reason) const {
  const std::string host = name(file);
  const Quarantine kept_away = store_.hosts().rolled_back(host);
  std::error_code ignored;  // The write reports it.
  std::filesystem::create_directory(kept_away.directory().parent_path(), ignored);
  return kept_away.add(version.sha256, reason, std::chrono::system_clock::now(), {plugin, version.version, host});
}

std::optional<QuarantineRecord> HostRecords::rolled_back(const std::string& sha256,
                                                         const std::filesystem::path& file) const {
  return store_.hosts().rolled_back(name(file)).find(sha256);
}

void HostRecords::let_in(const std::string& sha256, const std::filesystem::path& file) const {
  static_cast<void>(store_.hosts().rolled_back(name(file)).release(sha256));
}

std::string date_text(std::chrono::system_clock::time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d UTC", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

}  // namespace tenon::internal
