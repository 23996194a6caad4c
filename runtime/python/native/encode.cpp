#include "python/native/encode.hpp"

#include <algorithm>
#include <cstring>

#include "python/native/errors.hpp"
#include "python/native/options.hpp"
#include "python/native/table.hpp"

namespace tenon::python {

using flatbuffers::uoffset_t;
using internal::BaseType;
using internal::EnumModel;
using internal::EnumValueModel;
using internal::FieldModel;
using internal::TypeRef;

namespace {

bool is_union(const TypeRef& type) {
  return type.base == BaseType::kUnion || type.element == BaseType::kUnion;
}

/// The value of one field, created before its table begins.
struct Made {
  const FieldPlan* field = nullptr;
  uoffset_t offset = 0;
  std::uint8_t scalar[8] = {};
  std::vector<std::uint8_t> bytes;  ///< The bytes of a struct.
  std::uint32_t alignment_bytes = 4;
};

void add_scalar(flatbuffers::FlatBufferBuilder& builder, const FieldModel& field, const std::uint8_t* scalar) {
  const auto add = [&](auto value) {
    std::memcpy(&value, scalar, sizeof value);
    builder.AddElement(field.offset, value);
  };
  switch (internal::scalar_size_bytes(field.type.base)) {
    case 1:
      return add(std::uint8_t{});
    case 2:
      return add(std::uint16_t{});
    case 4:
      return add(std::uint32_t{});
    default:
      return add(std::uint64_t{});
  }
}

}  // namespace

// -- tables -----------------------------------------------------------------------------------

uoffset_t TableEncoder::table(const ObjectPlan& plan, PyObject* value) {
  // This limit also stops data that contains itself.
  if (path_.size() > static_cast<std::size_t>(internal::kMaxDepth) * 2) {
    refuse("it is nested deeper than " + std::to_string(internal::kMaxDepth) + " tables, or contains itself");
    return 0;
  }
  Values values(plan.fields.size());
  return gather(plan, value, values) ? fields(plan, values) : 0;
}

uoffset_t TableEncoder::table(const ObjectPlan& plan, PyObject* const* names, PyObject* const* given,
                              std::size_t count) {
  Values values(plan.fields.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (!place(plan, names[i], Ref::share(given[i]), values)) {
      return 0;
    }
  }
  return fields(plan, values);
}

uoffset_t TableEncoder::fields(const ObjectPlan& plan, const Values& values) {
  SchemaPlan& schema = *plan.schema;
  std::vector<Made> made;
  made.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const FieldPlan& field = plan.fields[i];
    const TypeRef& type = field.model->type;
    PyObject* const value = values[i].get();
    if (value == nullptr) {
      if (field.model->required) {
        refuse("the required field '" + field.model->name + "' of " + plan.model->name + " is missing");
        return 0;
      }
      continue;
    }
    const Descent descent(*this, {field.model->name});
    // The type of a union is written with the union itself.
    if (i + 1 < values.size() && plan.fields[i + 1].tag == field.model) {
      if (!values[i + 1]) {
        const bool none = PyUnicode_Check(value) ? PyUnicode_CompareWithASCIIString(value, "NONE") == 0
                                                 : PyLong_Check(value) && PyLong_AsLong(value) == 0;
        PyErr_Clear();
        if (!none) {
          refuse("says what '" + plan.fields[i + 1].model->name + "' is, but that field is missing");
          return 0;
        }
      }
      continue;
    }
    Made& one = made.emplace_back();
    one.field = &field;
    if (internal::is_scalar(type.base)) {
      one.alignment_bytes = internal::scalar_size_bytes(type.base);
      if (!scalar(schema, type, value, one.scalar)) {
        return 0;
      }
    } else if (type.base == BaseType::kObject && schema.model().object(type).is_struct) {
      const ObjectPlan* const inner = schema.object(schema.model().object(type));
      if (inner == nullptr) {
        return 0;
      }
      one.alignment_bytes = inner->model->alignment_bytes;
      one.bytes.resize(inner->model->size_bytes);
      if (!fill_struct(*inner, value, one.bytes.data())) {
        return 0;
      }
    } else if (is_union(type)) {
      PyObject* const tag = i > 0 ? values[i - 1].get() : nullptr;
      Made type_of;
      if (type.base == BaseType::kUnion) {
        std::int64_t number = 0;
        one.offset = union_value(schema, type, value, tag, number);
        type_of.scalar[0] = static_cast<std::uint8_t>(number);
        type_of.alignment_bytes = 1;
      } else {
        one.offset = union_vector(schema, field, value, tag, type_of.offset);
      }
      type_of.field = &plan.fields[i - 1];
      if (one.offset == 0) {
        return 0;
      }
      made.push_back(std::move(type_of));
    } else {
      one.offset = reference(schema, type, value);
      if (one.offset == 0) {
        return 0;
      }
    }
  }
  std::size_t needed = 64 + made.size() * 20;
  for (const Made& one : made) {
    needed += one.bytes.size() + one.alignment_bytes;
  }
  if (!check_room(needed)) {
    return 0;
  }
  // Writing the widest fields first leaves the fewest gaps.
  std::stable_sort(made.begin(), made.end(),
                   [](const Made& a, const Made& b) { return a.alignment_bytes > b.alignment_bytes; });
  const uoffset_t start = builder_.StartTable();
  for (const Made& one : made) {
    const FieldModel& field = *one.field->model;
    if (one.offset != 0) {
      builder_.AddOffset(field.offset, flatbuffers::Offset<void>(one.offset));
    } else if (!one.bytes.empty()) {
      builder_.Align(one.alignment_bytes);
      builder_.PushBytes(one.bytes.data(), one.bytes.size());
      builder_.AddStructOffset(field.offset, static_cast<uoffset_t>(builder_.GetSize()));
    } else {
      add_scalar(builder_, field, one.scalar);
    }
  }
  return builder_.EndTable(start);
}

