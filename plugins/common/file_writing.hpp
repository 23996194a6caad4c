/// Creates directories and writes bytes, with errors that say what to do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/poll.hpp"

namespace tenon::plugins {

/// What to do about an error of the operating system while writing; empty if nothing is known.
/// `param` is the param that says where to write.
std::string advice_on_writing(int os_code, std::string_view param);

/// Creates `directory` and its missing parents. Throws TaskError as throw_os_error.
void make_directories(const std::string& directory, std::string_view param);

/// Writes all of `data` at the file's position. `shown` is its path for messages. Throws TaskError
/// as throw_os_error; exceptions of `poll`, which is called once per MiB.
void write_all(int file, std::span<const std::uint8_t> data, const std::string& shown, std::string_view param,
               const Poll& poll);

}  // namespace tenon::plugins
