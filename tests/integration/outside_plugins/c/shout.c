/* A plugin in plain C, without a FlatBuffers library: it reads the few bytes it needs, and checks
   each step. */
#include <stdlib.h>
#include <string.h>

#include <tenon/plugin.h>

static uint32_t read_u32(const uint8_t* at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}
static uint32_t read_u16(const uint8_t* at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

/* Returns the position of the first field (id 0) of the root table, `size_bytes` bytes wide; 0 if it
   is absent, UINT64_MAX if the bytes are broken. */
static uint64_t first_field(tenon_bytes_t bytes, uint64_t size_bytes) {
  if (bytes.data == NULL || bytes.size_bytes < 12) {
    return UINT64_MAX;
  }
  const uint64_t table = read_u32(bytes.data);
  if (table > bytes.size_bytes - 4) {
    return UINT64_MAX;
  }
  const int64_t vtable = (int64_t)table - (int32_t)read_u32(bytes.data + table);
  if (vtable < 0 || (uint64_t)vtable > bytes.size_bytes - 4) {
    return UINT64_MAX;
  }
  const uint32_t vtable_size = read_u16(bytes.data + vtable);
  if (vtable_size < 4 || vtable_size > bytes.size_bytes - (uint64_t)vtable) {
    return UINT64_MAX;
  }
  const uint32_t offset = vtable_size >= 6 ? read_u16(bytes.data + vtable + 4) : 0;
  if (offset == 0) {
    return 0;
  }
  return offset + size_bytes <= bytes.size_bytes - table ? table + offset : UINT64_MAX;
}

static tenon_status_t upper(tenon_call_t* call) {
  const tenon_bytes_t argument = call->argument;
  uint64_t field = first_field(argument, 4);
  uint64_t begin = 0;
  uint64_t size = 0;
  if (field != UINT64_MAX && field != 0) {
    begin = field + read_u32(argument.data + field);
    if (begin <= argument.size_bytes - 4) {
      size = read_u32(argument.data + begin);
      begin += 4;
      field = size <= argument.size_bytes - begin ? field : UINT64_MAX;
    } else {
      field = UINT64_MAX;
    }
  }
  if (field == UINT64_MAX) {
    return call->functions->fail(call, TENON_CORRUPT, "the argument does not verify as tenon.Bytes");
  }
  /* The same FlatBuffer with other letters. The block's size is a multiple of 16, so that the copy
     keeps its alignment. */
  uint8_t* result = NULL;
  const tenon_status_t status = call->functions->reserve(call, (argument.size_bytes + 15) / 16 * 16, &result);
  if (status != TENON_OK) {
    return call->functions->fail(call, status, call->functions->last_error(call));
  }
  memcpy(result, argument.data, argument.size_bytes);
  for (uint64_t i = begin; i < begin + size; ++i) {
    if (result[i] >= 'a' && result[i] <= 'z') {
      result[i] = (uint8_t)(result[i] - 'a' + 'A');
    }
  }
  return call->functions->commit(call, result, argument.size_bytes);
}

typedef struct {
  uint64_t left;
} blanks_t;

static tenon_status_t blanks_open(tenon_call_t* call, void** session) {
  const uint64_t field = first_field(call->argument, 8);
  if (field == UINT64_MAX) {
    return call->functions->fail(call, TENON_CORRUPT, "the argument does not verify as tenon.Number");
  }
  blanks_t* blanks = malloc(sizeof(*blanks));
  if (blanks == NULL) {
    return TENON_OUT_OF_MEMORY;
  }
  blanks->left = 0;
  if (field != 0) {
    const uint8_t* at = call->argument.data + field;
    blanks->left = (uint64_t)read_u32(at) | (uint64_t)read_u32(at + 4) << 32;
  }
  if (call->checkpoint.data != NULL && call->checkpoint.size_bytes == sizeof(blanks->left)) {
    memcpy(&blanks->left, call->checkpoint.data, sizeof(blanks->left));
  }
  *session = blanks;
  return TENON_OK;
}

static tenon_status_t commit_copy(tenon_call_t* call, const void* data, uint64_t size_bytes) {
  uint8_t* block = NULL;
  const tenon_status_t status = call->functions->reserve(call, 16, &block);
  if (status != TENON_OK) {
    return call->functions->fail(call, status, call->functions->last_error(call));
  }
  memcpy(block, data, size_bytes);
  return call->functions->commit(call, block, size_bytes);
}

static tenon_status_t blanks_step(tenon_call_t* call, void* session) {
  /* A FlatBuffer whose root is a table without fields. */
  static const uint8_t empty[12] = {8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0};
  blanks_t* blanks = session;
  for (uint32_t i = 0; i < call->max_results && blanks->left > 0; ++i, --blanks->left) {
    const tenon_status_t status = commit_copy(call, empty, sizeof(empty));
    if (status != TENON_OK) {
      return status;
    }
  }
  return blanks->left > 0 ? TENON_OK : TENON_END;
}

static tenon_status_t blanks_checkpoint(tenon_call_t* call, void* session) {
  const blanks_t* blanks = session;
  return commit_copy(call, &blanks->left, sizeof(blanks->left));
}

static void blanks_close(void* session) {
  free(session);
}

static const tenon_task_t tasks[] = {
    {.size_bytes = sizeof(tenon_task_t),
     .kind = TENON_TASK_PLAIN,
     .name = "upper",
     .argument_type = "tenon.Bytes",
     .result_type = "tenon.Bytes",
     .run = upper},
    {.size_bytes = sizeof(tenon_task_t),
     .kind = TENON_TASK_SOURCE,
     .name = "blanks",
     .argument_type = "tenon.Number",
     .result_type = "tenon.Empty",
     .open = blanks_open,
     .step = blanks_step,
     .checkpoint = blanks_checkpoint,
     .close = blanks_close},
};

static const tenon_plugin_t plugin = {
    .size_bytes = sizeof(tenon_plugin_t),
    .task_count = sizeof(tasks) / sizeof(tasks[0]),
    .manifest = &tenon_manifest,
    .tasks = tasks,
};

const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t* worker) {
  (void)worker;
  return &plugin;
}
