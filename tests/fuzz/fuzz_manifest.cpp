// The static reader of plugin files: what it reads may be anything that lies in a plugin directory.
#include "plugin/manifest_reader.hpp"
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)tenon::internal::parse_manifest({data, size}, "tenon");
  return 0;
}

std::vector<std::string> tenon::fuzz::seeds() {
  // Headers and the section table are what is parsed; mutations hit them more often without the rest of a large file.
  return {plugin_bytes("tenon"), std::string("\x7f"
                                             "ELF",
                                             4)};
}
