#include "serve/protocol.hpp"

#include <random>
#include <string>

#include "serve/frame.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/text.hpp"

using namespace tenon;
using namespace tenon::internal;
using tenon::test::has;

namespace {

/// Copies the content into separate memory, aligned as in a reader.
Buffer content(const Result<Buffer>& frame) {
  REQUIRE(frame);
  return Buffer(frame->begin() + kFrameHeaderBytes, frame->end());
}

serve::HelloT speaks(std::uint32_t minimum, std::uint32_t protocol, std::string release) {
  serve::HelloT hello;
  hello.minimum = minimum;
  hello.protocol = protocol;
  hello.release = std::move(release);
  hello.process_id = 77;
  return hello;
}

}  // namespace

TEST_CASE("protocol: a greeting goes there and back") {
  const auto read = read_hello(content(pack(make_hello("1.2.3", "no"))));
  REQUIRE(read);
  CHECK(read->protocol == kServeProtocol);
  CHECK(read->release == "1.2.3");
  CHECK(read->refusal == "no");
  CHECK(read->process_id > 0);
}

TEST_CASE("protocol: versions that meet are served, others are told both and what to do") {
  const serve::HelloT own = speaks(2, 4, "2.0");
  CHECK(refusal_of(speaks(1, 2, "1.0"), own).empty());
  CHECK(refusal_of(speaks(4, 9, "3.0"), own).empty());
  CHECK(check_daemon(speaks(1, 2, "1.0"), own));

  const std::string old_client = refusal_of(speaks(0, 0, ""), own);
  CHECK(has(old_client, "protocol 0"));
  CHECK(has(old_client, "protocols 2 to 4"));
  CHECK(has(old_client, "client is too old"));
  CHECK(has(refusal_of(speaks(5, 6, "9.0"), own), "daemon is too old: restart it"));

  const auto old_daemon = check_daemon(speaks(1, 1, "1.0"), own);
  REQUIRE_FALSE(old_daemon);
  CHECK(old_daemon.error().code == ErrorCode::kIncompatible);
  CHECK(has(old_daemon.error().message, "tenon 1.0"));
  CHECK(has(old_daemon.error().message, "tenon 2.0"));
  CHECK(has(old_daemon.error().message, "kill 77"));
  CHECK(has(check_daemon(speaks(5, 5, "9.0"), own).error().message, "this client is too old"));

  serve::HelloT refusing = speaks(2, 4, "2.0");
  refusing.refusal = "it is full";
  CHECK(check_daemon(refusing, own).error().code == ErrorCode::kRejected);
}

TEST_CASE("protocol: an error keeps all it knows") {
  Error error{ErrorCode::kCrashed, "gone", {}};
  error.context.task = "a.b";
  error.context.plugin = "a 1.0";
  error.context.call_id = 7;
  error.context.attempt = 2;
  error.context.signal = 11;
  error.context.exit_code = 0;
  error.context.stderr_tail = "line\n";
  error.context.stdout_tail = "other\n";
  const auto read = read_answer(content(pack(make_answer(9, to_failure(error, "try")))));
  REQUIRE(read);
  CHECK(read->number == 9);
  REQUIRE(read->body.AsFailure() != nullptr);
  CHECK(read->body.AsFailure()->hint == "try");
  const Error back = to_error(*read->body.AsFailure());
  CHECK(back.code == error.code);
  CHECK(back.message == error.message);
  CHECK(back.context.task == "a.b");
  CHECK(back.context.call_id == 7);
  CHECK(back.context.signal == 11);
  CHECK(back.context.exit_code == 0);
  CHECK(back.context.stderr_tail == "line\n");
  CHECK(back.context.stdout_tail == "other\n");

  serve::FailureT unknown;
  unknown.code = 4711;
  CHECK(to_error(unknown).code == ErrorCode::kFailed);
}

TEST_CASE("protocol: a message beyond a frame is refused where it is made") {
  serve::RequestT request;
  serve::CallT call;
  call.argument.resize(kMaxFrameBytes + 1);
  request.body.Set(std::move(call));
  CHECK(pack(request).error().code == ErrorCode::kTooLarge);
}

