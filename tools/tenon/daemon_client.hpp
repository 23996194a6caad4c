/// Shared by the commands that talk to a daemon.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tenon/serve_generated.h>

#include "serve/client.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/failure.hpp"

namespace tenon::cli {

/// The time limit for replies that need no work in the daemon.
inline constexpr std::chrono::seconds kDaemonPatience{10};

/// Adds --socket.
void add_socket_option(CommandLine& line, std::string& socket);

/// Returns the requested socket, else $TENON_SOCKET, else tenon.sock in $XDG_RUNTIME_DIR. Errors:
/// usage if none of them is set.
[[nodiscard]] Outcome<std::filesystem::path> socket_path(const World& world, const std::string& asked);

/// Converts an error reply: usage if the daemon does not know a name or cannot read the request,
/// failed otherwise.
[[nodiscard]] Failure answered_failure(const serve::FailureT& answer);

/// A connection to the daemon that stops waiting if the user interrupts.
class DaemonClient {
 public:
  /// Errors: failed without a daemon, with how to start one; bad configuration if the releases do
  /// not fit; usage.
  [[nodiscard]] static Outcome<DaemonClient> connect(const World& world, const std::string& asked_socket);

  /// Returns the hello of the daemon.
  [[nodiscard]] const serve::HelloT& daemon() const noexcept { return client_.daemon(); }

  /// `timeout`: how long the daemon may take for a request that runs a task; nullopt for no limit.
  [[nodiscard]] Outcome<std::uint64_t> send(serve::RequestBodyUnion body,
                                            std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  /// Returns the next reply of any kind. `patience`: nullopt for no limit. Errors: failed when it
  /// has passed, or if the daemon is gone (kUnavailable); interrupted.
  [[nodiscard]] Outcome<serve::AnswerT> receive(std::optional<std::chrono::milliseconds> patience);
  /// Like `receive`, but returns nullopt if the user interrupts.
  [[nodiscard]] Outcome<std::optional<serve::AnswerT>> receive_or_interrupt(
      std::optional<std::chrono::milliseconds> patience, int interrupts_seen = 0);

  /// Sends a request and returns its reply. Errors: also those that the daemon reports.
  template <typename Body>
  [[nodiscard]] Outcome<serve::AnswerBodyUnion> ask(Body body, std::optional<std::chrono::milliseconds> patience) {
    serve::RequestBodyUnion request;
    request.Set(std::move(body));
    return ask_any(std::move(request), patience);
  }

 private:
  DaemonClient(const World& world, internal::Client client) : world_(&world), client_(std::move(client)) {}
  Outcome<serve::AnswerBodyUnion> ask_any(serve::RequestBodyUnion request,
                                          std::optional<std::chrono::milliseconds> patience);

  const World* world_;
  internal::Client client_;
};

/// The failure for a reply of a type that the request does not have. [any-thread]
[[nodiscard]] tl::unexpected<Failure> unexpected_answer();

}  // namespace tenon::cli