// -- structs ----------------------------------------------------------------------------------

bool TableEncoder::fill_struct(const ObjectPlan& plan, PyObject* value, std::uint8_t* out) {
  Values values(plan.fields.size());
  std::memset(out, 0, plan.model->size_bytes);
  // A struct is short and complete, so its values may also be given as a sequence.
  if ((PyTuple_Check(value) || PyList_Check(value)) && !PyObject_HasAttrString(value, "_fields")) {
    const Ref items = Ref::steal(PySequence_Fast(value, ""));
    if (!items) {
      return false;
    }
    const auto count = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(items.get()));
    if (count != values.size()) {
      return refuse("struct " + plan.model->name + " has " + std::to_string(values.size()) + " fields, not " +
                    std::to_string(count));
    }
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = Ref::share(PySequence_Fast_GET_ITEM(items.get(), static_cast<Py_ssize_t>(i)));
    }
  } else if (!gather(plan, value, values)) {
    return false;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const FieldModel& field = *plan.fields[i].model;
    if (!values[i]) {
      return refuse("field '" + field.name + "' of struct " + plan.model->name +
                    " is missing; a struct needs all of its fields");
    }
    const Descent descent(*this, {field.name});
    if (!fill_struct_field(*plan.schema, field.type, values[i].get(), out + field.offset)) {
      return false;
    }
  }
  return true;
}

bool TableEncoder::fill_struct_field(SchemaPlan& schema, const TypeRef& type, PyObject* value, std::uint8_t* out) {
  if (type.base == BaseType::kObject) {
    const ObjectPlan* const inner = schema.object(schema.model().object(type));
    return inner != nullptr && fill_struct(*inner, value, out);
  }
  if (type.base != BaseType::kArray) {
    return scalar(schema, type, value, out);
  }
  const TypeRef item = type.element_type();
  const Ref items = sequence(schema.model(), type, value);
  if (!items) {
    return false;
  }
  if (PySequence_Fast_GET_SIZE(items.get()) != type.fixed_length) {
    return refuse("expected " + std::to_string(type.fixed_length) + " items, not " +
                  std::to_string(PySequence_Fast_GET_SIZE(items.get())));
  }
  const std::size_t size =
      item.base == BaseType::kObject ? schema.model().object(item).size_bytes : internal::scalar_size_bytes(item.base);
  for (std::size_t i = 0; i < type.fixed_length; ++i) {
    const Descent descent(*this, {{}, i});
    const Ref element = item_of(items, i);
    if (!element || !fill_struct_field(schema, item, element.get(), out + i * size)) {
      return false;
    }
  }
  return true;
}

uoffset_t TableEncoder::struct_value(const ObjectPlan& plan, PyObject* value) {
  std::vector<std::uint8_t> bytes(plan.model->size_bytes);
  if (!fill_struct(plan, value, bytes.data())) {
    return 0;
  }
  builder_.Align(plan.model->alignment_bytes);
  builder_.PushBytes(bytes.data(), bytes.size());
  return static_cast<uoffset_t>(builder_.GetSize());
}

// -- values outside their table ---------------------------------------------------------------

uoffset_t TableEncoder::reference(SchemaPlan& schema, const TypeRef& type, PyObject* value) {
  switch (type.base) {
    case BaseType::kString:
      return string(value);
    case BaseType::kObject: {
      const ObjectPlan* const inner = schema.object(schema.model().object(type));
      return inner == nullptr ? 0 : table(*inner, value);
    }
    default:
      return vector(schema, type, value);
  }
}

