/// What every fuzz target provides. The same function is driven by libFuzzer (preset `fuzz`, clang) and by replay.cpp,
/// which runs seeds and a fixed number of their mutations in the ordinary suite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Takes any bytes. Must not crash, hang or leak; what it returns is ignored.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tenon::fuzz {

/// Inputs to begin with.
std::vector<std::string> seeds();

/// A plugin of this build, whole, as bytes.
std::string plugin_bytes(std::string_view name);
std::string read_file(const std::filesystem::path& file);

}  // namespace tenon::fuzz
