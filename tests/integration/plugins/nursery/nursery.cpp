#include <unistd.h>

#include <tenon/types_generated.h>
#include <tenon/plugin.hpp>
#include <tenon/runtime.hpp>

#include "nursery_generated.h"

namespace {

tenon::Offset<nursery::Started> start(tenon::Call& call, const nursery::Start& argument) {
  tenon::RuntimeOptions options;
  options.workers = 1;
  options.worker_executable = argument.worker()->str();
  options.plugin_dirs = {argument.plugin_dir()->str()};
  auto runtime = tenon::Runtime::start(std::move(options));
  if (!runtime) {
    throw tenon::TaskError(TENON_FAILED, runtime.error().to_string());
  }
  flatbuffers::FlatBufferBuilder echo;
  echo.Finish(tenon::CreateBytes(echo));
  const auto reply = runtime->call<tenon::Bytes>("tenon.echo", echo);
  if (!reply) {
    throw tenon::TaskError(TENON_FAILED, reply.error().to_string());
  }
  return nursery::CreateStarted(call.builder(), ::getpid(), runtime->stats().workers.at(0).pid);
}

}  // namespace

TENON_PLUGIN(nursery) {
  plugin.task<start>("start");
}
