/// Names of files, as bytes.
#pragma once

#include <string>
#include <string_view>

#include <flatbuffers/flatbuffers.h>

namespace tenon::plugins {

/// A string of a table; empty when it is absent. Valid as long as the table.
inline std::string_view view(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

/// The part after the last slash.
std::string_view base_name(std::string_view path) noexcept;

/// The extension without its dot, with ASCII letters in lower case; empty if there is none, as in
/// `Makefile`, `.profile`, `name.`.
std::string extension_of(std::string_view path);

/// The same with its dot and in its own case: `.PNG`.
std::string_view dotted_extension(std::string_view path) noexcept;

/// `path` with its extension, if any, replaced: `a/b.PNG`, `-small`, `jpg` becomes `a/b-small.jpg`.
std::string with_extension(std::string_view path, std::string_view suffix, std::string_view extension);

}  // namespace tenon::plugins
