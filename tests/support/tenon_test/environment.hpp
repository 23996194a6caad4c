/// Isolates a test from settings of the user, the shell or the service manager.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tenon_test/temporary_directory.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): some C libraries do not declare it.

namespace tenon::test {

/// Replaces the user's settings in this process and its children: the variables that tenon reads, the
/// locale, the time zone, and the directories of the user, which are separate and empty. [setup]
class OwnEnvironment {
 public:
  OwnEnvironment() {
    std::vector<std::string> names = {"NO_COLOR",       "NOTIFY_SOCKET",   "WATCHDOG_USEC",   "WATCHDOG_PID",
                                      "JOURNAL_STREAM", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
                                      "LANG",           "LANGUAGE"};
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view variable(*entry);
      if (variable.starts_with("TENON_") || variable.starts_with("LC_")) {
        names.emplace_back(variable.substr(0, variable.find('=')));
      }
    }
    for (const std::string& name : names) {
      ::unsetenv(name.c_str());
    }
    ::setenv("XDG_CACHE_HOME", cache_.path().c_str(), 1);
    ::setenv("HOME", home_.path().c_str(), 1);
    ::setenv("TZ", "UTC0", 1);  // Without it, the machine's own zone applies.
  }

 private:
  TemporaryDirectory cache_;
  TemporaryDirectory home_;
};

}  // namespace tenon::test
