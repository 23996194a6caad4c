#include "python/native/plain.hpp"

#include <algorithm>

#include "python/native/errors.hpp"
#include "python/native/table.hpp"
#include "python/native/vector.hpp"

namespace tenon::python {
namespace {

/// Minimum budget of a copy, in addition to a multiple of the size of the result itself.
constexpr std::size_t kLeastBudgetBytes = std::size_t{256} << 20;
constexpr std::size_t kBudgetPerByte = 16;
/// Minimum cost of an entry of a dict or a list.
constexpr std::size_t kEntryBytes = 16;

bool spend(std::size_t size_bytes, std::size_t& budget_bytes) {
  if (size_bytes <= budget_bytes) {
    budget_bytes -= size_bytes;
    return true;
  }
  raise(ErrorCode::kTooLarge,
        "the result repeats parts of it so often that a copy would take too much memory; read its fields one by one");
  return false;
}

PyObject* plain_dict(PyObject* table, std::size_t& budget_bytes) {
  const ObjectPlan& plan = *plan_of_table(table);
  Ref result = Ref::steal(PyDict_New());
  for (std::size_t i = 0; result && i < plan.fields.size(); ++i) {
    const FieldPlan& field = plan.fields[i];
    const Ref value = read_field(table, field);
    const Ref copy = value && spend(kEntryBytes, budget_bytes) ? Ref::steal(plain(value.get(), budget_bytes)) : Ref();
    if (!copy || PyDict_SetItem(result.get(), field.name.get(), copy.get()) != 0) {
      return nullptr;
    }
  }
  return result.release();
}

PyObject* plain_list(PyObject* vector, std::size_t& budget_bytes) {
  const Py_ssize_t count = PySequence_Size(vector);
  if (count < 0 || !spend(static_cast<std::size_t>(count) * kEntryBytes, budget_bytes)) {
    return nullptr;
  }
  Ref result = Ref::steal(PyList_New(count));
  for (Py_ssize_t i = 0; result && i < count; ++i) {
    const Ref item = Ref::steal(PySequence_GetItem(vector, i));
    PyObject* const copy = item ? plain(item.get(), budget_bytes) : nullptr;
    if (copy == nullptr) {
      return nullptr;
    }
    PyList_SET_ITEM(result.get(), i, copy);
  }
  return result.release();
}

}  // namespace

PyObject* plain(PyObject* value, std::size_t& budget_bytes) {
  if (plan_of_table(value) != nullptr) {
    return plain_dict(value, budget_bytes);
  }
  if (as_vector(value) != nullptr) {
    return plain_list(value, budget_bytes);
  }
  if (PyMemoryView_Check(value)) {
    const Py_buffer& view = *PyMemoryView_GET_BUFFER(value);
    if (!spend(static_cast<std::size_t>(view.len) * (view.itemsize == 1 ? 1 : 4), budget_bytes)) {
      return nullptr;
    }
    const bool bytes = view.format == nullptr || (view.format[0] == 'B' && view.format[1] == 0);
    return PyObject_CallMethod(value, bytes ? "tobytes" : "tolist", nullptr);
  }
  if (PyUnicode_Check(value) && !spend(static_cast<std::size_t>(PyUnicode_GET_LENGTH(value)), budget_bytes)) {
    return nullptr;
  }
  return Py_NewRef(value);
}

PyObject* plain_table(PyObject* table) {
  const Reply* const reply = reply_of_table(root_of(table));
  std::size_t budget_bytes = std::max(kLeastBudgetBytes, reply == nullptr ? 0 : reply->size_bytes() * kBudgetPerByte);
  return plain(table, budget_bytes);
}

}  // namespace tenon::python
