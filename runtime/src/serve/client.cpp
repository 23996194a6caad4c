#include "serve/client.hpp"

#include <array>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/unix_socket.hpp"
#include "platform/user.hpp"
#include "serve/protocol.hpp"

namespace tenon::internal {

Result<Client> Client::connect(const std::filesystem::path& path, std::string_view release, MonotonicNs deadline_ns) {
  const std::string name = "'" + printable(path.string(), 400) + "'";
  TENON_ASSIGN(auto socket, connect_unix(path, deadline_ns));
  TENON_ASSIGN(const auto peer, peer_credentials(socket));
  // In a directory that others may write to, such as /tmp, any user can own the socket: nothing is
  // sent to a socket of another user.
  const std::uint32_t own_user = current_user_id();
  if (peer.user_id != own_user && peer.user_id != 0 && own_user != 0) {
    return fail(ErrorCode::kRejected, "the socket " + name + " belongs to user " + std::to_string(peer.user_id) +
                                          " and not to you (user " + std::to_string(own_user) +
                                          "); start your own daemon");
  }
  Client client(std::move(socket));
  const serve::HelloT own = make_hello(release);
  TENON_ASSIGN(const auto frame, pack(own));
  // A daemon that refuses the client may already have closed the connection; its reply must still
  // be read.
  if (auto sent = client.send_all(frame, deadline_ns); !sent && sent.error().code != ErrorCode::kUnavailable) {
    return fail(std::move(sent.error()));
  }
  auto greeting = client.receive_frame(deadline_ns);
  if (!greeting) {
    if (greeting.error().code == ErrorCode::kCorrupt || greeting.error().code == ErrorCode::kTooLarge) {
      return fail(ErrorCode::kCorrupt, "what listens on " + name + " (process " + std::to_string(peer.process_id) +
                                           ") is not a tenon daemon: " + greeting.error().message);
    }
    return fail(std::move(greeting.error()));
  }
  if (!*greeting) {
    const bool late = remaining_ms(deadline_ns) == 0;
    return fail(late ? ErrorCode::kDeadline : ErrorCode::kCancelled,
                late ? "the daemon on " + name + " (process " + std::to_string(peer.process_id) +
                           ") does not reply; it is stopped or stuck"
                     : "interrupted");
  }
  auto hello = read_hello(**greeting);
  if (!hello) {
    return fail(ErrorCode::kCorrupt, "what listens on " + name + " (process " + std::to_string(peer.process_id) +
                                         ") is not a tenon daemon: " + hello.error().message);
  }
  TENON_TRY(check_daemon(*hello, own));
  client.daemon_ = std::move(*hello);
  return client;
}

Result<void> Client::send_all(BytesView bytes, MonotonicNs deadline_ns) {
  while (!bytes.empty()) {
    const auto sent = send_some(socket_, bytes);
    if (!sent) {
      return fail(sent.error().code == ErrorCode::kUnavailable
                      ? Error{ErrorCode::kUnavailable, "the daemon has closed the connection", {}}
                      : sent.error());
    }
    bytes = bytes.subspan(*sent);
    if (*sent == 0 && !wait_writable(socket_, deadline_ns) && remaining_ms(deadline_ns) == 0) {
      return fail(ErrorCode::kDeadline, "the daemon does not read its requests; it is stopped or stuck");
    }
  }
  return {};
}

Result<std::uint64_t> Client::send(serve::RequestBodyUnion body, MonotonicNs deadline_ns, std::uint64_t timeout_ms) {
  serve::RequestT request;
  request.number = next_number_++;
  request.body = std::move(body);
  request.timeout_ms = timeout_ms;
  TENON_ASSIGN(const auto frame, pack(request));
  TENON_TRY(send_all(frame, deadline_ns));
  return request.number;
}

Result<std::optional<Buffer>> Client::receive_frame(MonotonicNs deadline_ns) {
  while (frames_.empty()) {
    std::array<std::uint8_t, 65536> buffer;
    TENON_ASSIGN(const auto received, receive_some(socket_, buffer));
    if (received.ended) {
      return fail(ErrorCode::kUnavailable, "the daemon has closed the connection");
    }
    if (received.size_bytes == 0) {
      if (!wait_readable(socket_, deadline_ns)) {
        return std::optional<Buffer>();
      }
      continue;
    }
    BytesView input(buffer.data(), received.size_bytes);
    while (!input.empty()) {
      TENON_ASSIGN(auto frame, reader_.next(input));
      if (frame) {
        frames_.push_back(std::move(*frame));
      }
    }
  }
  Buffer first = std::move(frames_.front());
  frames_.pop_front();
  return std::optional(std::move(first));
}

Result<std::optional<serve::AnswerT>> Client::receive(MonotonicNs deadline_ns) {
  TENON_ASSIGN(const auto frame, receive_frame(deadline_ns));
  if (!frame) {
    return std::optional<serve::AnswerT>();
  }
  TENON_ASSIGN(auto answer, read_answer(*frame));
  return std::optional(std::move(answer));
}

}  // namespace tenon::internal
