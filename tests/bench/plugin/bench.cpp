#include <tenon/plugin.hpp>

#include "bench_generated.h"

namespace {

tenon::SameAsArgument pass(tenon::Call&, const tenon::Number&) {
  return {};
}

tenon::Offset<tenon::Empty> hold(tenon::Call& call, const tenon::Empty&) {
  call.progress(1);
  for (;;) {  // It never sleeps, so that the calls behind it start at once after it ends.
    call.check();
  }
}

}  // namespace

TENON_PLUGIN(bench) {
  plugin.task<pass>("pass");
  plugin.task<hold>("hold");
}
