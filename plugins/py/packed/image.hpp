/// image.hpp: the data that packing writes after the template: manifest, schema and files.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <flatbuffers/reflection_generated.h>

#include <tenon/plugin.h>

namespace py {

/// One file of the plugin. The file without a name describes the tasks.
struct PackedFile {
  std::string_view name;
  std::span<const std::uint8_t> content;
};

/// The plugin's manifest; null in a template into which nothing was packed.
const tenon_manifest_t* packed_manifest() noexcept;
/// The schema after a manifest.
const reflection::Schema& packed_schema(const tenon_manifest_t& manifest) noexcept;
/// The files after the schema. Throws tenon::TaskError: TENON_CORRUPT.
std::vector<PackedFile> packed_files(const tenon_manifest_t& manifest);

}  // namespace py
