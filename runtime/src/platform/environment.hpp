/// The environment of this process.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <tenon/error.hpp>

namespace tenon::internal {

/// An environment variable; nullopt if it is not set. [any-thread] while nothing changes the
/// environment.
[[nodiscard]] std::optional<std::string> get_environment(const std::string& name);

/// The whole environment, as "NAME=value". [any-thread] while nothing changes the environment.
[[nodiscard]] std::vector<std::string> environment_entries();

/// Splits a search path (':' on Linux) and drops empty parts. [any-thread]
[[nodiscard]] std::vector<std::filesystem::path> split_search_path(const std::string& value);

/// HOME if it is absolute, otherwise the user database's entry; empty if there is none.
/// [any-thread]
[[nodiscard]] std::filesystem::path home_directory();

/// $XDG_CACHE_HOME/tenon, otherwise ~/.cache/tenon; empty if there is no home directory. Not
/// created. [any-thread]
[[nodiscard]] std::filesystem::path cache_directory();

/// Absolute path of the running executable. Errors: kIo. [any-thread]
[[nodiscard]] Result<std::filesystem::path> executable_path();

/// Absolute path, with links resolved, of the file (library or executable) that contains `address`.
/// Errors: kNotFound. [any-thread]
[[nodiscard]] Result<std::filesystem::path> module_path(const void* address);

}  // namespace tenon::internal
