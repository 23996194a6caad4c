/// table_writer.hpp: converts Python objects to FlatBuffers.
#pragma once

#include "python/codec/python_api.hpp"

#include <string>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include "table_plan.hpp"

namespace py {

/// Writes one result. On errors, functions return 0 or false with a Python exception (TypeError,
/// ValueError, OverflowError) that names the location of the wrong value in the result.
class TableWriter {
 public:
  explicit TableWriter(flatbuffers::FlatBufferBuilder& builder) : builder_(builder) {}

  /// Writes a table from an object of the plan's class.
  [[nodiscard]] flatbuffers::uoffset_t object(const TablePlan& plan, PyObject* object);
  /// Writes a table whose only field set is its first one, `value`.
  [[nodiscard]] flatbuffers::uoffset_t value(const TablePlan& plan, PyObject* value);

 private:
  struct Step {
    const char* field;  ///< Null for an item of a list.
    Py_ssize_t index;
  };

  [[nodiscard]] flatbuffers::uoffset_t fields(const TablePlan& plan, const std::vector<Ref>& values);
  [[nodiscard]] flatbuffers::uoffset_t reference(const FieldPlan& field, PyObject* value);
  [[nodiscard]] flatbuffers::uoffset_t string(PyObject* value);
  [[nodiscard]] flatbuffers::uoffset_t vector(const FieldPlan& field, PyObject* value);
  [[nodiscard]] flatbuffers::uoffset_t octets(PyObject* value);
  [[nodiscard]] bool scalar(reflection::BaseType type, const EnumPlan* enumeration, PyObject* value, std::uint8_t* out);
  [[nodiscard]] bool integer(reflection::BaseType type, PyObject* value, std::uint8_t* out);
  bool has_room(std::size_t size_bytes);
  [[nodiscard]] std::string where() const;
  bool refuse_type(const char* wanted, PyObject* value);

  flatbuffers::FlatBufferBuilder& builder_;
  std::vector<Step> path_;
};

}  // namespace py
