// Standard error and standard output that are not read.
#include <atomic>
#include <future>
#include <string>
#include <thread>

#include "base/guarded.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/text.hpp"
#include "tools/tenon/error_stream.hpp"
#include "tools/tenon/result_stream.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;
using tenon::test::has;

namespace {

/// A reader that does not read until it is released.
struct Reader {
  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();
  internal::Guarded<std::string> text;
  std::atomic<bool> fails{false};
};

std::function<Result<void>(std::string_view)> write_to(const std::shared_ptr<Reader>& reader) {
  return [reader](std::string_view text) -> Result<void> {
    reader->opened.wait();
    if (reader->fails) {
      return fail(ErrorCode::kIo, "No space left on device");
    }
    reader->text.lock()->append(text);
    return {};
  };
}

}  // namespace

TEST_CASE("ErrorStream: log lines do not wait for a reader, and those that do not fit are counted") {
  const auto reader = std::make_shared<Reader>();
  const std::atomic<int> interrupts{0};
  ErrorStream stream({.write = write_to(reader), .interrupts = &interrupts, .max_bytes = 1000});
  for (int i = 0; i < 1000; ++i) {
    stream.log("tenon: info: a line\n");
  }
  reader->gate.set_value();
  stream.write("the end\n");
  CHECK(stream.finish());
  const std::string text = reader->text.get();
  CHECK(text.size() < 2000);
  CHECK(has(text, " log lines were dropped because standard error was not read\n"));
  CHECK(has(text, "the end\n"));
}

TEST_CASE("ErrorStream: a failed write is told of once one succeeds, with the reason") {
  const auto reader = std::make_shared<Reader>();
  reader->gate.set_value();
  reader->fails = true;
  const std::atomic<int> interrupts{0};
  ErrorStream stream({.write = write_to(reader), .interrupts = &interrupts});
  stream.log("lost\n");
  stream.log("lost too\n");
  for (int i = 0; i < 6000 && !has(reader->text.get(), "2 log lines"); ++i) {
    std::this_thread::sleep_for(10ms);
    reader->fails = false;
    stream.log("kept\n");
  }
  CHECK(has(reader->text.get(), "could not be written: No space left on device"));
}

TEST_CASE("ErrorStream: the end is bounded though nobody reads, and no later write waits") {
  const auto reader = std::make_shared<Reader>();
  const std::atomic<int> interrupts{0};
  ErrorStream stream({.write = write_to(reader), .interrupts = &interrupts, .patience = 20ms});
  stream.log("a line\n");
  CHECK_FALSE(stream.flush(10ms));
  stream.write("an error\n");
  CHECK_FALSE(stream.finish());
  reader->gate.set_value();
}

TEST_CASE("ErrorStream: an interrupt ends a write that nobody reads") {
  const auto reader = std::make_shared<Reader>();
  std::atomic<int> interrupts{0};
  ErrorStream stream({.write = write_to(reader), .interrupts = &interrupts});
  std::thread user([&] {
    std::this_thread::sleep_for(50ms);
    ++interrupts;
  });
  stream.write("an error\n");
  user.join();
  CHECK_FALSE(stream.finish());
  reader->gate.set_value();
}

TEST_CASE("ResultStream: whole texts in order, and an error for what nobody reads") {
  const auto reader = std::make_shared<Reader>();
  World world;
  world.write_output = write_to(reader);
  ResultStream results(world, 100);
  CHECK(results.write(std::string(60, 'a')));
  const auto refused = results.write(std::string(60, 'b'));
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message, "standard output is not read"));
  reader->gate.set_value();
  CHECK(results.close(60s));
  CHECK(reader->text.get() == std::string(60, 'a'));
}

TEST_CASE("ResultStream: the first failure is told, and a reader that hangs is left") {
  const auto full = std::make_shared<Reader>();
  full->gate.set_value();
  full->fails = true;
  World world;
  world.write_output = write_to(full);
  ResultStream failing(world);
  CHECK(failing.write("text"));
  const auto failed = failing.close(60s);
  REQUIRE_FALSE(failed);
  CHECK(has(failed.error().message, "No space left"));

  const auto hangs = std::make_shared<Reader>();
  world.write_output = write_to(hangs);
  ResultStream stuck(world);
  CHECK(stuck.write("text"));
  const auto late = stuck.close(10ms);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::kDeadline);
  hangs->gate.set_value();
}
