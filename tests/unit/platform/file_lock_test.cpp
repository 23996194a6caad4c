#include "platform/file_lock.hpp"

#include <string>

#include "child_process.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

bool take(const FileLock& lock, std::uint64_t number, LockMode mode) {
  auto taken = lock.try_lock(number, mode);
  INFO((taken ? "" : taken.error().to_string()));
  REQUIRE(taken);
  return *taken;
}

/// Starts a child that holds the lock.
Process holder(const std::filesystem::path& file, std::uint64_t number, const char* mode) {
  auto child = Process::spawn({.executable = child_executable(),
                               .arguments = {"lock", file.string(), std::to_string(number), mode},
                               .standard_output = StreamMode::kPipe});
  REQUIRE(child);
  std::uint8_t line[5] = {};
  REQUIRE(read_some(child->standard_output(), line).value_or(0) == 5);
  REQUIRE(std::string(line, line + 5) == "held\n");
  return std::move(*child);
}

}  // namespace

TEST_CASE("FileLock: shared holders meet, an exclusive one is alone, each number for itself") {
  const TemporaryDirectory directory;
  auto one = FileLock::open(directory / "lock");
  auto two = FileLock::open(directory / "lock");
  REQUIRE((one && two));
  CHECK(take(*one, 5, LockMode::kShared));
  CHECK(take(*two, 5, LockMode::kShared));
  CHECK_FALSE(take(*one, 5, LockMode::kExclusive));
  CHECK(take(*one, 6, LockMode::kExclusive));
  CHECK(take(*one, FileLock::kLockCount - 1, LockMode::kExclusive));
  CHECK_FALSE(take(*two, 6, LockMode::kShared));
  two->unlock(5);
  two->unlock(5);
  CHECK(take(*one, 5, LockMode::kExclusive));
  CHECK_FALSE(take(*two, 5, LockMode::kShared));
  *one = std::move(*two);
  CHECK(take(*one, 6, LockMode::kExclusive));
  CHECK(one->try_lock(FileLock::kLockCount, LockMode::kShared).error().code == ErrorCode::kInternal);
}

TEST_CASE("FileLock: another process is kept out, and its own locks go with it when it is killed") {
  const TemporaryDirectory directory;
  auto lock = FileLock::open(directory / "lock");
  REQUIRE(lock);
  Process exclusive = holder(directory / "lock", 1, "exclusive");
  Process shared = holder(directory / "lock", 2, "shared");
  CHECK_FALSE(take(*lock, 1, LockMode::kShared));
  CHECK(take(*lock, 2, LockMode::kShared));
  CHECK_FALSE(take(*lock, 2, LockMode::kExclusive));
  for (Process* child : {&exclusive, &shared}) {
    child->kill();
    REQUIRE(child->wait(soon())->has_value());
  }
  CHECK(take(*lock, 1, LockMode::kExclusive));
  CHECK(take(*lock, 2, LockMode::kExclusive));
}

TEST_CASE("FileLock: a place that is not there, or a link, is an error") {
  const TemporaryDirectory directory;
  CHECK(FileLock::open(directory / "none" / "lock").error().code == ErrorCode::kNotFound);
  std::filesystem::create_symlink("target", directory / "link");
  CHECK_FALSE(FileLock::open(directory / "link"));
}
