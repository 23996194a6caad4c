/// Writes JSON: strings and records.
#pragma once

#include <string>
#include <string_view>

#include <tenon/types_generated.h>

namespace tenon::rows {

/// Appends `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// `text` as a JSON string with quotes.
std::string json_string(std::string_view text);

/// Appends a number in the shortest form that reads back as the same number; what JSON cannot
/// express (infinite, not a number) becomes null.
void append_json_number(std::string& out, double value);

/// Appends a finite number, so that it does not read as an integer.
void append_json_fraction(std::string& out, double value);

/// Appends the value of a field; null if it has none.
void append_json_value(std::string& out, const tenon::RecordField& field);

/// Appends a record as an object on one line.
void append_json_record(std::string& out, const tenon::Record& record);

}  // namespace tenon::rows
