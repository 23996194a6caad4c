// How a task damages the memory that its worker shares with the host.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "misbehave.hpp"

namespace tenon::chaos {
namespace {

struct Mapping {
  std::uint8_t* first = nullptr;
  std::size_t size_bytes = 0;
  bool writable = false;
};

/// Returns the mappings of memfds: rings, arenas and large blocks.
std::vector<Mapping> shared_mappings() {
  std::vector<Mapping> found;
  std::FILE* file = std::fopen("/proc/self/maps", "re");
  if (file == nullptr) {
    return found;
  }
  char line[512];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long first = 0;
    unsigned long end = 0;
    char rights[8] = {};
    if (std::strstr(line, "/memfd:") != nullptr && std::sscanf(line, "%lx-%lx %7s", &first, &end, rights) == 3) {
      found.push_back({reinterpret_cast<std::uint8_t*>(first), end - first, rights[1] == 'w'});
    }
  }
  std::fclose(file);
  return found;
}

std::uint64_t strange_value(std::uint64_t now, std::uint64_t random) {
  switch (random % 7) {
    case 0:
      return 0;
    case 1:
      return ~std::uint64_t{0};
    case 2:
      return now + 1;
    case 3:
      return now - 1;
    case 4:
      return now ^ (std::uint64_t{1} << (random / 8 % 64));
    case 5:
      return now + random / 8 % 1000;
    default:
      return random;
  }
}

void write_somewhere(std::uint64_t random) {
  std::vector<Mapping> mappings = shared_mappings();
  // The kernel must refuse write access to read-only memory. If it does not, that memory is
  // overwritten too.
  for (Mapping& mapping : mappings) {
    if (!mapping.writable) {
      mapping.writable = ::mprotect(mapping.first, mapping.size_bytes, PROT_READ | PROT_WRITE) == 0;
    }
  }
  std::erase_if(mappings, [](const Mapping& mapping) { return !mapping.writable; });
  if (mappings.empty()) {
    return;
  }
  const std::uint64_t writes = random % 32 + 1;
  for (std::uint64_t i = 0; i < writes; ++i) {
    random = scatter(random + i);
    const Mapping& mapping = mappings[random % mappings.size()];
    // Counters and slots are at the front.
    const std::size_t reach =
        random / 64 % 4 != 0 ? std::min<std::size_t>(mapping.size_bytes, 4096) : mapping.size_bytes;
    auto* place = reinterpret_cast<volatile std::uint64_t*>(mapping.first + scatter(random) % (reach / 8) * 8);
    *place = strange_value(*place, scatter(random + 1));
  }
}

}  // namespace

bool scribble(Way way, const Culprit& culprit) {
  switch (way) {
    case Way::kScribble:
    case Way::kScribbleDie:
      culprit.ledger.mark(culprit.worker_id, kMarkDamaged | kMarkScribbled, way);
      write_somewhere(culprit.random);
      if (way == Way::kScribbleDie) {
        ::abort();
      }
      return true;
    case Way::kUnmap: {
      culprit.ledger.mark(culprit.worker_id, kMarkDamaged, way);
      const std::vector<Mapping> mappings = shared_mappings();
      if (!mappings.empty()) {
        const Mapping& mapping = mappings[culprit.random % mappings.size()];
        ::munmap(mapping.first, mapping.size_bytes);
      }
      return true;
    }
    default:
      return false;
  }
}

}  // namespace tenon::chaos
