/// Makes items for the tests of the plugin `probe`.
#pragma once

#include <cstdint>
#include <string>

#include <tenon/plugin_test.hpp>

#include "probe_generated.h"

inline tenon::test::Block item(std::int64_t value, const std::string& text = {}) {
  probe::ItemT native;
  native.value = value;
  native.text = text;
  return native;
}
