/// The socket on which `tenon dev` serves calls and commands, like a daemon.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "platform/thread.hpp"
#include "serve/runtime_system.hpp"
#include "serve/server.hpp"

namespace tenon::cli {

/// Serves on a separate thread, from `open` to destruction. Only one thread may use it at a time.
class DevSocket {
 public:
  /// `system` must outlive the socket. Errors: those of UnixListener::listen; kUnavailable if no
  /// descriptors or threads are left.
  [[nodiscard]] static Result<std::unique_ptr<DevSocket>> open(const std::filesystem::path& path,
                                                               internal::RuntimeSystem& system);
  DevSocket(const DevSocket&) = delete;
  DevSocket& operator=(const DevSocket&) = delete;
  /// Cancels the calls of clients, and removes the socket.
  ~DevSocket();

  /// Returns whether a client has requested a stop ('tenon stop').
  [[nodiscard]] bool asked_to_stop() const noexcept { return ended_.load(std::memory_order_acquire); }

 private:
  explicit DevSocket(std::unique_ptr<internal::Server> server) : server_(std::move(server)) {}
  std::unique_ptr<internal::Server> server_;
  std::atomic<bool> ended_{false};
  internal::Thread thread_;
};

/// Quotes `word` as one word of a shell. [any-thread]
[[nodiscard]] std::string in_shell(const std::string& word);

/// Returns the command that calls a task of the plugin on a socket, with an argument whose strings
/// are placeholders; empty if the plugin has no task. [any-thread]
[[nodiscard]] std::string example_call(const PluginInfo& plugin, const std::filesystem::path& socket);

}  // namespace tenon::cli
