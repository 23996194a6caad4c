#include "pipeline/item_collector.hpp"

#include <utility>

#include "host/storage.hpp"

namespace tenon::internal {

void ItemCollector::take(const Item& item) {
  if (items_.size() == kMostItems || item.bytes() > kMostBytes - bytes_) {
    full_ = true;
    return;
  }
  StoredBytes copy = copy_to_host(item.reply.bytes());
  bytes_ += item.bytes();
  items_.push_back({Reply(std::move(copy.storage), copy.bytes), item.index, item.group});
}

}  // namespace tenon::internal
