#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "limits/limits.hpp"
#include "tenon_test/check.hpp"

namespace tenon::bench {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = kKiB * kKiB;

struct Size {
  const char* name;
  std::size_t bytes;
};
constexpr Size kSizes[] = {
    {"4KiB", 4 * kKiB}, {"64KiB", 64 * kKiB}, {"1MiB", kMiB}, {"64MiB", 64 * kMiB}, {"256MiB", 256 * kMiB}};

constexpr Size kBandwidth = kSizes[3];

/// Keeps a copy that is never read from being optimised away.
void use(const void* memory) {
  asm volatile("" : : "r"(memory) : "memory");
}

/// Reports the times of copying `size`, and the resulting bandwidth.
void report_copies(const std::string& name, const Size& size, const std::vector<double>& samples) {
  report(name + "." + size.name, "us", samples);
  if (size.bytes == kBandwidth.bytes) {
    std::vector<double> gigabytes_per_second;
    for (const double sample : samples) {
      gigabytes_per_second.push_back(static_cast<double>(size.bytes) / sample / 1e3);
    }
    report(name + ".bandwidth", "GB/s", gigabytes_per_second);
  }
}

/// Returns how long it takes to copy into shared memory without any page present.
double copy_into_fresh(const std::vector<std::uint8_t>& from, std::size_t bytes) {
  const int descriptor = memfd_create("bench", MFD_CLOEXEC);
  TENON_CHECK(descriptor >= 0);
  TENON_CHECK(ftruncate(descriptor, static_cast<off_t>(bytes)) == 0);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  TENON_CHECK(memory != MAP_FAILED);
  const double took = time_once([&] {
    std::memcpy(memory, from.data(), bytes);
    use(memory);
  });
  munmap(memory, bytes);
  close(descriptor);
  return took;
}

}  // namespace

void memory_copy(const Settings& settings) {
  const std::vector<std::uint8_t> from(kSizes[std::size(kSizes) - 1].bytes, 1);
  std::vector<std::uint8_t> to(from.size(), 2);
  for (const Size& size : kSizes) {
    report_copies("limit.memcpy", size, time_each(settings.time() / 2, 3, 2'000, [&] {
                    std::memcpy(to.data(), from.data(), size.bytes);
                    use(to.data());
                  }));
  }
  std::vector<double> fresh;
  for (int sample = 0; sample < settings.pick(3, 1); ++sample) {
    fresh.push_back(copy_into_fresh(from, kBandwidth.bytes));
  }
  report_copies("limit.memcpy_fresh", kBandwidth, fresh);
}

}  // namespace tenon::bench
