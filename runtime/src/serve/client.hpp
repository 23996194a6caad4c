/// The client's end of a connection to a daemon.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string_view>

#include <tenon/serve_generated.h>
#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "platform/file_descriptor.hpp"
#include "serve/frame.hpp"

namespace tenon::internal {

/// Sends requests and receives answers. Move-only. One thread at a time.
class Client {
 public:
  /// Connects and finds out whether both ends fit. `release` is that of this program. Errors: those of connect_unix;
  /// kIncompatible with both versions and what to do; kRejected the daemon does not serve this user, or belongs to
  /// another one; kDeadline it does not answer; kCorrupt what listens there is no daemon of tenon; kCancelled a signal
  /// came.
  [[nodiscard]] static Result<Client> connect(const std::filesystem::path& path, std::string_view release,
                                              MonotonicNs deadline_ns);

  /// What the daemon said of itself.
  [[nodiscard]] const serve::HelloT& daemon() const noexcept { return daemon_; }

  /// Sends a request and gives its number, which is in its answers. Errors: kTooLarge; kUnavailable the daemon is gone;
  /// kDeadline it reads nothing; kIo.
  [[nodiscard]] Result<std::uint64_t> send(serve::RequestBodyUnion body, MonotonicNs deadline_ns);

  /// The next answer, to whichever request; nullopt at the deadline, or when a signal came first. Errors: kUnavailable
  /// the daemon has closed the connection; kCorrupt; kIo.
  [[nodiscard]] Result<std::optional<serve::AnswerT>> receive(MonotonicNs deadline_ns);

 private:
  explicit Client(FileDescriptor socket) noexcept : socket_(std::move(socket)) {}
  [[nodiscard]] Result<void> send_all(BytesView bytes, MonotonicNs deadline_ns);
  [[nodiscard]] Result<std::optional<Buffer>> receive_frame(MonotonicNs deadline_ns);

  FileDescriptor socket_;
  FrameReader reader_{kMaxFrameBytes};
  std::deque<Buffer> frames_;
  serve::HelloT daemon_;
  std::uint64_t next_number_ = 1;
};

}  // namespace tenon::internal
