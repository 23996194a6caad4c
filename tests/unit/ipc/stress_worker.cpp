// The other process of process_stress_test.cpp. It completes every call with the call's own
// argument, inline or from a shared arena, until a call without an argument comes. Descriptors: 3
// submissions, 4 completions, 5 the host's event bell, 6 arguments, 7 results.
#include <cstdio>

#include "ipc/arena.hpp"
#include "ipc/segment_table.hpp"
#include "ipc/worker_end.hpp"
#include "stress_message.hpp"

using namespace tenon;
using namespace tenon::internal;

namespace {

int broken(const Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 3;
}

int run() {
  auto end = WorkerEnd::attach(FileDescriptor(3), FileDescriptor(4), EventBell(FileDescriptor(5)));
  if (!end) {
    return broken(end.error());
  }
  SegmentTable segments;
  auto arguments = map_foreign_segment(FileDescriptor(6));
  if (!arguments) {
    return broken(arguments.error());
  }
  if (auto added = segments.add(1, *arguments); !added) {
    return broken(added.error());
  }
  auto memory = SharedMemory::adopt(FileDescriptor(7), {.shrink = true, .grow = true});
  if (!memory) {
    return broken(memory.error());
  }
  auto results = Arena::over(*memory, 2);
  if (!results) {
    return broken(results.error());
  }
  AdaptiveSpin spin;
  for (;;) {
    while (auto block = end->pop_release()) {
      if (auto freed = results->free(*block); !freed) {
        return broken(freed.error());
      }
    }
    auto next = end->begin();
    if (!next) {
      return broken(next.error());
    }
    if (!*next) {
      static_cast<void>(end->wait(spin, deadline_after(std::chrono::seconds(60))));
      continue;
    }
    const Submission& call = **next;
    auto argument = segments.resolve(call.descriptor.argument, call.inline_payload, "argument");
    if (!argument) {
      return broken(argument.error());
    }
    const bool last = call.descriptor.argument.absent();
    if (!last && !test::StressMessage::check(*argument, call.descriptor.call_id)) {
      std::fprintf(stderr, "call %llu carries another message\n",
                   static_cast<unsigned long long>(call.descriptor.call_id));
      return 4;
    }
    Result<void> finished;
    if (last || call.descriptor.argument.is_inline()) {
      finished = end->finish({}, *argument);
    } else {
      auto block = results->allocate(argument->size());
      if (!block) {
        return broken(block.error());
      }
      std::memcpy(block->bytes.data(), argument->data(), argument->size());
      finished = end->finish({.payload = block->ref});
    }
    if (!finished) {
      return broken(finished.error());
    }
    end->publish();
    if (last) {
      return 0;
    }
  }
}

}  // namespace

int main() {
  return run();
}
