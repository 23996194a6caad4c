/// A file with a bit for each sequence number, which workers set when they run the call. It detects
/// a call that runs twice even if only one of its results arrives.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace tenon::test {

/// At the start of the file; words of bits follow.
struct LedgerHeader {
  std::atomic<std::uint64_t> doubled;  ///< Calls that ran more than once.
  std::atomic<std::uint64_t> beyond;   ///< Calls whose number is beyond the file.
};

/// The mapped ledger. With an empty path it marks nothing.
class LedgerMarker {
 public:
  explicit LedgerMarker(const std::string& path) {
    if (path.empty()) {
      return;
    }
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct stat state {};
    if (file < 0 || ::fstat(file, &state) != 0 || static_cast<std::size_t>(state.st_size) <= sizeof(LedgerHeader)) {
      throw std::runtime_error("the ledger " + path + " cannot be used");
    }
    size_bytes_ = static_cast<std::size_t>(state.st_size);
    void* memory = ::mmap(nullptr, size_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (memory == MAP_FAILED) {
      throw std::runtime_error("the ledger " + path + " cannot be mapped");
    }
    header_ = static_cast<LedgerHeader*>(memory);
  }
  LedgerMarker(const LedgerMarker&) = delete;
  LedgerMarker& operator=(const LedgerMarker&) = delete;
  ~LedgerMarker() {
    if (header_ != nullptr) {
      ::munmap(header_, size_bytes_);
    }
  }

  /// Marks a call as run. 0 is never marked. Relaxed: the bits publish no other data.
  void mark(std::uint64_t sequence) {
    if (header_ == nullptr || sequence == 0) {
      return;
    }
    const std::uint64_t word = sequence / 64;
    if (sizeof(LedgerHeader) + (word + 1) * 8 > size_bytes_) {
      header_->beyond.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    auto* words = reinterpret_cast<std::atomic<std::uint64_t>*>(header_ + 1);
    const std::uint64_t bit = std::uint64_t{1} << (sequence % 64);
    if ((words[word].fetch_or(bit, std::memory_order_relaxed) & bit) != 0) {
      header_->doubled.fetch_add(1, std::memory_order_relaxed);
    }
  }

 private:
  LedgerHeader* header_ = nullptr;
  std::size_t size_bytes_ = 0;
};

}  // namespace tenon::test
