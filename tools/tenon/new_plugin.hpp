/// `tenon new`: writes the start of a plugin or a pipeline.
#pragma once

#include <string>
#include <vector>

#include "tools/tenon/command.hpp"

namespace tenon::cli {

Outcome<ExitCode> new_command(Context& context, const std::vector<std::string>& arguments);

}  // namespace tenon::cli
