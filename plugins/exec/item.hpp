/// The names that an item has in templates, and its form as standard input.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tenon/types_generated.h>

namespace exec {

/// A field of a file, or a part of its path: `path`, `relative_path`, `name`, `parent` (with its
/// slash), `stem`, `extension` (with its dot), `size_bytes`, `mtime_ns`, `mode`; GNU parallel's
/// names ``, `.`, `/`, `//`, `/.`. nullopt for other names.
std::optional<std::string> value_of(const tenon::File& file, std::string_view name);

/// `text`, `origin`, `number`; GNU parallel's names, applied to the text.
std::optional<std::string> value_of(const tenon::Line& line, std::string_view name);

/// A field of a record; null is empty.
std::optional<std::string> value_of(const tenon::Record& record, std::string_view name);

/// What messages call the item.
std::string name_of(const tenon::File& file);
std::string name_of(const tenon::Line& line);
std::string name_of(const tenon::Record& record);

/// The line with a line ending.
std::string input_of(const tenon::Line& line);
/// The record as a line of JSON.
std::string input_of(const tenon::Record& record);

}  // namespace exec
