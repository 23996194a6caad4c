// Ways to end a process or the thread that runs a task.
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "misbehave.hpp"

namespace tenon::chaos {
namespace {

std::uint64_t overflow_stack(std::uint64_t depth) {
  volatile char frame[4096];
  frame[depth % sizeof frame] = static_cast<char>(depth);
  return depth == ~std::uint64_t{0} ? 0 : overflow_stack(depth + 1) + static_cast<std::uint64_t>(frame[0]);
}

void throw_as_told() {
  throw std::runtime_error("thrown as told");
}

void throw_through_noexcept() noexcept {
  throw_as_told();
}

void read_beyond_file() {
  const int file = ::memfd_create("chaos", MFD_CLOEXEC);
  const void* memory = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0);
  static_cast<void>(*static_cast<const volatile char*>(memory));
}

void free_twice() {
  void (*volatile release)(void*) = ::free;
  void* memory = ::malloc(100);
  release(memory);
  release(memory);
  ::abort();  // Reached if the allocator does not detect it.
}

[[noreturn]] void exhaust_memory() {
  std::vector<std::vector<char>> taken;
  for (std::size_t i = 0; i < std::size_t{1} << 16; ++i) {
    taken.emplace_back().reserve(std::size_t{1} << 20);
  }
  throw std::runtime_error("64 GiB of memory were there");
}

[[noreturn]] void loop() {
  for (volatile std::uint64_t turns = 0;;) {
    turns = turns + 1;
  }
}

/// Starts a thread of the plugin that kills or stops the process long after the task has ended.
void end_later(Way way, std::uint64_t random) {
  std::thread([way, random] {
    std::this_thread::sleep_for(std::chrono::microseconds(random % 20'000));
    if (way == Way::kLateStop) {
      ::kill(::getpid(), SIGSTOP);
    } else if (random % 3 == 0) {
      ::_exit(0);
    } else {
      ::abort();
    }
  }).detach();
}

}  // namespace

bool die(Way way, const Culprit& culprit) {
  switch (way) {
    case Way::kSegfault:
      *reinterpret_cast<volatile int*>(culprit.random % 4096) = 1;
      return true;
    case Way::kAbort:
      ::abort();
    case Way::kExitZero:
      ::exit(0);
    case Way::kExitThree:
      ::exit(3);
    case Way::kQuickExit:
      ::_exit(7);
    case Way::kKillSelf:
      ::kill(::getpid(), SIGKILL);
      loop();
    case Way::kTerminateSelf:
      ::kill(::getpid(), SIGTERM);
      loop();
    case Way::kStackOverflow:
      static_cast<void>(overflow_stack(0));
      return true;
    case Way::kBusError:
      read_beyond_file();
      return true;
    case Way::kIllegalInstruction:
      __builtin_trap();
    case Way::kDoubleFree:
      free_twice();
      return true;
    case Way::kThrow:
      throw_as_told();
      return true;
    case Way::kThrowNoexcept:
      throw_through_noexcept();
      return true;
    case Way::kPthreadExit:
      ::pthread_exit(nullptr);
    case Way::kThreadExit:
      ::syscall(SYS_exit, 0);
      return true;
    case Way::kExhaustMemory:
      exhaust_memory();
    case Way::kStopSelf:
      ::kill(::getpid(), SIGSTOP);
      loop();  // SIGCONT does not end it.
    case Way::kBusy:
      loop();
    case Way::kLateDeath:
    case Way::kLateStop:
      culprit.ledger.mark(culprit.worker_id, kMarkDamaged, way);
      end_later(way, culprit.random);
      return true;
    default:
      return false;
  }
}

}  // namespace tenon::chaos
