/// A directory for one test, which is removed with it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

namespace tenon::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::random_device random;
    // Sockets are created below it, and the system limits the length of their paths.
    constexpr std::size_t kLongestPlace = 50;
    std::filesystem::path place = std::filesystem::temp_directory_path();
    if (place.native().size() > kLongestPlace) {
      place = "/tmp";
    }
    for (;;) {
      path_ = place / ("tenon-test-" + std::to_string(random()) + std::to_string(random()));
      if (std::filesystem::create_directory(path_)) {
        return;
      }
    }
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Returns a path at which no file exists on any machine.
inline std::filesystem::path missing_path(std::string_view name = "missing") {
  static const TemporaryDirectory empty;
  return empty / name;
}

}  // namespace tenon::test
