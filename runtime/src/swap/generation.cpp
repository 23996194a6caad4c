#include "swap/generation.hpp"

#include <algorithm>
#include <vector>

namespace tenon::internal {

std::int64_t GenerationCounts::p99_ns() const {
  std::vector<std::int64_t> sorted(
      run_ns_.begin(), run_ns_.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(next_, run_ns_.size())));
  if (sorted.empty()) {
    return 0;
  }
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) * 99 / 100);
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

Generation::Generation(std::uint64_t generation_number, std::shared_ptr<const PluginInfo> plugin_info,
                       ServedFileRef served, std::chrono::milliseconds longest_load)
    : number(generation_number),
      plugin(std::move(plugin_info)),
      file(std::move(served)),
      has_libraries(file != nullptr && !file->libraries().empty()),
      load_limit(longest_load) {}

bool Generation::clashes_with(const Generation& other) const noexcept {
  if (!has_libraries || !other.has_libraries) {
    return false;
  }
  const auto& others = other.file->libraries();
  return std::any_of(file->libraries().begin(), file->libraries().end(), [&others](const ServedFile::Library& own) {
    return std::any_of(others.begin(), others.end(), [&own](const ServedFile::Library& its) {
      return its.info.name == own.info.name && its.info.sha256 != own.info.sha256;
    });
  });
}

ServedFileRef Generation::file_of(std::string_view sha256) const {
  if (file == nullptr || file->sha256() == sha256) {
    return file;
  }
  for (const ServedFile::Library& library : file->libraries()) {
    if (library.info.sha256 == sha256) {
      return library.file;
    }
  }
  return nullptr;
}

}  // namespace tenon::internal
