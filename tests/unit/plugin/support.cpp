#include "support.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include <flatbuffers/idl.h>
#include "tenon_test/paths.hpp"

namespace tenon::test {

Buffer bytes_of_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return Buffer(std::istreambuf_iterator<char>(stream), {});
}

void write_bytes(const std::filesystem::path& file, BytesView content) {
  std::ofstream stream(file, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
}

Schema sample_schema() {
  return *Schema::from_binary(bytes_of_file(sample_schema_file()), "sample");
}

Buffer compile_schema(const std::string& text) {
  flatbuffers::IDLOptions options;
  options.binary_schema_comments = true;
  options.binary_schema_builtins = true;
  flatbuffers::Parser parser(options);
  const std::string include = source_dir().string() + "/schemas";
  const char* includes[] = {include.c_str(), nullptr};
  if (!parser.Parse(text.c_str(), includes)) {
    throw std::runtime_error(parser.error_);
  }
  parser.Serialize();
  return Buffer(parser.builder_.GetBufferPointer(), parser.builder_.GetBufferPointer() + parser.builder_.GetSize());
}

}  // namespace tenon::test
