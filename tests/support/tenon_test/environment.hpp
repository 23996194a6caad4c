/// Isolates a test from settings of the user, the shell or the service manager.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tenon_test/temporary_directory.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): some C libraries do not declare it.

namespace tenon::test {

/// Unsets the variables that tenon reads in this process and its children. Only the location of the
/// cache is set, to a separate directory. [setup]
class OwnEnvironment {
 public:
  OwnEnvironment() {
    std::vector<std::string> names = {"NO_COLOR", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"};
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view variable(*entry);
      if (variable.starts_with("TENON_")) {
        names.emplace_back(variable.substr(0, variable.find('=')));
      }
    }
    for (const std::string& name : names) {
      ::unsetenv(name.c_str());
    }
    ::setenv("XDG_CACHE_HOME", cache_.path().c_str(), 1);
  }

 private:
  TemporaryDirectory cache_;
};

}  // namespace tenon::test
