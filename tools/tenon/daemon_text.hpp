/// What a daemon answers, for people and for machines.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include <tenon/serve_generated.h>

namespace tenon::cli {

[[nodiscard]] nlohmann::ordered_json to_json(const serve::StatusT& status);
[[nodiscard]] nlohmann::ordered_json to_json(const serve::PipelineT& pipeline);
[[nodiscard]] nlohmann::ordered_json to_json(const serve::GenerationT& generation);
[[nodiscard]] nlohmann::ordered_json to_json(const serve::SwappedT& swapped);
[[nodiscard]] nlohmann::ordered_json to_json(const serve::EventT& event);

[[nodiscard]] std::string to_text(const serve::StatusT& status);
/// Name, state and counts in one line, with a newline.
[[nodiscard]] std::string to_text(const serve::PipelineT& pipeline);
[[nodiscard]] std::string to_text(const serve::GenerationT& generation);
/// `shadow`: that was the trial that was asked for.
[[nodiscard]] std::string to_text(const serve::SwappedT& swapped, bool shadow = false);
[[nodiscard]] std::string to_text(const serve::EventT& event);

}  // namespace tenon::cli
