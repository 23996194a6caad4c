#include "platform/shared_memory.hpp"

#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "child_process.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

SharedMemory memory_of(std::uint64_t size_bytes) {
  auto memory = SharedMemory::create("test", size_bytes);
  REQUIRE(memory);
  return std::move(*memory);
}

}  // namespace

TEST_CASE("SharedMemory: two mappings see each other's bytes, which begin as zeros") {
  const SharedMemory memory = memory_of(10'000);
  auto writer = memory.map(Access::kReadWrite);
  auto reader = memory.map(Access::kReadOnly);
  REQUIRE(writer);
  REQUIRE(reader);
  CHECK(reader->size_bytes() == 10'000);
  CHECK(reader->data()[9'999] == 0);
  writer->writable_data()[9'999] = 7;
  CHECK(reader->data()[9'999] == 7);
}

TEST_CASE("SharedMemory: sizes that cannot be are refused in words") {
  CHECK(SharedMemory::create("test", 0).error().code == ErrorCode::kInvalidArgument);
  CHECK(SharedMemory::create("test", std::numeric_limits<std::uint64_t>::max()).error().code == ErrorCode::kTooLarge);
  // Memory can be overcommitted, but a mapping cannot exceed the address space.
  auto huge = SharedMemory::create("test", std::uint64_t{1} << 60);
  if (huge) {
    CHECK(huge->map(Access::kReadOnly).error().code == ErrorCode::kOutOfMemory);
  }
  CHECK(Mapping::anonymous(0).error().code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(Mapping::anonymous(std::uint64_t{1} << 60));
}

TEST_CASE("SharedMemory: sealed after mapping, no other process can write it by any road") {
  const SharedMemory memory = memory_of(page_size_bytes() * 2);
  auto writer = memory.map(Access::kReadWrite);
  REQUIRE(writer);
  REQUIRE(memory.seal({.shrink = true, .grow = true, .future_write = true}));
  writer->writable_data()[0] = 'k';
  const CapturedRun run = run_child({"seals"}, {.executable = {}, .descriptors = {{memory.descriptor().get(), 3}}});
  CHECK(run.standard_output == "open: read:k\n");
}

TEST_CASE("SharedMemory: without seals the child finds the roads open, so the test above sees something") {
  const SharedMemory memory = memory_of(page_size_bytes() * 2);
  const CapturedRun run = run_child({"seals"}, {.executable = {}, .descriptors = {{memory.descriptor().get(), 3}}});
  CHECK(run.standard_output.find("map mprotect write truncate") != std::string::npos);
}

TEST_CASE("SharedMemory: a seal of the present refuses while a writable mapping exists") {
  const SharedMemory memory = memory_of(4096);
  {
    auto writer = memory.map(Access::kReadWrite);
    REQUIRE(writer);
    CHECK_FALSE(memory.seal({.write = true}));
  }
  REQUIRE(memory.seal({.write = true, .seal = true}));
  CHECK_FALSE(memory.seal({.grow = true}));
  CHECK_FALSE(memory.map(Access::kReadWrite));
  CHECK(memory.seals()->write);
  CHECK_FALSE(memory.seals()->shrink);
}

TEST_CASE("SharedMemory: copy_of holds the bytes, also none, and nobody can change them") {
  const std::string text = "content";
  auto copy = SharedMemory::copy_of("copy", BytesView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  REQUIRE(copy);
  CHECK(copy->size_bytes() == text.size());
  auto reader = copy->map(Access::kReadOnly);
  REQUIRE(reader);
  CHECK(std::string(reader->bytes().begin(), reader->bytes().end()) == text);
  CHECK_FALSE(copy->map(Access::kReadWrite));
  CHECK(SharedMemory::copy_of("empty", {})->size_bytes() == 1);
}

TEST_CASE("SharedMemory: adopt refuses what is not such memory, lacks seals or is empty") {
  const auto code = [](FileDescriptor descriptor, const Seals& required) {
    auto adopted = SharedMemory::adopt(std::move(descriptor), required);
    REQUIRE_FALSE(adopted);
    return adopted.error().code;
  };
  CHECK(code(FileDescriptor(), {}) == ErrorCode::kCorrupt);
  CHECK(code(FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)), {}) == ErrorCode::kCorrupt);
  CHECK(code(FileDescriptor(::open(child_executable().c_str(), O_RDONLY | O_CLOEXEC)), {}) == ErrorCode::kCorrupt);
  CHECK(code(FileDescriptor(::memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING)), {}) == ErrorCode::kCorrupt);
  const SharedMemory memory = memory_of(4096);
  CHECK(code(*memory.descriptor().duplicate(), {.shrink = true}) == ErrorCode::kCorrupt);
  REQUIRE(memory.seal({.shrink = true}));
  auto adopted = SharedMemory::adopt(*memory.descriptor().duplicate(), {.shrink = true});
  REQUIRE(adopted);
  CHECK(adopted->size_bytes() == 4096);
}

TEST_CASE("Mapping: discard gives pages back, and bad ranges do nothing") {
  auto mapping = Mapping::anonymous(page_size_bytes() * 4);
  REQUIRE(mapping);
  mapping->writable_data()[page_size_bytes()] = 1;
  mapping->discard(std::numeric_limits<std::uint64_t>::max(), 1);
  mapping->discard(0, std::numeric_limits<std::uint64_t>::max());
  CHECK(mapping->data()[page_size_bytes()] == 1);
  mapping->discard(0, page_size_bytes() * 4);
  CHECK(mapping->data()[page_size_bytes()] == 0);
  Mapping moved = std::move(*mapping);
  CHECK(moved.valid());
  CHECK_FALSE(mapping->valid());
}

TEST_CASE("SharedMemory: write copies bytes in without a mapping, until a seal forbids it") {
  auto memory = SharedMemory::create("test", 10'000);
  REQUIRE(memory);
  const tenon::Buffer bytes(5000, 3);
  REQUIRE(memory->write(4999, bytes));
  auto mapping = memory->map(Access::kReadWrite);
  REQUIRE(mapping);
  REQUIRE(mapping->data()[4998] == 0);
  REQUIRE(mapping->data()[4999] == 3);
  REQUIRE(mapping->data()[9998] == 3);
  REQUIRE(mapping->data()[9999] == 0);
  REQUIRE_FALSE(check_seals(memory->descriptor(), {.future_write = true}));
  REQUIRE(memory->seal({.grow = true, .future_write = true}));
  REQUIRE_FALSE(memory->write(0, bytes));
  REQUIRE(check_seals(memory->descriptor(), {.future_write = true}));
  REQUIRE_FALSE(check_seals(memory->descriptor(), {.shrink = true}));
  REQUIRE_FALSE(check_seals(FileDescriptor(), {}));
}

TEST_CASE("SharedMemory: commit_all takes the pages") {
  const SharedMemory memory = memory_of(1 << 20);
  CHECK(memory.commit_all());
}

TEST_CASE("SharedMemory: a mapping is left out of core files") {
  const SharedMemory memory = memory_of(1 << 20);
  const auto mapping = memory.map(Access::kReadWrite);
  REQUIRE(mapping);
  std::ostringstream begin;
  begin << std::hex << reinterpret_cast<std::uintptr_t>(mapping->data()) << '-';
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  while (std::getline(maps, line) && line.find(begin.str()) == std::string::npos) {
  }
  while (std::getline(maps, line) && !line.starts_with("VmFlags:")) {
  }
  CAPTURE(line);
  CHECK(line.find(" dd") != std::string::npos);
}
