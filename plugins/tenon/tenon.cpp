#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tenon/plugin.hpp>

#include "tenon_generated.h"

namespace {

namespace tasks = tenon::tasks;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// The state of each worker.
struct State {
  explicit State(const tenon::WorkerContext& context) : worker(context) {}
  const tenon::WorkerContext& worker;
  std::uint64_t calls = 0;
};

/// A wait so long that it never ends in practice; adding it to the current time does not overflow.
constexpr std::uint64_t kLongestWaitMs = 1000ull * 60 * 60 * 24 * 365;

tenon::SameAsArgument echo(tenon::Call&, const tenon::Bytes&) {
  return {};
}

tenon::Offset<tenon::Empty> discard(tenon::Call& call, const tenon::Any&) {
  return tenon::CreateEmpty(call.builder());
}

void rest(tenon::Call& call, std::uint64_t duration_ms) {
  constexpr milliseconds kSlice{2};
  const auto duration = milliseconds(std::min(duration_ms, kLongestWaitMs));
  const auto until = steady_clock::now() + duration;
  for (auto now = steady_clock::now(); now < until; now = steady_clock::now()) {
    call.check();
    std::this_thread::sleep_for(std::min<steady_clock::duration>(kSlice, until - now));
  }
  call.check();
}

tenon::Offset<tenon::Empty> sleep_for(tenon::Call& call, const tasks::Sleep& argument) {
  rest(call, argument.duration_ms());
  return tenon::CreateEmpty(call.builder());
}

[[noreturn]] void hang() {
  for (volatile bool on = true; on;) {
  }
  std::abort();
}

/// Kills the worker with SIGSEGV, even if a sanitizer handles the signal.
[[noreturn]] void segfault() {
  std::signal(SIGSEGV, SIG_DFL);
  std::raise(SIGSEGV);
  std::abort();
}

tenon::Offset<tenon::Empty> fail(tenon::Call& call, const tenon::Empty&, const tasks::FailParams& params) {
  if (params.succeed_on_attempt() != 0 && call.attempt() >= params.succeed_on_attempt()) {
    return tenon::CreateEmpty(call.builder());
  }
  const std::string message = params.message() != nullptr ? params.message()->str() : "tenon.fail was asked to fail";
  switch (params.mode()) {
    case tasks::FailMode::error:
      call.fail(params.code(), message);
    case tasks::FailMode::throws:
      throw std::runtime_error(message);
    case tasks::FailMode::abort:
      std::abort();
    case tasks::FailMode::segfault:
      segfault();
    case tasks::FailMode::exit:
      ::_exit(params.exit_code());
    case tasks::FailMode::hang:
      hang();
  }
  call.fail(TENON_INVALID_ARGUMENT, "mode " + std::to_string(static_cast<int>(params.mode())) + " is not known");
}

tenon::Source<tenon::Number> numbers(tenon::SourceContext& s, const tasks::Numbers& argument) {
  auto& at = s.state<tasks::NumbersPositionT>();
  const auto interval = milliseconds(argument.interval_ms());
  auto next_time = steady_clock::now() + interval;
  while (at.next < argument.count()) {
    while (argument.interval_ms() != 0 && steady_clock::now() < next_time) {
      co_await s.pause();
    }
    next_time += interval;
    if (at.next + 1 == argument.fail_at()) {
      s.fail(TENON_FAILED, "told to fail at number " + std::to_string(argument.fail_at()));
    }
    // Unsigned, because its overflow is defined: the numbers wrap around.
    const std::uint64_t value =
        static_cast<std::uint64_t>(argument.first()) + at.next * static_cast<std::uint64_t>(argument.step());
    ++at.next;
    s.progress(at.next, argument.count());
    co_yield tenon::CreateNumber(s.builder(64), static_cast<std::int64_t>(value));
  }
}

tenon::Reduce<tenon::Number> sum(tenon::ReduceContext<tenon::Number>& s) {
  auto& total = s.state<tenon::NumberT>();
  while (const tenon::Number* number = co_await s.next()) {
    if (__builtin_add_overflow(total.value, number->value(), &total.value)) {
      s.fail(TENON_TOO_LARGE, "the sum does not fit into 64 bits; it overflowed at number " +
                                  std::to_string(s.taken()) + ", " + std::to_string(number->value()));
    }
  }
  co_return tenon::CreateNumber(s.builder(64), total.value);
}

tenon::Reduce<tenon::Number> count(tenon::ReduceContext<tenon::Any>& s) {
  auto& total = s.state<tenon::NumberT>();
  while (co_await s.next() != nullptr) {
    ++total.value;
  }
  co_return tenon::CreateNumber(s.builder(64), total.value);
}

tenon::Offset<tasks::Nest> nest(tenon::Call& call, const tasks::Nest& argument) {
  std::uint32_t depth = 0;
  if (argument.depth() > 0) {
    tasks::NestT inner;
    inner.depth = argument.depth() - 1;
    depth = call.invoke<tasks::Nest>("tenon.nest", inner)->depth() + 1;
  }
  return tasks::CreateNest(call.builder(64), depth);
}

std::span<const std::uint8_t> view(const flatbuffers::Vector<std::uint8_t>* bytes) {
  return bytes == nullptr ? std::span<const std::uint8_t>() : std::span(bytes->data(), bytes->size());
}

tenon::Offset<tenon::Bytes> invoke(tenon::Call& call, const tasks::Invoke& argument) {
  // Byte vectors inside a table are aligned to 4, but the nested task may rely on 16.
  const tenon::internal::AlignedBytes nested(view(argument.argument()));
  const tenon::internal::AlignedBytes params(view(argument.params()));
  const auto result = call.invoke_bytes(argument.task()->str(), nested.span(),
                                        argument.params() == nullptr ? std::span<const std::uint8_t>() : params.span());
  auto& builder = call.builder(result.size() + 64);
  const auto data = builder.CreateVector(result.data(), result.size());
  return tenon::CreateBytes(builder, data);
}

using Chunk = std::unique_ptr<std::uint8_t[], std::function<void(std::uint8_t*)>>;

tenon::Offset<tenon::Number> allocate(tenon::Call& call, const tasks::Allocate& argument) {
  constexpr std::uint64_t kChunkBytes = 1u << 20;
  const auto take = [&](std::uint64_t size_bytes) -> Chunk {
    if (!argument.shared()) {
      return {new std::uint8_t[size_bytes], [](std::uint8_t* bytes) { delete[] bytes; }};
    }
    void* bytes = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
      throw std::bad_alloc();
    }
    return {static_cast<std::uint8_t*>(bytes), [size_bytes](std::uint8_t* mapped) { ::munmap(mapped, size_bytes); }};
  };
  std::vector<Chunk> chunks;
  for (std::uint64_t taken = 0; taken < argument.size_bytes(); taken += kChunkBytes) {
    call.check();
    const std::uint64_t size_bytes = std::min(kChunkBytes, argument.size_bytes() - taken);
    chunks.push_back(take(size_bytes));
    // Random enough that no kernel merges or compresses the pages; volatile prevents the compiler
    // from removing the writes.
    volatile std::uint8_t* bytes = chunks.back().get();
    for (std::uint64_t at = 0; at < size_bytes; at += 512) {
      bytes[at] = static_cast<std::uint8_t>(at * 131 + taken);
    }
  }
  rest(call, argument.hold_ms());
  return tenon::CreateNumber(call.builder(64), static_cast<std::int64_t>(argument.size_bytes()));
}

tenon::Offset<tasks::Worker> whoami(tenon::Call& call, const tenon::Empty&) {
  auto& state = call.state<State>();
  return tasks::CreateWorker(call.builder(64), ::getpid(), state.worker.id(), ++state.calls);
}

}  // namespace

TENON_PLUGIN(tenon) {
  plugin.state<State>();
  plugin.task<echo>("echo");
  plugin.task<discard>("discard");
  plugin.task<sleep_for>("sleep");
  plugin.task<fail>("fail");
  plugin.task<numbers>("numbers");
  plugin.task<sum>("sum");
  plugin.task<count>("count");
  plugin.task<nest>("nest");
  plugin.task<invoke>("invoke");
  plugin.task<allocate>("allocate");
  plugin.task<whoami>("whoami");
}
