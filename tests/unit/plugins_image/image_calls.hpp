/// Calls of the plugin's tasks with pictures in memory.
#pragma once

#include <span>
#include <string>

#include <tenon/types_generated.h>
#include <tenon/plugin_test.hpp>

#include "image_generated.h"
#include "pictures.hpp"

namespace tenon::test {

inline tenon::FileT file_of(FileBytes bytes, std::string path = "in/picture.bin") {
  tenon::FileT file;
  file.path = std::move(path);
  file.data = std::move(bytes);
  return file;
}

inline std::span<const std::uint8_t> data_of(const Outcome& outcome) {
  const auto* data = outcome.as<tenon::File>().data();
  return {data->data(), data->size()};
}

inline Canvas picture_of(const Outcome& outcome) {
  return decode(data_of(outcome));
}

/// A thumbnail of `edge` pixels.
inline Outcome thumbnail(Worker& worker, FileBytes bytes, std::uint32_t edge) {
  image::ThumbnailParamsT params;
  params.edge = edge;
  return worker.call("thumbnail", file_of(std::move(bytes)), params);
}

/// The whole picture as PNG: the pixels as the plugin sees them.
inline Outcome to_png(Worker& worker, FileBytes bytes) {
  return worker.call("convert", file_of(std::move(bytes)));
}

}  // namespace tenon::test
