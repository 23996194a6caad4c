/// The limits of the machine: one step for each file.
#pragma once

#include "harness/measure.hpp"

namespace tenon::bench {

/// Sends a word back and forth between two processes that both sleep: back to back, and with a
/// pause in between.
void futex_ping_pong(const Settings& settings);
/// Does the same between two processes that both poll continuously.
void spin_ping_pong(const Settings& settings);
/// Does the same through an eventfd, a pipe and a Unix socket.
void descriptor_ping_pong(const Settings& settings);
/// Sends messages of 64 bytes through a single-producer ring to another process and back.
void ring_round_trip(const Settings& settings);
/// memcpy in warm memory, and into shared memory that was never touched.
void memory_copy(const Settings& settings);
/// The time from posix_spawn until the child's first byte arrives.
void spawn_to_first_byte(const Settings& settings);
/// boost::asio::thread_pool in this process: post and wait.
void thread_pool(const Settings& settings);

}  // namespace tenon::bench
