#include "pipeline/given_runner.hpp"

#include <variant>
#include <vector>

namespace tenon::internal {

void GivenRunner::pump() {
  const std::vector<Reply>& items = std::get<GivenRule>(plan_.rule).items;
  while (!run_.draining && next_index_ < items.size()) {
    Item item{items[next_index_], next_index_};
    if (!deliver(item)) {
      return;
    }
    ++next_index_;
  }
  run_.flow.set_cut(node_, next_index_ < items.size());
  finish();
}

}  // namespace tenon::internal
