/// The machine's own limits: one step per file.
#pragma once

#include "harness/measure.hpp"

namespace tenon::bench {

/// A word back and forth between two processes that both sleep: back to back, and with a pause in between.
void futex_ping_pong(const Settings& settings);
/// The same between two processes that both look all the time.
void spin_ping_pong(const Settings& settings);
/// The same by eventfd, pipe and Unix socket.
void descriptor_ping_pong(const Settings& settings);
/// Messages of 64 bytes through a single-producer ring to another process and back.
void ring_round_trip(const Settings& settings);
/// memcpy over warm memory, and into shared memory that was never touched.
void memory_copy(const Settings& settings);
/// posix_spawn until the child's first byte arrives.
void spawn_to_first_byte(const Settings& settings);
/// boost::asio::thread_pool in this process: post and wait.
void thread_pool(const Settings& settings);

}  // namespace tenon::bench
