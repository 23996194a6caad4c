/// python/native/encode.hpp: encodes Python values as a FlatBuffer of a schema.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include "python/native/ref.hpp"
#include "python/native/schema.hpp"
#include "python/native/shared_buffer.hpp"

namespace tenon::python {

/// Encodes the values of one argument into a builder. Every function returns false, or an offset of 0, with an
/// exception set that names the field by its path. Needs the GIL. Encodes one value after another.
class TableEncoder {
 public:
  /// `what` is the start of each message, usually the task. All references must outlive the encoder. `shared` is a
  /// buffer whose builder is `builder`: if a value is a view of it, the field refers to that memory directly.
  TableEncoder(flatbuffers::FlatBufferBuilder& builder, std::string_view what,
               const SharedBufferObject* shared = nullptr);

  /// Encodes a table from a mapping, a dataclass, a named tuple, or a Table.
  [[nodiscard]] flatbuffers::uoffset_t table(const ObjectPlan& plan, PyObject* value);
  /// Encodes a table from keyword arguments: `values[i]` belongs to the str `names[i]`.
  [[nodiscard]] flatbuffers::uoffset_t table(const ObjectPlan& plan, PyObject* const* names, PyObject* const* values,
                                             std::size_t count);

 private:
  struct Step {
    std::string_view field;  ///< Empty for an index.
    std::size_t index = 0;
  };
  /// Adds a step to the path during its lifetime.
  class Descent {
   public:
    Descent(TableEncoder& encoder, Step step) : encoder_(encoder) { encoder_.path_.push_back(step); }
    Descent(const Descent&) = delete;
    Descent& operator=(const Descent&) = delete;
    ~Descent() { encoder_.path_.pop_back(); }

   private:
    TableEncoder& encoder_;
  };
  using Values = std::vector<Ref>;

  // encode_fields.cpp: which value belongs to which field
  [[nodiscard]] bool gather(const ObjectPlan& plan, PyObject* value, Values& values);
  [[nodiscard]] bool gather_items(const ObjectPlan& plan, PyObject* mapping, Values& values);
  [[nodiscard]] bool gather_attributes(const ObjectPlan& plan, PyObject* value, PyObject* names, Values& values);
  [[nodiscard]] bool gather_table(const ObjectPlan& plan, PyObject* table, Values& values);
  [[nodiscard]] bool place(const ObjectPlan& plan, PyObject* name, Ref value, Values& values);

  // encode.cpp: tables, structs, unions
  [[nodiscard]] flatbuffers::uoffset_t fields(const ObjectPlan& plan, const Values& values);
  [[nodiscard]] bool fill_struct(const ObjectPlan& plan, PyObject* value, std::uint8_t* out);
  [[nodiscard]] bool fill_struct_field(SchemaPlan& schema, const internal::TypeRef& type, PyObject* value,
                                       std::uint8_t* out);
  [[nodiscard]] flatbuffers::uoffset_t reference(SchemaPlan& schema, const internal::TypeRef& type, PyObject* value);
  [[nodiscard]] flatbuffers::uoffset_t union_value(SchemaPlan& schema, const internal::TypeRef& type, PyObject* value,
                                                   PyObject* tag, std::int64_t& number);
  [[nodiscard]] flatbuffers::uoffset_t union_vector(SchemaPlan& schema, const FieldPlan& field, PyObject* values,
                                                    PyObject* tags, flatbuffers::uoffset_t& tags_offset);
  [[nodiscard]] flatbuffers::uoffset_t struct_value(const ObjectPlan& plan, PyObject* value);
  [[nodiscard]] flatbuffers::uoffset_t string(PyObject* value);

  // encode_vector.cpp
  [[nodiscard]] flatbuffers::uoffset_t vector(SchemaPlan& schema, const internal::TypeRef& type, PyObject* value);
  [[nodiscard]] flatbuffers::uoffset_t vector_of_buffer(SchemaPlan& schema, const internal::TypeRef& item,
                                                        PyObject* value);
  [[nodiscard]] flatbuffers::uoffset_t vector_of_fixed(SchemaPlan& schema, const internal::TypeRef& item,
                                                       const Ref& items);
  [[nodiscard]] Ref sequence(const internal::SchemaModel& model, const internal::TypeRef& type, PyObject* value);
  /// Item `i` of a sequence that had `count` items at the start. Null with an exception set if the sequence has shrunk.
  [[nodiscard]] Ref item_of(const Ref& items, std::size_t i);
  /// Reserves a vector of `count` items of `size_bytes` bytes, which must be filled at once. Null with an exception
  /// set.
  [[nodiscard]] std::uint8_t* make_vector(std::size_t count, std::size_t size_bytes, std::size_t alignment_bytes,
                                          flatbuffers::uoffset_t& offset);
  /// Whether there is room for this many more bytes.
  [[nodiscard]] bool check_room(std::size_t size_bytes);

  // encode_scalar.cpp
  [[nodiscard]] bool scalar(SchemaPlan& schema, const internal::TypeRef& type, PyObject* value, std::uint8_t* out);
  [[nodiscard]] bool integer(const internal::TypeRef& type, PyObject* value, std::string_view expected,
                             std::int64_t& result);
  [[nodiscard]] bool enumerator(const internal::EnumModel& model, const internal::TypeRef& type, PyObject* value,
                                std::int64_t& result);
  [[nodiscard]] bool real(const internal::TypeRef& type, PyObject* value, double& result);

  /// Raises tenon.InvalidArgument or InvalidType, with the path at the start of the message. Always returns false.
  bool refuse(const std::string& message);
  bool refuse_type(const std::string& expected, PyObject* value);
  [[nodiscard]] std::string located(const std::string& message) const;

  /// Whether a value is a view of the shared buffer, which is then used up.
  [[nodiscard]] bool take_shared(const Py_buffer& view);

  flatbuffers::FlatBufferBuilder& builder_;
  std::string_view what_;
  const SharedBufferObject* shared_;  ///< Null if there is none, or after it has been used.
  std::size_t max_bytes_;             ///< The size limit of the builder.
  std::vector<Step> path_;
};

/// The repr() of a value for a message, shortened if it is long; never fails.
[[nodiscard]] std::string shown(PyObject* value);

/// "int8": the name of a schema's number type in Python and numpy.
[[nodiscard]] const char* scalar_name(internal::BaseType type) noexcept;

/// Whether `format` of the buffer protocol, with items of `item_bytes`, matches a vector of `type`.
[[nodiscard]] bool format_fits(internal::BaseType type, const char* format, Py_ssize_t item_bytes) noexcept;

}  // namespace tenon::python
