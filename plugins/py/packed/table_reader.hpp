/// table_reader.hpp: converts FlatBuffers to Python objects.
#pragma once

#include "python/codec/python_api.hpp"

#include <span>
#include <string>
#include <string_view>

#include "python/codec/decoder.hpp"
#include "table_plan.hpp"

namespace py {

using tenon::python::ObjectVector;

/// The table in `bytes`, verified as far as `plan` requires; null for absent bytes, which stand for
/// default values. `what` and `whose` name it in the message. Throws tenon::TaskError:
/// TENON_CORRUPT.
const flatbuffers::Table* verified_table(const TablePlan& plan, std::span<const std::uint8_t> bytes,
                                         std::string_view what, const std::string& whose);

/// Creates an object of the plan's class from a verified table or null. Null with a Python
/// exception.
[[nodiscard]] Ref read_object(const TablePlan& plan, const flatbuffers::Table* table);

/// Appends the fields of a verified table, or of null, to `values`, and their names to `names`,
/// which is a tuple or null if it is empty so far. False with a Python exception.
[[nodiscard]] bool read_fields(const TablePlan& plan, const flatbuffers::Table* table, ObjectVector& values,
                               Ref& names);

}  // namespace py
