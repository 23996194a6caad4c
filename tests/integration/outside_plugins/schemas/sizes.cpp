// Uses the generated headers of all schemas and their tables. No test runs this plugin.
#include <tenon/plugin.h>

#include "sizes_generated.h"

static_assert(sizeof(parts::Size) > 0 && sizeof(units::Unit) > 0);

extern "C" const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t* /*worker*/) {
  return nullptr;
}
