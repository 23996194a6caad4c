// SHAPE_TASK is the name of the task.
#include <tenon/plugin.hpp>

#include "shape_generated.h"
#include "variant.hpp"

namespace {

tenon::Offset<shape::Measured> measure(tenon::Call& call, const shape::Shape&, const shape::MeasureParams&) {
  shape::MeasuredBuilder measured(call.builder(64));
  measured.add_version(variant::version);
  return measured.Finish();
}

}  // namespace

TENON_PLUGIN(shape) {
  plugin.task<measure>(SHAPE_TASK);
}
