#include <cstdlib>
#include <fstream>
#include <string>

#include <tenon/plugin.hpp>

#include "nesting_generated.h"

namespace {

void note_run(const flatbuffers::String* path) {
  if (path != nullptr) {
    std::ofstream(path->str(), std::ios::app).put('x').flush();
  }
}

tenon::Offset<tenon::Empty> once(tenon::Call& call, const nesting::Order& order) {
  note_run(order.path());
  if (order.death() == nesting::Death::in_nested) {
    std::abort();
  }
  return tenon::CreateEmpty(call.builder(64));
}

tenon::Offset<tenon::Empty> outer(tenon::Call& call, const nesting::Order& order) {
  note_run(order.outer_path());
  if (order.death() == nesting::Death::before_nested) {
    std::abort();
  }
  flatbuffers::FlatBufferBuilder nested;
  nested.Finish(nesting::CreateOrderDirect(nested, order.path()->c_str(), order.death()));
  static_cast<void>(call.invoke<tenon::Empty>(order.task()->c_str(), nested));
  if (order.death() == nesting::Death::after_nested) {
    std::abort();
  }
  return tenon::CreateEmpty(call.builder(64));
}

}  // namespace

TENON_PLUGIN(nesting) {
  plugin.task<once>("once");
  plugin.task<once>("again");
  plugin.task<outer>("outer");
}
