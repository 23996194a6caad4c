#include "python/codec/error_path.hpp"

#include <algorithm>
#include <utility>

namespace tenon::python {

std::string short_repr(PyObject* object, std::size_t max_bytes) {
  Ref pending = take_exception();
  std::string text;
  const Ref repr(PyObject_Repr(object));
  // Surrogates and other characters that UTF-8 cannot represent become escapes.
  const Ref bytes(repr ? PyUnicode_AsEncodedString(repr.get(), "utf-8", "backslashreplace") : nullptr);
  if (bytes) {
    text.assign(PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
  } else {
    PyErr_Clear();
    text = std::string("<") + Py_TYPE(object)->tp_name + ">";
  }
  if (text.size() > max_bytes) {
    std::size_t end = max_bytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
      --end;
    }
    text.resize(end);
    text += "...";
  }
  restore_exception(std::move(pending));
  return text;
}

void ErrorPath::add_index(Py_ssize_t index) {
  steps_.push_back({"[" + std::to_string(index) + "]", {}});
}

void ErrorPath::add_key(PyObject* key) {
  Step step{"[" + short_repr(key) + "]", {}};
  if (PyUnicode_CheckExact(key) && PyUnicode_IsIdentifier(key) == 1) {
    step.attribute = step.text.substr(2, step.text.size() - 4);
  }
  steps_.push_back(std::move(step));
}

void ErrorPath::add_member(PyObject* member, bool of_dict) {
  steps_.push_back({of_dict ? "(key " + short_repr(member) + ")" : "{" + short_repr(member) + "}", {}});
}

void ErrorPath::key_to_attribute() {
  if (!steps_.empty() && !steps_.back().attribute.empty()) {
    steps_.back().text = "." + steps_.back().attribute;
  }
}

std::string ErrorPath::text(const std::string& root, std::size_t levels) const {
  constexpr std::size_t kMaxSteps = 40;
  std::string text = root;
  const std::size_t count = std::min(levels, steps_.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (i == kMaxSteps / 2 && count > kMaxSteps) {
      i = count - kMaxSteps / 2;
      text += "...";
    }
    text += steps_[steps_.size() - 1 - i].text;
  }
  return text;
}

}  // namespace tenon::python
