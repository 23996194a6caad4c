// A shared library with a manifest but without an entry.
#include <tenon/plugin.h>

const tenon_manifest_t* no_entry_manifest(void);
const tenon_manifest_t* no_entry_manifest(void) {
  return &tenon_manifest;
}
