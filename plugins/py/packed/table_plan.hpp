/// table_plan.hpp: the tables of a plugin's schema, prepared for Python.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <flatbuffers/reflection_generated.h>

namespace py {

using tenon::python::Ref;

/// Bytes of a value in a table or a vector: of a number, or of the offset of what lies elsewhere.
[[nodiscard]] std::size_t size_of(reflection::BaseType type) noexcept;

/// The value that Python gets for an absent field. WIRE: runtime/python/tenon/_packed.py has the
/// same numbers, which are stored in packed plugins.
enum class Absent : std::uint8_t {
  kDefault = 0,  ///< The schema's default.
  kNone = 1,
  kOmit = 2,    ///< Nothing is passed, so that the default of the Python code applies.
  kHidden = 3,  ///< The field is not visible to Python.
};

struct EnumPlan {
  std::string name;
  Ref members;  ///< dict: number to member.
  Ref numbers;  ///< dict: member to number.
};

struct TablePlan;

struct FieldPlan {
  Ref name;  ///< An interned str.
  const char* text = nullptr;
  reflection::BaseType type = reflection::None;
  reflection::BaseType element = reflection::None;
  std::uint16_t offset = 0;
  Absent absent = Absent::kDefault;
  bool required = false;
  bool optional = false;
  std::int64_t default_integer = 0;
  double default_real = 0;
  const TablePlan* table = nullptr;       ///< For a table or a vector of tables.
  const EnumPlan* enumeration = nullptr;  ///< For an enum or a vector of enums.
};

struct TablePlan {
  std::string name;
  Ref type;                       ///< The dataclass; null for a table that stands for parameters.
  std::vector<FieldPlan> fields;  ///< Sorted by id; only those visible to Python.
  Ref names;                      ///< tuple: the names of `fields`.
};

/// The plans of one plugin. Created once, with the GIL. Valid as long as the schema's bytes.
class Plans {
 public:
  /// Converts the return value of `_packed.load`. Throws tenon::TaskError if it does not match the
  /// schema.
  Plans(const reflection::Schema& schema, PyObject* tables, PyObject* enums);
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;

  /// The plan of a table. Throws tenon::TaskError if there is none.
  [[nodiscard]] const TablePlan& table(std::string_view name) const;

 private:
  void fill(const reflection::Schema& schema, TablePlan& plan, PyObject* absent);
  [[nodiscard]] const EnumPlan& enumeration(std::string_view name) const;

  // Lists, because plans point to each other.
  std::list<TablePlan> tables_;
  std::list<EnumPlan> enums_;
};

}  // namespace py
