#include <string>

#include <nlohmann/json.hpp>

#include <tenon/pipeline.hpp>

#include "pipeline/report_json.hpp"

namespace tenon {

std::string_view run_end_name(RunReport::End end) noexcept {
  switch (end) {
    case RunReport::End::kDone:
      return "done";
    case RunReport::End::kInterrupted:
      return "interrupted";
    case RunReport::End::kFailed:
      return "failed";
    case RunReport::End::kRunning:
      return "running";
  }
  return "failed";
}

std::string RunReport::to_json() const {
  return internal::json_text(internal::to_json(*this)) + '\n';
}

}  // namespace tenon
