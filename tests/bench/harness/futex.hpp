/// Waits on a word until another process or thread changes it, with the least overhead that the
/// system allows.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace tenon::bench {

using Word = std::atomic<std::uint32_t>;

inline void sleep_while(Word& word, std::uint32_t value) {
  while (word.load() == value) {
    syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
  }
}

inline void set_and_wake(Word& word, std::uint32_t value) {
  word.store(value);
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace tenon::bench
