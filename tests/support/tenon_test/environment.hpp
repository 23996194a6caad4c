/// Keeps what a user, a shell or a service manager has set away from a test.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tenon_test/temporary_directory.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): some C libraries do not declare it.

namespace tenon::test {

/// The variables that tenon reads are unset in this process and its children, but for the place of the cache, which is
/// a directory of its own. [setup]
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
