/// The storm's side of plugins/ledger.hpp: makes the file and counts what workers have marked. Not mapped here, so that
/// it is none of this process's memory.
#pragma once

#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "plugins/ledger.hpp"
#include "tenon_test/check.hpp"

namespace tenon::test {

class StormLedger {
 public:
  struct Marks {
    std::uint64_t ran = 0;      ///< Calls that ran, each counted once.
    std::uint64_t doubled = 0;  ///< How often one ran again.
    std::uint64_t beyond = 0;   ///< Calls that the file had no place for.
  };

  explicit StormLedger(std::filesystem::path path) : path_(std::move(path)) {
    TENON_CHECK(std::ofstream(path_).good());
    std::filesystem::resize_file(path_, sizeof(LedgerHeader) + kMostCalls / 8);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  [[nodiscard]] Marks read() const {
    std::ifstream file(path_, std::ios::binary);
    Marks marks;
    std::uint64_t header[2] = {};
    static_assert(sizeof header == sizeof(LedgerHeader));
    file.read(reinterpret_cast<char*>(header), sizeof header);
    TENON_CHECK(file.good());
    marks.doubled = header[0];
    marks.beyond = header[1];
    std::vector<std::uint64_t> words(std::size_t{1} << 16);
    // A sparse file: what was never marked reads as zeros.
    while (file) {
      file.read(reinterpret_cast<char*>(words.data()), static_cast<std::streamsize>(words.size() * 8));
      const auto count = static_cast<std::size_t>(file.gcount()) / 8;
      for (std::size_t i = 0; i < count; ++i) {
        marks.ran += static_cast<std::uint64_t>(std::popcount(words[i]));
      }
    }
    return marks;
  }

 private:
  static constexpr std::uint64_t kMostCalls = std::uint64_t{1} << 33;  // A GiB that takes no room until it is marked.
  std::filesystem::path path_;
};

}  // namespace tenon::test
