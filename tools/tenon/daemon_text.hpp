/// Formats replies of a daemon, for people and for machines.
#pragma once

#include <string>

#include <tenon/serve_generated.h>

#include "base/json.hpp"

namespace tenon::cli {

[[nodiscard]] internal::Json to_json(const serve::StatusT& status);
[[nodiscard]] internal::Json to_json(const serve::PipelineT& pipeline);
[[nodiscard]] internal::Json to_json(const serve::GenerationT& generation);
[[nodiscard]] internal::Json to_json(const serve::SwappedT& swapped);
[[nodiscard]] internal::Json to_json(const serve::EventT& event);

[[nodiscard]] std::string to_text(const serve::StatusT& status);
/// Returns name, state and counts in one line, with a newline.
[[nodiscard]] std::string to_text(const serve::PipelineT& pipeline);
[[nodiscard]] std::string to_text(const serve::GenerationT& generation);
/// `shadow`: whether the requested trial was a shadow.
[[nodiscard]] std::string to_text(const serve::SwappedT& swapped, bool shadow = false);
[[nodiscard]] std::string to_text(const serve::EventT& event);

}  // namespace tenon::cli
