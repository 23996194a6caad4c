/// What the frames between daemon and clients hold (schemas/tenon/serve.fbs), checked before it is used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tenon/serve_generated.h>
#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// The protocol of this release, and the oldest that it still speaks.
inline constexpr std::uint32_t kServeProtocol = 1;
inline constexpr std::uint32_t kServeProtocolMinimum = 1;

/// What this process says of itself. `refusal`: see Hello.
[[nodiscard]] serve::HelloT make_hello(std::string_view release, std::string refusal = {});
/// Why a daemon of `own` does not serve a client that said `client`, for its user; empty when it does. [any-thread]
[[nodiscard]] std::string refusal_of(const serve::HelloT& client, const serve::HelloT& own);
/// Whether a client of `own` can talk to the daemon that said `daemon`. Errors: kRejected with the daemon's refusal;
/// kIncompatible with both versions and what to do. [any-thread]
[[nodiscard]] Result<void> check_daemon(const serve::HelloT& daemon, const serve::HelloT& own);

/// Whole frames. Arguments and results of one message are together kMaxPayloadBytes at most; the caller has seen to it.
/// Errors: kTooLarge above kMaxFrameBytes. [any-thread]
[[nodiscard]] Result<Buffer> pack(const serve::HelloT& hello);
[[nodiscard]] Result<Buffer> pack(const serve::RequestT& request);
[[nodiscard]] Result<Buffer> pack(const serve::AnswerT& answer);

/// The content of a frame, copied out of it. Errors: kCorrupt. A request or answer of a later protocol has a body of
/// type NONE. [any-thread]
[[nodiscard]] Result<serve::HelloT> read_hello(BytesView content);
[[nodiscard]] Result<serve::RequestT> read_request(BytesView content);
[[nodiscard]] Result<serve::AnswerT> read_answer(BytesView content);

/// Errors as messages. [any-thread]
[[nodiscard]] serve::FailureT to_failure(const Error& error, std::string hint = {});
[[nodiscard]] Error to_error(const serve::FailureT& failure);

/// An answer around its body. [any-thread]
template <typename Body>
[[nodiscard]] serve::AnswerT make_answer(std::uint64_t request, Body body) {
  serve::AnswerT answer;
  answer.number = request;
  answer.body.Set(std::move(body));
  return answer;
}

/// "protocol 1 to 3" for the versions of an end. [any-thread]
[[nodiscard]] std::string protocols_text(const serve::HelloT& end);

}  // namespace tenon::internal
