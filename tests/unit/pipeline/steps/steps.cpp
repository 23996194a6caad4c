#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <tenon/plugin.hpp>

#include "steps_generated.h"

namespace {

tenon::Offset<tenon::Number> twice(tenon::Call& call, const tenon::Number& argument, const steps::TwiceParams& params) {
  if (argument.value() == params.fail_at()) {
    call.fail(TENON_FAILED, "asked to fail at " + std::to_string(argument.value()));
  }
  if (argument.value() == params.crash_at()) {
    if (params.last_words() != nullptr) {
      std::printf("stdout: %s\n", params.last_words()->c_str());
      std::fprintf(stderr, "stderr: %s\n", params.last_words()->c_str());
    }
    std::abort();
  }
  return tenon::CreateNumber(call.builder(64), argument.value() * params.factor());
}

tenon::Offset<steps::Judged> judge(tenon::Call& call, const tenon::Number& argument) {
  const auto parity = argument.value() % 2 == 0 ? steps::Parity::even : steps::Parity::odd;
  auto& builder = call.builder(128);
  const auto name = builder.CreateString("n" + std::to_string(argument.value()));
  return steps::CreateJudged(builder, argument.value(), parity, name);
}

tenon::SameAsArgument pass(tenon::Call&, const tenon::Any&) {
  return {};
}

}  // namespace

TENON_PLUGIN(steps) {
  plugin.task<twice>("twice");
  plugin.task<judge>("judge");
  plugin.task<pass>("pass");
}
