#include "table_reader.hpp"

#include <tenon/plugin.hpp>

namespace py {
namespace {

using flatbuffers::ReadScalar;
using flatbuffers::String;
using flatbuffers::Table;
using flatbuffers::uoffset_t;
using flatbuffers::Verifier;
using reflection::BaseType;

/// The nesting limit of tables in hosts.
constexpr flatbuffers::uoffset_t kMaxDepth = 64;
constexpr flatbuffers::uoffset_t kMaxTables = 100'000'000;

// -- Verifying --------------------------------------------------------------------------------

bool verify_scalar(const Table& table, const Verifier& verifier, const FieldPlan& field) {
  switch (size_of(field.type)) {
    case 1:
      return table.VerifyField<std::uint8_t>(verifier, field.offset, 1);
    case 2:
      return table.VerifyField<std::uint16_t>(verifier, field.offset, 2);
    case 4:
      return table.VerifyField<std::uint32_t>(verifier, field.offset, 4);
    default:
      return table.VerifyField<std::uint64_t>(verifier, field.offset, 8);
  }
}

bool verify(const TablePlan& plan, const Table& table, Verifier& verifier);

bool verify_vector(const Table& table, Verifier& verifier, const FieldPlan& field) {
  using Offsets = flatbuffers::Vector<flatbuffers::Offset<Table>>;
  switch (field.element) {
    case reflection::String:
      using Strings = flatbuffers::Vector<flatbuffers::Offset<String>>;
      return verifier.VerifyVector(table.GetPointer<const Strings*>(field.offset)) &&
             verifier.VerifyVectorOfStrings(table.GetPointer<const Strings*>(field.offset));
    case reflection::Obj: {
      const auto* const items = table.GetPointer<const Offsets*>(field.offset);
      if (!verifier.VerifyVector(items)) {
        return false;
      }
      for (uoffset_t i = 0; items != nullptr && i < items->size(); ++i) {
        if (!verify(*field.table, *items->Get(i), verifier)) {
          return false;
        }
      }
      return true;
    }
    default:
      break;
  }
  const auto* const vector = table.GetPointer<const std::uint8_t*>(field.offset);
  return vector == nullptr || verifier.VerifyVectorOrString(vector, size_of(field.element));
}

bool verify(const TablePlan& plan, const Table& table, Verifier& verifier) {
  if (!table.VerifyTableStart(verifier)) {
    return false;
  }
  for (const FieldPlan& field : plan.fields) {
    const bool outside =
        field.type == reflection::String || field.type == reflection::Obj || field.type == reflection::Vector;
    if (!outside) {
      if (!verify_scalar(table, verifier, field)) {
        return false;
      }
      continue;
    }
    if (!(field.required ? table.VerifyOffsetRequired(verifier, field.offset)
                         : table.VerifyOffset(verifier, field.offset))) {
      return false;
    }
    const bool fits = field.type == reflection::String
                          ? verifier.VerifyString(table.GetPointer<const String*>(field.offset))
                      : field.type == reflection::Obj
                          ? !table.CheckField(field.offset) ||
                                verify(*field.table, *table.GetPointer<const Table*>(field.offset), verifier)
                          : verify_vector(table, verifier, field);
    if (!fits) {
      return false;
    }
  }
  return verifier.EndTable();
}

// -- Reading ----------------------------------------------------------------------------------

PyObject* member_of(const EnumPlan& plan, std::int64_t number) {
  const Ref key(PyLong_FromLongLong(number));
  PyObject* const member = key ? PyDict_GetItemWithError(plan.members.get(), key.get()) : nullptr;
  if (member == nullptr && PyErr_Occurred() == nullptr) {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT, std::to_string(number) + " is not a value of the enum " + plan.name);
  }
  return Py_XNewRef(member);
}

PyObject* integer(const EnumPlan* enumeration, std::int64_t value) {
  return enumeration != nullptr ? member_of(*enumeration, value) : PyLong_FromLongLong(value);
}

PyObject* read_scalar(BaseType type, const EnumPlan* enumeration, const std::uint8_t* at) {
  switch (type) {
    case reflection::Bool:
      return PyBool_FromLong(*at);
    case reflection::Byte:
      return integer(enumeration, ReadScalar<std::int8_t>(at));
    case reflection::Short:
      return integer(enumeration, ReadScalar<std::int16_t>(at));
    case reflection::UShort:
      return integer(enumeration, ReadScalar<std::uint16_t>(at));
    case reflection::Int:
      return integer(enumeration, ReadScalar<std::int32_t>(at));
    case reflection::UInt:
      return integer(enumeration, ReadScalar<std::uint32_t>(at));
    case reflection::Long:
      return integer(enumeration, ReadScalar<std::int64_t>(at));
    case reflection::ULong:
      return PyLong_FromUnsignedLongLong(ReadScalar<std::uint64_t>(at));
    case reflection::Float:
      return PyFloat_FromDouble(static_cast<double>(ReadScalar<float>(at)));
    case reflection::Double:
      return PyFloat_FromDouble(ReadScalar<double>(at));
    default:
      return integer(enumeration, ReadScalar<std::uint8_t>(at));
  }
}

PyObject* read_string(const String& text) {
  // Paths are strings in schemas and may contain any bytes.
  return PyUnicode_DecodeUTF8(text.c_str(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
}

PyObject* read_vector(const FieldPlan& field, const flatbuffers::VectorOfAny& vector) {
  const auto count = static_cast<Py_ssize_t>(vector.size());
  if (field.element == reflection::UByte && field.enumeration == nullptr) {
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(vector.Data()), count);
  }
  const std::size_t size = size_of(field.element);
  Ref list(PyList_New(count));
  for (Py_ssize_t i = 0; list && i < count; ++i) {
    const std::uint8_t* const at = vector.Data() + static_cast<std::size_t>(i) * size;
    PyObject* item = nullptr;
    if (field.element == reflection::String) {
      item = read_string(*reinterpret_cast<const String*>(at + ReadScalar<uoffset_t>(at)));
    } else if (field.element == reflection::Obj) {
      item = read_object(*field.table, reinterpret_cast<const Table*>(at + ReadScalar<uoffset_t>(at))).release();
    } else {
      item = read_scalar(field.element, field.enumeration, at);
    }
    if (item == nullptr) {
      return nullptr;
    }
    PyList_SET_ITEM(list.get(), i, item);
  }
  return list.release();
}

PyObject* default_of(const TablePlan& plan, const FieldPlan& field) {
  switch (field.type) {
    case reflection::String:
    case reflection::Obj:
    case reflection::Vector:
      PyErr_Format(PyExc_ValueError, "the field '%s' of %s is required but absent", field.text, plan.name.c_str());
      return nullptr;
    case reflection::Float:
    case reflection::Double:
      return PyFloat_FromDouble(field.default_real);
    case reflection::Bool:
      return PyBool_FromLong(field.default_integer != 0);
    case reflection::ULong:
      return PyLong_FromUnsignedLongLong(static_cast<std::uint64_t>(field.default_integer));
    default:
      return integer(field.enumeration, field.default_integer);
  }
}

}  // namespace

const Table* verified_table(const TablePlan& plan, std::span<const std::uint8_t> bytes, std::string_view what,
                            const std::string& whose) {
  if (bytes.data() == nullptr) {
    return nullptr;
  }
  Verifier verifier(bytes.data(), bytes.size(), kMaxDepth, kMaxTables);
  // A size_t in FlatBuffers 23.
  const auto root = static_cast<uoffset_t>(verifier.VerifyOffset(0));
  const auto* const table = reinterpret_cast<const Table*>(bytes.data() + root);
  if (root == 0 || !verify(plan, *table, verifier)) {
    throw tenon::TaskError(TENON_CORRUPT, "the " + std::string(what) + " of " + whose + " is not a valid " + plan.name);
  }
  return table;
}

bool read_fields(const TablePlan& plan, const Table* table, ObjectVector& values, Ref& names) {
  bool omitted = false;
  const std::size_t first = values.size();
  std::vector<PyObject*> given;
  for (const FieldPlan& field : plan.fields) {
    const std::uint8_t* const at = table != nullptr ? table->GetAddressOf(field.offset) : nullptr;
    PyObject* value = nullptr;
    if (at == nullptr) {
      if (field.absent == Absent::kOmit) {
        if (!omitted) {
          omitted = true;
          for (std::size_t i = 0; first + i < values.size(); ++i) {
            given.push_back(plan.fields[i].name.get());
          }
        }
        continue;
      }
      value = field.absent == Absent::kNone ? Py_NewRef(Py_None) : default_of(plan, field);
    } else {
      switch (field.type) {
        case reflection::String:
          value = read_string(*table->GetPointer<const String*>(field.offset));
          break;
        case reflection::Obj:
          value = read_object(*field.table, table->GetPointer<const Table*>(field.offset)).release();
          break;
        case reflection::Vector:
          value = read_vector(field, *table->GetPointer<const flatbuffers::VectorOfAny*>(field.offset));
          break;
        default:
          value = read_scalar(field.type, field.enumeration, at);
      }
    }
    if (value == nullptr) {
      return false;
    }
    values.take(value);
    if (omitted) {
      given.push_back(field.name.get());
    }
  }
  Ref own = Ref::share(plan.names.get());
  if (omitted) {
    own = Ref(PyTuple_New(static_cast<Py_ssize_t>(given.size())));
    for (std::size_t i = 0; own && i < given.size(); ++i) {
      PyTuple_SET_ITEM(own.get(), static_cast<Py_ssize_t>(i), Py_NewRef(given[i]));
    }
  }
  if (names && own) {
    own = Ref(PySequence_Concat(names.get(), own.get()));
  }
  names = std::move(own);
  return static_cast<bool>(names);
}

Ref read_object(const TablePlan& plan, const Table* table) {
  if (!plan.type) {
    // tenon.Empty of the schema and tables that stand for parameters never become objects.
    return Ref::share(Py_None);
  }
  ObjectVector values;
  Ref names;
  if (!read_fields(plan, table, values, names)) {
    return Ref();
  }
  return Ref(PyObject_Vectorcall(plan.type.get(), values.data(), 0, names.get()));
}

}  // namespace py