uoffset_t TableEncoder::string(PyObject* value) {
  // Paths are strings in schemas.
  Ref path;
  if (!PyUnicode_Check(value) && !PyBytes_Check(value)) {
    path = Ref::steal(PyOS_FSPath(value));
    if (!path) {
      PyErr_Clear();
      refuse_type("a str, or a path", value);
      return 0;
    }
    value = path.get();
  }
  if (PyBytes_Check(value)) {
    const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(value));
    return check_room(size) ? builder_.CreateString(PyBytes_AS_STRING(value), size).o : 0;
  }
  Py_ssize_t size = 0;
  if (const char* const utf8 = PyUnicode_AsUTF8AndSize(value, &size)) {
    return check_room(static_cast<std::size_t>(size)) ? builder_.CreateString(utf8, static_cast<std::size_t>(size)).o
                                                      : 0;
  }
  PyErr_Clear();  // Lone surrogates stand for bytes of a path that are not UTF-8.
  const Ref bytes = Ref::steal(PyUnicode_AsEncodedString(value, "utf-8", "surrogateescape"));
  if (!bytes) {
    PyErr_Clear();
    refuse(shown(value) + " cannot be written as UTF-8");
    return 0;
  }
  return string(bytes.get());
}

// -- unions -----------------------------------------------------------------------------------

namespace {

/// The name of the union member that a value itself gives; null if it gives none.
Ref member_name_of(SchemaPlan& schema, const EnumModel& members, PyObject* value) {
  if (const ObjectPlan* const plan = plan_of_table(value)) {
    for (const EnumValueModel& member : members.values) {
      if (member.type.base == BaseType::kObject && schema.model().object(member.type).name == plan->model->name) {
        return Ref::steal(PyUnicode_FromString(member.name.c_str()));
      }
    }
    return {};
  }
  if (PyObject_HasAttrString(value, "__dataclass_fields__") || PyObject_HasAttrString(value, "_fields")) {
    return Ref::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(value)), "__name__"));
  }
  return {};
}

std::string member_names(const EnumModel& members) {
  std::string names;
  for (const EnumValueModel& member : members.values) {
    if (member.type.base != BaseType::kNone) {
      names += (names.empty() ? "" : ", ") + member.name;
    }
  }
  return names;
}

}  // namespace

uoffset_t TableEncoder::union_value(SchemaPlan& schema, const TypeRef& type, PyObject* value, PyObject* tag,
                                    std::int64_t& number) {
  const EnumModel& members = schema.model().enumeration(type);
  Ref name;
  Ref inner = Ref::share(value);
  if (tag != nullptr) {
    name = Ref::share(tag);
  } else if (PyTuple_Check(value) && PyTuple_GET_SIZE(value) == 2 && PyUnicode_Check(PyTuple_GET_ITEM(value, 0))) {
    name = Ref::share(PyTuple_GET_ITEM(value, 0));
    inner = Ref::share(PyTuple_GET_ITEM(value, 1));
  } else {
    name = member_name_of(schema, members, value);
    PyErr_Clear();
  }
  if (!name) {
    refuse("is one of " + member_names(members) + "; say which, as in ('" +
           (members.values.size() > 1 ? members.values[1].name : members.name) + "', value)");
    return 0;
  }
  const TypeRef tag_type{BaseType::kUType, BaseType::kNone, type.index, 0};
  if (!enumerator(members, tag_type, name.get(), number)) {
    return 0;
  }
  const EnumValueModel* const member = members.find_value(number);
  if (member == nullptr || member->type.base == BaseType::kNone) {
    refuse("a union of type NONE has no value; leave it out");
    return 0;
  }
  if (member->type.base != BaseType::kObject) {
    return reference(schema, member->type, inner.get());
  }
  const ObjectPlan* const plan = schema.object(schema.model().object(member->type));
  if (plan == nullptr) {
    return 0;
  }
  return plan->model->is_struct ? struct_value(*plan, inner.get()) : table(*plan, inner.get());
}

uoffset_t TableEncoder::union_vector(SchemaPlan& schema, const FieldPlan& field, PyObject* value, PyObject* tags,
                                     uoffset_t& tags_offset) {
  const TypeRef& type = field.model->type;
  const Ref items = sequence(schema.model(), type, value);
  const Ref names = !items || tags == nullptr ? Ref() : sequence(schema.model(), field.tag->type, tags);
  if (!items || (tags != nullptr && !names)) {
    return 0;
  }
  const auto count = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(items.get()));
  if (names && PySequence_Fast_GET_SIZE(names.get()) != static_cast<Py_ssize_t>(count)) {
    refuse("has " + std::to_string(count) + " items, and '" + field.tag->name + "' has " +
           std::to_string(PySequence_Fast_GET_SIZE(names.get())));
    return 0;
  }
  std::vector<flatbuffers::Offset<void>> offsets(count);
  std::vector<std::uint8_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Descent descent(*this, {{}, i});
    const Ref element = item_of(items, i);
    const Ref name = names ? item_of(names, i) : Ref();
    if (!element || (names && !name)) {
      return 0;
    }
    std::int64_t number = 0;
    offsets[i].o =
        union_value(schema, {BaseType::kUnion, BaseType::kNone, type.index, 0}, element.get(), name.get(), number);
    if (offsets[i].o == 0) {
      return 0;
    }
    numbers[i] = static_cast<std::uint8_t>(number);
  }
  if (!check_room(count * 5 + 16)) {
    return 0;
  }
  tags_offset = builder_.CreateVector(numbers.data(), count).o;
  return builder_.CreateVector(offsets.data(), count).o;
}

}  // namespace tenon::python
