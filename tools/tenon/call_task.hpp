/// Runs one task of each kind for `tenon call`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/runtime.hpp>

#include "tools/tenon/command.hpp"
#include "tools/tenon/failure.hpp"
#include "tools/tenon/json_input.hpp"
#include "tools/tenon/progress.hpp"

namespace tenon::cli {

/// What a call needs, whatever its kind.
struct TaskCall {
  Context& context;
  Runtime& runtime;
  TaskRef task;
  BytesView params;
  StatusLine& status;
};

/// Gives the arguments of a reduce one after another; nullopt after the last.
using NextArgument = std::function<Outcome<std::optional<Buffer>>()>;
/// Takes a result; false when no more are wanted.
using TakeResult = std::function<Outcome<bool>(const Reply&)>;

/// Errors: those of the call, as ExitCode::kFailed; interrupted.
[[nodiscard]] Outcome<Reply> call_plain(TaskCall& call, BytesView argument);
[[nodiscard]] Outcome<void> call_source(TaskCall& call, BytesView argument, const TakeResult& take);
[[nodiscard]] Outcome<Reply> call_reduce(TaskCall& call, const NextArgument& next);

}  // namespace tenon::cli
