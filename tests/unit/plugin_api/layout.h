/* The layout of ABI version 1 on a 64-bit machine. A change here breaks every plugin that exists. */
#include <tenon/plugin.h>

#ifdef __cplusplus
#define LAYOUT_ASSERT static_assert
#else
#define LAYOUT_ASSERT _Static_assert
#endif

#define LAYOUT_SIZE(type, size, minimum) \
  LAYOUT_ASSERT(sizeof(type) == (size) && (minimum) <= sizeof(type), "size of " #type)
#define LAYOUT_OFFSET(type, member, offset) \
  LAYOUT_ASSERT(offsetof(type, member) == (offset), "offset of " #type "." #member)

#if UINTPTR_MAX == UINT64_MAX
LAYOUT_SIZE(tenon_manifest_t, 124, TENON_MANIFEST_MIN_SIZE);
LAYOUT_OFFSET(tenon_manifest_t, size_bytes, 8);
LAYOUT_OFFSET(tenon_manifest_t, abi_major, 12);
LAYOUT_OFFSET(tenon_manifest_t, abi_minor, 14);
LAYOUT_OFFSET(tenon_manifest_t, pointer_bits, 16);
LAYOUT_OFFSET(tenon_manifest_t, endianness, 17);
LAYOUT_OFFSET(tenon_manifest_t, sanitizer, 18);
LAYOUT_OFFSET(tenon_manifest_t, schema_offset_bytes, 20);
LAYOUT_OFFSET(tenon_manifest_t, schema_size_bytes, 24);
LAYOUT_OFFSET(tenon_manifest_t, name, 28);
LAYOUT_OFFSET(tenon_manifest_t, version, 92);
LAYOUT_ASSERT(TENON_MANIFEST_MIN_SIZE == 124, "minimum");

LAYOUT_SIZE(tenon_bytes_t, 16, 16u);
LAYOUT_SIZE(tenon_call_functions_t, 88, TENON_CALL_FUNCTIONS_MIN_SIZE);
LAYOUT_ASSERT(TENON_CALL_FUNCTIONS_MIN_SIZE == 88, "minimum");
LAYOUT_OFFSET(tenon_call_functions_t, poll, 8);
LAYOUT_OFFSET(tenon_call_functions_t, fail, 32);
LAYOUT_OFFSET(tenon_call_functions_t, reserve, 40);
LAYOUT_OFFSET(tenon_call_functions_t, commit, 56);
LAYOUT_OFFSET(tenon_call_functions_t, invoke, 72);
LAYOUT_OFFSET(tenon_call_functions_t, last_error, 80);

LAYOUT_SIZE(tenon_call_t, 104, TENON_CALL_MIN_SIZE);
LAYOUT_ASSERT(TENON_CALL_MIN_SIZE == 104, "minimum");
LAYOUT_OFFSET(tenon_call_t, functions, 8);
LAYOUT_OFFSET(tenon_call_t, argument, 16);
LAYOUT_OFFSET(tenon_call_t, params, 32);
LAYOUT_OFFSET(tenon_call_t, checkpoint, 48);
LAYOUT_OFFSET(tenon_call_t, deadline_ns, 64);
LAYOUT_OFFSET(tenon_call_t, call_id, 72);
LAYOUT_OFFSET(tenon_call_t, max_results, 80);
LAYOUT_OFFSET(tenon_call_t, state, 88);
LAYOUT_OFFSET(tenon_call_t, worker_data, 96);

LAYOUT_SIZE(tenon_worker_t, 40, TENON_WORKER_MIN_SIZE);
LAYOUT_ASSERT(TENON_WORKER_MIN_SIZE == 40, "minimum");
LAYOUT_OFFSET(tenon_worker_t, worker_id, 8);
LAYOUT_OFFSET(tenon_worker_t, log, 16);

LAYOUT_SIZE(tenon_task_t, 80, TENON_TASK_MIN_SIZE);
LAYOUT_ASSERT(TENON_TASK_MIN_SIZE == 80, "minimum");
LAYOUT_OFFSET(tenon_task_t, name, 8);
LAYOUT_OFFSET(tenon_task_t, run, 40);
LAYOUT_OFFSET(tenon_task_t, close, 72);

LAYOUT_SIZE(tenon_plugin_t, 56, TENON_PLUGIN_MIN_SIZE);
LAYOUT_ASSERT(TENON_PLUGIN_MIN_SIZE == 56, "minimum");
LAYOUT_OFFSET(tenon_plugin_t, manifest, 8);
LAYOUT_OFFSET(tenon_plugin_t, tasks, 16);
LAYOUT_OFFSET(tenon_plugin_t, extension, 48);
#endif
