// Fuzzes the static reader of plugin files: a plugin directory may contain any file.
#include "plugin/manifest_reader.hpp"
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)tenon::internal::parse_manifest({data, size}, "tenon");
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  // Only the headers and the section table are parsed; without the rest of a large file, mutations
  // hit them more often.
  return {plugin_bytes("tenon"), std::string("\x7f"
                                             "ELF",
                                             4)};
}
