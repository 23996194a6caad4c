#include "python/codec/shared_keys.hpp"

#include <utility>

namespace tenon::python {
namespace {

constexpr std::size_t kFirstEntries = 16;

std::size_t slot_of(std::uint64_t place, std::size_t mask) noexcept {
  return static_cast<std::size_t>((place * 0x9E3779B97F4A7C15) >> 32) & mask;
}

}  // namespace

SharedKeys::~SharedKeys() {
  for (PyObject* const key : keys_) {
    Py_DECREF(key);
  }
}

SharedKeys::Entry& SharedKeys::find(std::uint64_t place, bool& is_new) {
  // At most half full, so that searches are short.
  if (used_ * 2 >= table_.size()) {
    grow();
  }
  const std::size_t mask = table_.size() - 1;
  std::size_t slot = slot_of(place, mask);
  while (table_[slot].place != 0 && table_[slot].place != place) {
    slot = (slot + 1) & mask;
  }
  is_new = table_[slot].place == 0;
  if (is_new) {
    table_[slot].place = place;
    ++used_;
  }
  return table_[slot];
}

void SharedKeys::grow() {
  std::vector<Entry> larger(table_.empty() ? kFirstEntries : table_.size() * 2);
  const std::size_t mask = larger.size() - 1;
  for (const Entry& entry : table_) {
    if (entry.place != 0) {
      std::size_t slot = slot_of(entry.place, mask);
      while (larger[slot].place != 0) {
        slot = (slot + 1) & mask;
      }
      larger[slot] = entry;
    }
  }
  table_ = std::move(larger);
}

void SharedKeys::take(PyObject* key) {
  Ref held(key);
  keys_.push_back(key);
  static_cast<void>(held.release());
}

}  // namespace tenon::python
