#include "pipeline/given_runner.hpp"

#include <variant>
#include <vector>

namespace tenon::internal {

void GivenRunner::pump() {
  const std::vector<Reply>& items = std::get<GivenRule>(plan_.rule).items;
  while (!draining_ && next_index_ < items.size()) {
    Item item{items[next_index_], next_index_};
    if (!deliver(0, item)) {
      return;
    }
    ++next_index_;
  }
  run_.flow.set_cut(node_, next_index_ < items.size());
  finish();
}

void GivenRunner::drain() {
  draining_ = true;
  schedule();
}

}  // namespace tenon::internal
