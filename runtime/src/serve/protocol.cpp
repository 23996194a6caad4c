#include "serve/protocol.hpp"

#include <chrono>
#include <utility>

#include <flatbuffers/flatbuffers.h>

#include "base/text.hpp"
#include "platform/process.hpp"
#include "serve/frame.hpp"
#include "serve/unpacked_size.hpp"

namespace tenon::internal {
namespace {

// The largest number of tables in one message: a malicious message may refer to the same table many
// times.
constexpr std::uint32_t kMaxTables = 100'000;
// How much larger than its bytes a message may be after unpacking, for parts that it legitimately
// refers to more than once.
constexpr std::size_t kUnpackedSlackBytes = 4096;
constexpr std::uint32_t kMaxDepth = 16;

template <typename Table>
Result<Buffer> pack_table(const typename Table::NativeTableType& message) {
  flatbuffers::FlatBufferBuilder builder(1024);
  builder.Finish(Table::Pack(builder, &message));
  if (builder.GetSize() > kMaxFrameBytes) {
    return fail(ErrorCode::kTooLarge, "a message of " + format_size(builder.GetSize()) +
                                          " is too large for the socket, whose limit is " +
                                          format_size(kMaxFrameBytes) + "; pass large content as a file");
  }
  const auto header = frame_header(builder.GetSize());
  Buffer frame;
  frame.reserve(header.size() + builder.GetSize());
  frame.insert(frame.end(), header.begin(), header.end());
  frame.insert(frame.end(), builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  return frame;
}

template <typename Table>
Result<typename Table::NativeTableType> read_table(BytesView content, std::string_view what) {
  flatbuffers::Verifier verifier(content.data(), content.size(), kMaxDepth, kMaxTables);
  if (content.empty() || !verifier.VerifyBuffer<Table>(nullptr)) {
    return fail(ErrorCode::kCorrupt, std::string(what) + " on the socket does not verify");
  }
  const auto* const root = flatbuffers::GetRoot<Table>(content.data());
  if (!unpacks_within(reinterpret_cast<const std::uint8_t*>(root), *Table::MiniReflectTypeTable(),
                      content.size() + kUnpackedSlackBytes)) {
    return fail(
        ErrorCode::kCorrupt,
        std::string(what) + " on the socket unpacks to more than its own size: it refers to the same parts many times");
  }
  typename Table::NativeTableType message;
  root->UnPackTo(&message);
  return message;
}

/// A body type without a value, from a later protocol or a malicious peer, counts as no body.
template <typename Message>
Result<Message> without_empty_body(Result<Message> message) {
  if (message && message->body.value == nullptr) {
    message->body.Reset();
  }
  return message;
}

std::string release_of(const serve::HelloT& end) {
  return end.release.empty() ? "an unknown release" : "tenon " + printable(end.release, 40);
}

bool meet(const serve::HelloT& one, const serve::HelloT& other) noexcept {
  return one.protocol >= other.minimum && other.protocol >= one.minimum;
}

}  // namespace

std::string protocols_text(const serve::HelloT& end) {
  if (end.minimum >= end.protocol) {
    return "protocol " + std::to_string(end.protocol);
  }
  return "protocols " + std::to_string(end.minimum) + " to " + std::to_string(end.protocol);
}

serve::HelloT make_hello(std::string_view release, std::string refusal) {
  serve::HelloT hello;
  hello.protocol = kServeProtocol;
  hello.minimum = kServeProtocolMinimum;
  hello.release = release;
  hello.process_id = current_process_id();
  hello.refusal = std::move(refusal);
  return hello;
}

std::string refusal_of(const serve::HelloT& client, const serve::HelloT& own) {
  if (meet(client, own)) {
    return {};
  }
  const std::string both = "this client (" + release_of(client) + ") speaks " + protocols_text(client) +
                           ", the daemon (" + release_of(own) + ") " + protocols_text(own) + "; ";
  return both + (client.protocol < own.minimum
                     ? "the client is too old: use the 'tenon' of the daemon's release"
                     : "the daemon is too old: restart it with the client's release ('tenon stop', 'tenon serve')");
}

Result<void> check_daemon(const serve::HelloT& daemon, const serve::HelloT& own) {
  // A daemon that refuses for another reason may have any version.
  if (!meet(daemon, own)) {
    const std::string both = "the daemon (" + release_of(daemon) + ", process " + std::to_string(daemon.process_id) +
                             ") speaks " + protocols_text(daemon) + ", this client (" + release_of(own) + ") " +
                             protocols_text(own) + "; ";
    return fail(
        ErrorCode::kIncompatible,
        both + (daemon.protocol < own.minimum ? "the daemon is too old: restart it with this release ('kill " +
                                                    std::to_string(daemon.process_id) + "', 'tenon serve')"
                                              : "this client is too old: use the 'tenon' of the daemon's release"));
  }
  if (!daemon.refusal.empty()) {
    return fail(ErrorCode::kRejected, "the daemon refused the connection: " + printable(daemon.refusal, 1000));
  }
  return {};
}

Result<Buffer> pack(const serve::HelloT& hello) {
  return pack_table<serve::Hello>(hello);
}
Result<Buffer> pack(const serve::RequestT& request) {
  return pack_table<serve::Request>(request);
}
Result<Buffer> pack(const serve::AnswerT& answer) {
  return pack_table<serve::Answer>(answer);
}

Result<serve::HelloT> read_hello(BytesView content) {
  return read_table<serve::Hello>(content, "the first message");
}
Result<serve::RequestT> read_request(BytesView content) {
  return without_empty_body(read_table<serve::Request>(content, "a request"));
}
Result<serve::AnswerT> read_answer(BytesView content) {
  return without_empty_body(read_table<serve::Answer>(content, "an answer"));
}

serve::FailureT to_failure(const Error& error, std::string hint) {
  serve::FailureT failure;
  failure.code = static_cast<std::int32_t>(error.code);
  failure.message = error.message;
  failure.hint = std::move(hint);
  failure.task = error.context.task;
  failure.plugin = error.context.plugin;
  failure.call_id = error.context.call_id;
  failure.attempt = error.context.attempt;
  failure.os_code = error.context.os_code;
  failure.signal = error.context.signal;
  if (error.context.exit_code) {
    failure.exit_code = *error.context.exit_code;
  }
  failure.stderr_tail = error.context.stderr_tail;
  failure.stdout_tail = error.context.stdout_tail;
  return failure;
}

Error to_error(const serve::FailureT& failure) {
  Error error;
  const bool known = failure.code >= static_cast<std::int32_t>(ErrorCode::kFailed) &&
                     failure.code <= static_cast<std::int32_t>(ErrorCode::kInternal);
  error.code = known ? static_cast<ErrorCode>(failure.code) : ErrorCode::kFailed;
  error.message = failure.message;
  error.context.task = failure.task;
  error.context.plugin = failure.plugin;
  error.context.call_id = failure.call_id;
  error.context.attempt = failure.attempt;
  error.context.os_code = failure.os_code;
  error.context.signal = failure.signal;
  if (failure.exit_code) {
    error.context.exit_code = *failure.exit_code;
  }
  error.context.stderr_tail = failure.stderr_tail;
  error.context.stdout_tail = failure.stdout_tail;
  return error;
}

serve::StageT to_message(const StageReport& report) {
  serve::StageT stage;
  stage.name = report.name;
  stage.task = report.task;
  stage.kind = report.kind;
  stage.items_in = report.items_in;
  stage.items_out = report.items_out;
  stage.grouped = report.grouped;
  stage.failed = report.failed;
  stage.retried = report.retried;
  stage.dropped = report.dropped;
  stage.in_flight = report.in_flight;
  stage.queued = report.queued;
  stage.expected_items = report.expected_items;
  stage.ended = report.ended;
  stage.note = report.note;
  stage.busy_seconds = report.busy_seconds;
  return stage;
}

StageReport to_report(const serve::StageT& stage) {
  StageReport report;
  report.name = stage.name;
  report.task = stage.task;
  report.kind = stage.kind;
  report.items_in = stage.items_in;
  report.items_out = stage.items_out;
  report.grouped = stage.grouped;
  report.failed = stage.failed;
  report.retried = stage.retried;
  report.dropped = stage.dropped;
  report.in_flight = stage.in_flight;
  report.queued = stage.queued;
  report.expected_items = stage.expected_items;
  report.ended = stage.ended;
  report.note = stage.note;
  report.busy_seconds = stage.busy_seconds;
  return report;
}

serve::EventT to_message(const SwapEvent& event) {
  serve::EventT message;
  message.number = event.number;
  message.time_ms = std::chrono::duration_cast<std::chrono::milliseconds>(event.time.time_since_epoch()).count();
  message.kind = swap_event_name(event.kind);
  message.plugin = event.plugin;
  message.version = event.version;
  message.sha256 = event.sha256;
  message.generation = event.generation;
  message.message = event.message;
  return message;
}

}  // namespace tenon::internal
