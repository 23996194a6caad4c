/// Calls the plugin's tasks with pictures in memory.
#pragma once

#include <span>
#include <string>

#include <tenon/types_generated.h>
#include <tenon/plugin_test.hpp>

#include "image_generated.h"
#include "pictures.hpp"

namespace tenon::test {

/// The modification time of each File that file_of makes.
inline constexpr std::int64_t kModifiedNs = 123;
inline constexpr std::uint32_t kMode = 0640;

/// Returns a File with data, even if the data is empty: otherwise the field would be absent.
inline Block file_of(const FileBytes& bytes, const std::string& path = "in/picture.bin",
                     const std::string& relative_path = {}) {
  flatbuffers::FlatBufferBuilder builder;
  const auto data = builder.CreateVector(bytes);
  const auto path_offset = builder.CreateString(path);
  const auto relative_offset = builder.CreateString(relative_path);
  builder.Finish(
      CreateFile(builder, path_offset, relative_offset, bytes.size(), kModifiedNs, kMode, FileKind::Regular, 0, data));
  return Block(builder);
}

inline std::span<const std::uint8_t> data_of(const Outcome& outcome) {
  const auto* data = outcome.as<tenon::File>().data();
  return {data->data(), data->size()};
}

inline Canvas picture_of(const Outcome& outcome) {
  return decode(data_of(outcome));
}

/// Makes a thumbnail of `edge` pixels.
inline Outcome thumbnail(Worker& worker, FileBytes bytes, std::uint32_t edge) {
  image::ThumbnailParamsT params;
  params.edge = edge;
  return worker.call("thumbnail", file_of(std::move(bytes)), params);
}

/// Returns the whole picture as PNG: the pixels as the plugin decodes them.
inline Outcome to_png(Worker& worker, FileBytes bytes) {
  return worker.call("convert", file_of(std::move(bytes)));
}

}  // namespace tenon::test
