/// Shows records as text, for the tests of the plugins that read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/plugin_test.hpp>

#include "rows/json_text.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

inline std::string shown(const Record& record) {
  std::string text;
  rows::append_json_record(text, record);
  return text;
}

/// The records of a session to its end, `step` at a time, each as a line of JSON.
inline std::vector<std::string> records_of(Session& session, std::uint32_t step = 3) {
  std::vector<std::string> records;
  for (;;) {
    const Outcome outcome = session.step(step);
    INFO(outcome.message);
    REQUIRE(outcome.ok());
    for (const Block& result : outcome.results) {
      records.push_back(shown(result.as<Record>()));
    }
    if (outcome.status == TENON_END) {
      return records;
    }
  }
}

}  // namespace tenon::test
