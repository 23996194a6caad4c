/// The functions of every fuzz target. libFuzzer (preset `fuzz`, clang) and replay.cpp call the
/// same function; replay.cpp runs seeds and a fixed number of their mutations in the ordinary
/// suite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Takes any bytes. It must not crash, hang or leak; the result is ignored.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tenon::fuzz {

/// Returns the initial inputs.
std::vector<std::string> seeds();

/// Returns a complete plugin file of this build.
std::string plugin_bytes(std::string_view name);
std::string read_file(const std::filesystem::path& file);

}  // namespace tenon::fuzz
