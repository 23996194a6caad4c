#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <tenon/plugin.hpp>

#include "steps_generated.h"

namespace {

tenon::Offset<tenon::Number> twice(tenon::Call& call, const tenon::Number& argument, const steps::TwiceParams& params) {
  if (argument.value() == params.fail_at()) {
    call.fail(TENON_FAILED, "asked to fail at " + std::to_string(argument.value()));
  }
  if (argument.value() == params.crash_at()) {
    if (params.last_words() != nullptr) {
      std::printf("stdout: %s\n", params.last_words()->c_str());
      std::fprintf(stderr, "stderr: %s\n", params.last_words()->c_str());
    }
    std::abort();
  }
  return tenon::CreateNumber(call.builder(64), argument.value() * params.factor());
}

tenon::Offset<steps::Judged> judge(tenon::Call& call, const tenon::Number& argument) {
  const auto parity = argument.value() % 2 == 0 ? steps::Parity::even : steps::Parity::odd;
  auto& builder = call.builder(128);
  const auto name = builder.CreateString("n" + std::to_string(argument.value()));
  return steps::CreateJudged(builder, argument.value(), parity, name);
}

tenon::Offset<tenon::File> flicker(tenon::Call& call, const tenon::Number& argument) {
  constexpr std::size_t kContentBytes = 128 * 1024;  // More than the host copies at once.
  constexpr std::size_t kFlickerBytes = 96;          // The vtable and the fields.
  auto& builder = call.builder(kContentBytes + 4096);
  const std::vector<std::uint8_t> content(kContentBytes, 7);
  const auto content_offset = builder.CreateVector(content);
  const auto path = builder.CreateString("n" + std::to_string(argument.value()));
  const auto file =
      tenon::CreateFile(builder, path, 0, kContentBytes, 0, 0, tenon::FileKind::Regular, 0, content_offset);
  auto* const begin = reinterpret_cast<volatile std::uint32_t*>(builder.GetCurrentBufferPointer());
  // Only the last few results flicker: earlier ones have been released, and there must not be too
  // many threads.
  static std::atomic<std::uint32_t> latest{0};
  const std::uint32_t own = ++latest;
  std::thread([begin, own] {
    constexpr std::size_t kWords = kFlickerBytes / sizeof(std::uint32_t);
    std::array<std::uint32_t, kWords> right{};
    std::copy(begin, begin + kWords, right.begin());
    while (latest.load() - own < 4) {
      for (std::size_t i = 0; i < kWords; ++i) {
        begin[i] = 0x7fff'fff0U;
      }
      std::copy(right.begin(), right.end(), begin);
      // Correct for longer than wrong, so that some checks pass.
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }).detach();
  return file;
}

tenon::Offset<tenon::Number> attempt(tenon::Call& call, const tenon::Number&) {
  call.fail(TENON_FAILED, "attempt " + std::to_string(call.attempt()) + " of call " + std::to_string(call.id()));
}

tenon::SameAsArgument pass(tenon::Call&, const tenon::Any&) {
  return {};
}

}  // namespace

TENON_PLUGIN(steps) {
  plugin.task<twice>("twice");
  plugin.task<judge>("judge");
  plugin.task<flicker>("flicker");
  plugin.task<attempt>("attempt");
  plugin.task<pass>("pass");
}
