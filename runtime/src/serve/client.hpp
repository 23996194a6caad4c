/// The client's side of a connection to a daemon.
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

/// Sends requests and receives replies. Move-only. Only one thread may use it at a time.
class Client {
 public:
  /// Connects and checks whether the versions of both sides fit. `release` is the release of this
  /// program. Errors: those of connect_unix; kIncompatible with both versions and what to do;
  /// kRejected if the daemon does not serve this user, or belongs to another user; kDeadline if it
  /// does not reply; kCorrupt if the listener is not a tenon daemon; kCancelled if a signal came.
  [[nodiscard]] static Result<Client> connect(const std::filesystem::path& path, std::string_view release,
                                              MonotonicNs deadline_ns);

  /// Returns the hello of the daemon.
  [[nodiscard]] const serve::HelloT& daemon() const noexcept { return daemon_; }

  /// Sends a request and returns its number, which its replies carry. Errors: kTooLarge;
  /// kUnavailable if the daemon is gone; kDeadline if it reads nothing; kIo.
  /// `timeout_ms`: how long the daemon may take for a request that runs a task; 0: no limit.
  [[nodiscard]] Result<std::uint64_t> send(serve::RequestBodyUnion body, MonotonicNs deadline_ns,
                                           std::uint64_t timeout_ms = 0);

  /// Returns the next reply, to any request; nullopt at the deadline, or if a signal came first.
  /// Errors: kUnavailable if the daemon has closed the connection; kCorrupt; kIo.
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
