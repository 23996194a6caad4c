#include <tenon/plugin.hpp>

#include "refused_generated.h"

tenon::Offset<refused::Out> read(tenon::Call& call, const refused::In&) {
  return refused::CreateOut(call.builder());
}

TENON_PLUGIN(refused) {
  plugin.task<read>("read");
}
