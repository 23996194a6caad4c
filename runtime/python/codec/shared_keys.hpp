/// python/codec/shared_keys.hpp: the keys that many dicts of one message share, decoded once.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tenon::python {

/// By where the keys lie. The first dict of its keys decodes them for itself, since most have no other; the second one
/// leaves them here. A hash table of its own: it costs nothing until it is used. Used with the GIL held.
class SharedKeys {
 public:
  SharedKeys() = default;
  SharedKeys(const SharedKeys&) = delete;
  SharedKeys& operator=(const SharedKeys&) = delete;
  ~SharedKeys();

  /// What is known of the keys at a place. Valid until the next find.
  struct Entry {
    std::uint64_t place = 0;  ///< 0 for an empty entry.
    static constexpr std::size_t kNone = ~std::size_t{0};
    std::size_t first = kNone;  ///< Index of the first key; kNone when they were seen once.
  };
  /// The entry of a place, which is not 0; made when it is not there, and then `*is_new` is true. Throws
  /// std::bad_alloc.
  Entry& find(std::uint64_t place, bool& is_new);
  /// Where further keys begin; take() adds one, which it takes over. Throws std::bad_alloc, and then has given it up.
  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  void take(PyObject* key);
  [[nodiscard]] PyObject* operator[](std::size_t index) const noexcept { return keys_[index]; }

 private:
  void grow();

  std::vector<Entry> table_;
  std::size_t used_ = 0;
  std::vector<PyObject*> keys_;
};

}  // namespace tenon::python
