// Fuzzes the stream of frames that a hostile client sends to a daemon, or a hostile daemon to a
// client.
#include <cstdlib>

#include "serve/frame.hpp"
#include "serve/protocol.hpp"
#include "target.hpp"

namespace {

std::string text_of(const tenon::Result<tenon::Buffer>& frame) {
  return frame ? std::string(frame->begin(), frame->end()) : std::string();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tenon::internal;
  constexpr std::size_t kMaxBytes = 1 << 20;
  FrameReader reader(kMaxBytes);
  tenon::BytesView input(data, size);
  while (!input.empty()) {
    const std::size_t before = input.size();
    const auto frame = reader.next(input);
    if (!frame || input.size() >= before) {
      break;
    }
    if (!*frame) {
      continue;
    }
    if ((*frame)->empty() || (*frame)->size() > kMaxBytes) {
      std::abort();
    }
    if (const auto hello = read_hello(**frame)) {
      static_cast<void>(refusal_of(*hello, make_hello("1.0")));
      static_cast<void>(check_daemon(*hello, make_hello("1.0")));
    }
    // A message that verifies can be written again.
    if (const auto request = read_request(**frame)) {
      if ((request->body.value == nullptr) != (request->body.type == tenon::serve::RequestBody::NONE)) {
        std::abort();
      }
      static_cast<void>(pack(*request));
    }
    if (const auto answer = read_answer(**frame)) {
      if (const auto* failure = answer->body.AsFailure()) {
        static_cast<void>(to_error(*failure).to_string());
      }
      static_cast<void>(pack(*answer));
    }
  }
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  using namespace tenon::internal;
  serve::RequestT request;
  request.number = 3;
  serve::CallT call;
  call.task = "text.count";
  call.sha256 = "ab12";
  call.argument = {1, 2, 3, 4};
  request.body.Set(std::move(call));
  serve::StatusT status;
  status.state = "serving";
  status.pipelines.push_back(std::make_unique<serve::PipelineT>());
  status.pipelines.back()->name = "line";
  status.pipelines.back()->stages.push_back(std::make_unique<serve::StageT>());
  serve::FailureT failure;
  failure.message = "gone";
  const std::string hello = text_of(pack(make_hello("1.0", "no")));
  return {hello, hello + text_of(pack(request)), text_of(pack(make_answer(1, std::move(status)))),
          text_of(pack(make_answer(2, std::move(failure)))) + hello};
}
