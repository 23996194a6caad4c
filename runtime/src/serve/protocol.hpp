/// The messages in the frames between daemon and clients (schemas/tenon/serve.fbs), checked before
/// they are used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tenon/serve_generated.h>
#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/pipeline.hpp>
#include <tenon/swap.hpp>

namespace tenon::internal {

/// The protocol of this release, and the oldest one that it still supports.
inline constexpr std::uint32_t kServeProtocol = 1;
inline constexpr std::uint32_t kServeProtocolMinimum = 1;

/// Returns the hello of this process. For `refusal` see Hello.
[[nodiscard]] serve::HelloT make_hello(std::string_view release, std::string refusal = {});
/// Returns why a daemon with the hello `own` does not serve a client with the hello `client`, as a
/// message for the user; empty if it serves the client. [any-thread]
[[nodiscard]] std::string refusal_of(const serve::HelloT& client, const serve::HelloT& own);
/// Checks whether a client with the hello `own` can talk to a daemon with the hello `daemon`.
/// Errors: kRejected with the daemon's refusal; kIncompatible with both versions and what to do.
/// [any-thread]
[[nodiscard]] Result<void> check_daemon(const serve::HelloT& daemon, const serve::HelloT& own);

/// Each returns a whole frame. The caller ensures that the arguments and results of one message
/// total at most kMaxPayloadBytes. Errors: kTooLarge above kMaxFrameBytes. [any-thread]
[[nodiscard]] Result<Buffer> pack(const serve::HelloT& hello);
[[nodiscard]] Result<Buffer> pack(const serve::RequestT& request);
[[nodiscard]] Result<Buffer> pack(const serve::AnswerT& answer);

/// Each returns the content of a frame, copied out of it. Errors: kCorrupt. A request or reply of a
/// later protocol has a body of type NONE. [any-thread]
[[nodiscard]] Result<serve::HelloT> read_hello(BytesView content);
[[nodiscard]] Result<serve::RequestT> read_request(BytesView content);
[[nodiscard]] Result<serve::AnswerT> read_answer(BytesView content);

/// Converts errors to messages and back. [any-thread]
[[nodiscard]] serve::FailureT to_failure(const Error& error, std::string hint = {});
[[nodiscard]] Error to_error(const serve::FailureT& failure);

/// Convert reports to messages and back. [any-thread]
[[nodiscard]] serve::StageT to_message(const StageReport& report);
[[nodiscard]] StageReport to_report(const serve::StageT& stage);
[[nodiscard]] serve::EventT to_message(const SwapEvent& event);

/// Returns a reply with this body. [any-thread]
template <typename Body>
[[nodiscard]] serve::AnswerT make_answer(std::uint64_t request, Body body) {
  serve::AnswerT answer;
  answer.number = request;
  answer.body.Set(std::move(body));
  return answer;
}

/// Returns the protocol versions of one side, as in "protocol 1 to 3". [any-thread]
[[nodiscard]] std::string protocols_text(const serve::HelloT& end);

}  // namespace tenon::internal
