/// The storm's side of plugins/ledger.hpp: creates the file and counts the marks of workers. The
/// file is not mapped here, so that it is not part of this process's memory.
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
    std::uint64_t doubled = 0;  ///< How often a call ran again.
    std::uint64_t beyond = 0;   ///< Calls whose number is beyond the file.
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
    // A sparse file: bits that were never marked read as zeros.
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
  // One GiB, which uses no space until it is marked.
  static constexpr std::uint64_t kMostCalls = std::uint64_t{1} << 33;
  std::filesystem::path path_;
};

}  // namespace tenon::test
