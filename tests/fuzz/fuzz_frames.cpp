// Reads a frame sequence as a hostile worker may write it.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "ipc/frames.hpp"
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint64_t> aligned(size / 8 + 3);
  auto* start = reinterpret_cast<std::uint8_t*>(aligned.data());
  start += (16 - reinterpret_cast<std::uintptr_t>(start) % 16) % 16;
  std::copy(data, data + size, start);
  const auto frames = tenon::internal::read_frames({start, size});
  if (!frames) {
    return 0;
  }
  for (const tenon::BytesView frame : *frames) {
    if (frame.data() < start || frame.data() + frame.size() > start + size) {
      std::abort();
    }
  }
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  const std::vector<std::uint8_t> small(5, 'a');
  const std::vector<std::uint8_t> large(100, 'b');
  const std::vector<tenon::BytesView> frames = {small, {}, large, small};
  std::string target(*tenon::internal::frames_size_bytes(frames) + 16, '\0');
  auto* start = reinterpret_cast<std::uint8_t*>(target.data());
  const std::size_t skip = (16 - reinterpret_cast<std::uintptr_t>(start) % 16) % 16;
  if (!tenon::internal::write_frames(frames, {start + skip, target.size() - 16})) {
    return {};
  }
  return {target.substr(skip, target.size() - 16)};
}
