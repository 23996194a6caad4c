/// python/codec/error_path.hpp: names the element that cannot be sent, as in `argument 2['a'][3]`.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace tenon::python {

/// The path from a root to an element, built while the encoder returns from the element to the root, so that it costs
/// nothing unless there is an error. Used with the GIL held.
class ErrorPath {
 public:
  void clear() noexcept { steps_.clear(); }

  /// The element is the one at `index` of its container.
  void add_index(Py_ssize_t index);
  /// The element is the value of `key` in its dict. Sets no exception.
  void add_key(PyObject* key);
  /// The element is a key of its dict, or an element of its set.
  void add_member(PyObject* member, bool of_dict);
  /// Any other step; "" for a container without visible steps.
  void add_step(const char* text) { steps_.push_back({text, {}}); }
  /// The container of the element holds the attributes of an object: turns the latest key into `.key`.
  void key_to_attribute();

  /// The whole path below `root`, limited to `levels` steps.
  [[nodiscard]] std::string text(const std::string& root, std::size_t levels = SIZE_MAX) const;
  [[nodiscard]] std::size_t depth() const noexcept { return steps_.size(); }

 private:
  struct Step {
    std::string text;
    std::string attribute;  ///< The key without quotes if it can be an attribute.
  };
  std::vector<Step> steps_;  ///< Innermost step first.
};

/// A short `repr` of an object that never fails; for messages.
std::string short_repr(PyObject* object, std::size_t max_bytes = 60);

}  // namespace tenon::python
