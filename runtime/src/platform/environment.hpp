/// What surrounds this process.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <tenon/error.hpp>

namespace tenon::internal {

/// An environment value; nullopt when it is not set. [any-thread] as long as nothing changes the environment
[[nodiscard]] std::optional<std::string> get_environment(const std::string& name);

/// All of the environment, as "NAME=value". [any-thread] as long as nothing changes the environment
[[nodiscard]] std::vector<std::string> environment_entries();

/// Splits a search path (':' here) and drops empty parts. [any-thread]
[[nodiscard]] std::vector<std::filesystem::path> split_search_path(const std::string& value);

/// HOME when it is absolute, else the user database's entry; empty when there is none. [any-thread]
[[nodiscard]] std::filesystem::path home_directory();

/// $XDG_CACHE_HOME/tenon, else ~/.cache/tenon; empty when there is no home. Not created. [any-thread]
[[nodiscard]] std::filesystem::path cache_directory();

/// The running executable, absolute. Errors: kIo. [any-thread]
[[nodiscard]] Result<std::filesystem::path> executable_path();

/// The file (library or executable) that holds `address`, absolute, links resolved. Errors: kNotFound. [any-thread]
[[nodiscard]] Result<std::filesystem::path> module_path(const void* address);

}  // namespace tenon::internal
