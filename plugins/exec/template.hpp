/// Templates of arguments: text with names in braces.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace exec {

/// Returns the value of a name; nullopt if there is no such name.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

/// How values are inserted.
enum class Quoting {
  kNone,
  kShell  ///< As one word of /bin/sh.
};

/// Replaces each `{name}`; `{{` and `}}` stand for braces. `what` names the template in messages, as
/// in "`argv`". Throws TaskError TENON_INVALID_ARGUMENT for an unknown name, a brace without its
/// partner, or a value with a zero byte, which no argument can contain.
std::string expand(std::string_view text, const Lookup& lookup, Quoting quoting, std::string_view what);

/// `text` as one word of /bin/sh.
std::string shell_word(std::string_view text);

}  // namespace exec
