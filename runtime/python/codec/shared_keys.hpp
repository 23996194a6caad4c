/// python/codec/shared_keys.hpp: the keys that many dicts of one message share, decoded only once.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tenon::python {

/// Indexed by the location of the keys. The first dict with some keys decodes them only for itself, because most keys
/// occur once; the second one stores them here. A custom hash table, which costs nothing until it is used. Used with
/// the GIL held.
class SharedKeys {
 public:
  SharedKeys() = default;
  SharedKeys(const SharedKeys&) = delete;
  SharedKeys& operator=(const SharedKeys&) = delete;
  ~SharedKeys();

  /// What is known about the keys at a location. Valid until the next find.
  struct Entry {
    std::uint64_t place = 0;  ///< 0 for an empty entry.
    static constexpr std::size_t kNone = ~std::size_t{0};
    std::size_t first = kNone;  ///< Index of the first key; kNone if they occurred once.
  };
  /// The entry of a location, which must not be 0; if there is none, creates it and sets `*is_new`. Throws
  /// std::bad_alloc.
  Entry& find(std::uint64_t place, bool& is_new);
  /// The index at which further keys start; take() adds one, whose reference it takes over. Throws std::bad_alloc after
  /// releasing it.
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
