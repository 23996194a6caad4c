#include "tools/tenon/json_output.hpp"

namespace tenon::cli {

std::string dump(const Json& document) {
  return internal::json_text(document) + '\n';
}

std::string dump_line(const Json& document) {
  return internal::json_text(document, -1) + '\n';
}

}  // namespace tenon::cli
