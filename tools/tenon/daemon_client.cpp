#include "tools/tenon/daemon_client.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "base/try.hpp"
#include "serve/protocol.hpp"
#include "tools/tenon/version.hpp"

namespace tenon::cli {
namespace {

constexpr std::chrono::seconds kConnectPatience(5);
// The longest delay before an interrupt that came just before a wait is noticed.
constexpr std::chrono::milliseconds kPollInterval(100);

Failure connect_failure(Error error, const std::filesystem::path& path) {
  const std::string name = internal::printable(path.string(), 400);
  switch (error.code) {
    case ErrorCode::kNotFound:
    case ErrorCode::kUnavailable: {
      std::string message = "no daemon listens on '" + name + "'";
      message += error.code == ErrorCode::kUnavailable ? "; a daemon that died left the socket behind" : "";
      return {ExitCode::kFailed,
              Error{error.code, std::move(message), error.context},
              "start one: tenon serve [FILE...] --socket " + name,
              {}};
    }
    case ErrorCode::kIncompatible:
      return {ExitCode::kBadConfiguration, std::move(error), {}, {}};
    case ErrorCode::kTooLarge:
    case ErrorCode::kInvalidArgument:
      return {ExitCode::kUsage, std::move(error), {}, {}};
    case ErrorCode::kCancelled:
      return {ExitCode::kInterrupted, std::move(error), {}, {}};
    default:
      return {ExitCode::kFailed, std::move(error), {}, {}};
  }
}

tl::unexpected<Failure> interrupted() {
  return failure(ExitCode::kInterrupted, Error{ErrorCode::kCancelled, "interrupted", {}});
}

}  // namespace

void add_socket_option(CommandLine& line, std::string& socket) {
  line.add("--socket", socket, "Socket of the daemon; default: $TENON_SOCKET, or tenon.sock in $XDG_RUNTIME_DIR")
      .type_name("PATH");
}

Outcome<std::filesystem::path> socket_path(const World& world, const std::string& asked) {
  if (!asked.empty()) {
    return std::filesystem::path(asked);
  }
  if (const auto named = world.variable("TENON_SOCKET"); named && !named->empty()) {
    return std::filesystem::path(*named);
  }
  if (const auto directory = world.variable("XDG_RUNTIME_DIR"); directory && directory->starts_with('/')) {
    return std::filesystem::path(*directory) / "tenon.sock";
  }
  return usage_failure("the socket of the daemon is not known",
                       "give --socket PATH, or set TENON_SOCKET or XDG_RUNTIME_DIR");
}

Failure answered_failure(const serve::FailureT& answer) {
  Error error = internal::to_error(answer);
  const bool usage = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kInvalidArgument;
  return {usage ? ExitCode::kUsage : ExitCode::kFailed, std::move(error), answer.hint, {}};
}

tl::unexpected<Failure> unexpected_answer() {
  return failure(ExitCode::kFailed,
                 Error{ErrorCode::kCorrupt, "the daemon's reply does not fit this request; restart the daemon", {}});
}

Outcome<DaemonClient> DaemonClient::connect(const World& world, const std::string& asked_socket) {
  TENON_ASSIGN(auto path, socket_path(world, asked_socket));
  auto client = internal::Client::connect(path, kVersion, internal::deadline_after(kConnectPatience));
  if (!client) {
    return tl::unexpected<Failure>(connect_failure(std::move(client.error()), path));
  }
  return DaemonClient(world, std::move(*client));
}

Outcome<std::uint64_t> DaemonClient::send(serve::RequestBodyUnion body,
                                          std::optional<std::chrono::milliseconds> timeout) {
  // 0 means no limit.
  const std::uint64_t timeout_ms =
      timeout ? static_cast<std::uint64_t>(std::max<std::int64_t>(timeout->count(), 1)) : 0;
  auto number = client_.send(std::move(body), internal::deadline_after(kDaemonPatience), timeout_ms);
  if (!number) {
    return failure(ExitCode::kFailed, std::move(number.error()));
  }
  return *number;
}

Outcome<std::optional<serve::AnswerT>> DaemonClient::receive_or_interrupt(
    std::optional<std::chrono::milliseconds> patience, int interrupts_seen) {
  const internal::MonotonicNs deadline = patience ? internal::deadline_after(*patience) : internal::kNever;
  for (;;) {
    auto answer = client_.receive(std::min(deadline, internal::deadline_after(kPollInterval)));
    if (!answer) {
      return failure(ExitCode::kFailed, std::move(answer.error()));
    }
    if (*answer) {
      return std::move(*answer);
    }
    if (world_->interrupts->load(std::memory_order_relaxed) > interrupts_seen) {
      return std::optional<serve::AnswerT>();
    }
    if (internal::monotonic_now_ns() >= deadline) {
      return failure(ExitCode::kFailed, Error{ErrorCode::kDeadline,
                                              "the daemon (process " + std::to_string(daemon().process_id) +
                                                  ") does not reply in time; it is stopped, stuck or very busy",
                                              {}});
    }
  }
}

Outcome<serve::AnswerT> DaemonClient::receive(std::optional<std::chrono::milliseconds> patience) {
  TENON_ASSIGN(auto answer, receive_or_interrupt(patience));
  if (!answer) {
    return interrupted();
  }
  return std::move(*answer);
}

Outcome<serve::AnswerBodyUnion> DaemonClient::ask_any(serve::RequestBodyUnion request,
                                                      std::optional<std::chrono::milliseconds> patience) {
  TENON_TRY(send(std::move(request)));
  TENON_ASSIGN(auto answer, receive(patience));
  if (const serve::FailureT* const failed = answer.body.AsFailure()) {
    return tl::unexpected<Failure>(answered_failure(*failed));
  }
  return std::move(answer.body);
}

}  // namespace tenon::cli