TEST_CASE("protocol: broken bytes are errors, a body of a later protocol is none") {
  serve::RequestT request;
  request.number = 5;
  serve::CallT call;
  call.task = "text.count";
  call.argument = {1, 2, 3};
  request.body.Set(std::move(call));
  const Buffer whole = content(pack(request));
  REQUIRE(read_request(whole));
  CHECK_FALSE(read_request({}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    static_cast<void>(read_request(Buffer(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))));
  }
  std::mt19937 random(4711);
  for (int round = 0; round < 20'000; ++round) {
    Buffer broken = whole;
    for (int i = 0; i < 3; ++i) {
      broken[random() % broken.size()] = static_cast<std::uint8_t>(random());
    }
    static_cast<void>(read_request(broken));
    static_cast<void>(read_answer(broken));
    static_cast<void>(read_hello(broken));
  }

  // The type of the union's member is the only byte with that value.
  Buffer later = whole;
  const auto type = static_cast<std::uint8_t>(serve::RequestBody::Call);
  bool seen = false;
  for (std::size_t i = 0; i < later.size() && !seen; ++i) {
    if (later[i] == type) {
      Buffer changed = later;
      changed[i] = 200;
      const auto read = read_request(changed);
      seen = read && read->number == 5 && read->body.type == serve::RequestBody::NONE;
    }
  }
  CHECK(seen);
}

TEST_CASE("protocol: a message that refers to one part many times is refused before it is unpacked") {
  const auto feed_of = [](std::size_t references, std::size_t distinct, std::size_t size_bytes) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<serve::Bytes>> parts;
    const std::vector<std::uint8_t> data(size_bytes, 7);
    for (std::size_t i = 0; i < distinct; ++i) {
      parts.push_back(serve::CreateBytesDirect(builder, &data));
    }
    std::vector<flatbuffers::Offset<serve::Bytes>> arguments;
    for (std::size_t i = 0; i < references; ++i) {
      arguments.push_back(parts[i % distinct]);
    }
    const auto feed = serve::CreateFeedDirect(builder, 1, &arguments);
    builder.Finish(serve::CreateRequest(builder, 1, serve::RequestBody::Feed, feed.Union()));
    return Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  };
  // This is 20 GB after unpacking.
  const auto hostile = read_request(feed_of(20'000, 1, 1'000'000));
  REQUIRE_FALSE(hostile);
  CHECK(hostile.error().code == ErrorCode::kCorrupt);
  CHECK(hostile.error().message.find("many times") != std::string::npos);
  const auto honest = read_request(feed_of(20'000, 20'000, 50));
  REQUIRE(honest);
  CHECK(honest->body.AsFeed()->arguments.size() == 20'000);
  CHECK(read_request(feed_of(1, 1, 1'000'000)));
}

TEST_CASE("protocol: an answer of a hostile daemon is measured likewise") {
  flatbuffers::FlatBufferBuilder builder;
  const auto text = builder.CreateString(std::string(1'000'000, 'x'));
  std::vector<flatbuffers::Offset<flatbuffers::String>> lines(20'000, text);
  const auto reloaded = serve::CreateReloadedDirect(builder, &lines);
  builder.Finish(serve::CreateAnswer(builder, 1, serve::AnswerBody::Reloaded, reloaded.Union()));
  const auto answer = read_answer({builder.GetBufferPointer(), builder.GetSize()});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::kCorrupt);

  // Nested tables.
  flatbuffers::FlatBufferBuilder nested;
  const auto stage = serve::CreateStageDirect(nested, std::string(100'000, 's').c_str());
  std::vector<flatbuffers::Offset<serve::Stage>> stages(300, stage);
  const auto pipeline = serve::CreatePipelineDirect(nested, "line", nullptr, "running", 0, 0, 0, &stages);
  std::vector<flatbuffers::Offset<serve::Pipeline>> pipelines(300, pipeline);
  const auto all = serve::CreatePipelinesDirect(nested, &pipelines);
  nested.Finish(serve::CreateAnswer(nested, 1, serve::AnswerBody::Pipelines, all.Union()));
  CHECK_FALSE(read_answer({nested.GetBufferPointer(), nested.GetSize()}));
}
