/// What the commands that talk to a daemon share.
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

/// How long a daemon may take for what it knows by heart.
inline constexpr std::chrono::seconds kDaemonPatience{10};

/// Adds --socket.
void add_socket_option(CommandLine& line, std::string& socket);

/// The socket that was asked for, else $TENON_SOCKET, else tenon.sock in $XDG_RUNTIME_DIR. Errors: usage when there is
/// none of them.
[[nodiscard]] Outcome<std::filesystem::path> socket_path(const World& world, const std::string& asked);

/// An answer that is an error: usage for what the daemon does not know by that name or does not understand, failed
/// otherwise.
[[nodiscard]] Failure answered_failure(const serve::FailureT& answer);

/// A connection to the daemon that stops waiting when the user interrupts.
class DaemonClient {
 public:
  /// Errors: failed without a daemon, with how to start one; bad configuration when the releases do not fit; usage.
  [[nodiscard]] static Outcome<DaemonClient> connect(const World& world, const std::string& asked_socket);

  /// What the daemon said of itself.
  [[nodiscard]] const serve::HelloT& daemon() const noexcept { return client_.daemon(); }

  [[nodiscard]] Outcome<std::uint64_t> send(serve::RequestBodyUnion body);
  /// The next answer, whatever it is. `patience`: nullopt for as long as it takes. Errors: failed at its end, or when
  /// the daemon has gone (kUnavailable); interrupted.
  [[nodiscard]] Outcome<serve::AnswerT> receive(std::optional<std::chrono::milliseconds> patience);
  /// The same, but an interrupt gives nullopt.
  [[nodiscard]] Outcome<std::optional<serve::AnswerT>> receive_or_interrupt(
      std::optional<std::chrono::milliseconds> patience, int interrupts_seen = 0);

  /// Sends a request and gives its answer. Errors: also those that the daemon answers.
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

/// For an answer that is of none of the types that the request has. [any-thread]
[[nodiscard]] tl::unexpected<Failure> unexpected_answer();

}  // namespace tenon::cli
