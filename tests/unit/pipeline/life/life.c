/* Each function of the tasks passes a point: "count.open", "count.step", "count.checkpoint", "count.close", the same
 * for "spread" and "sum" (with "sum.finish"), and "pass.run". Passes are counted over all processes, in files of the
 * directory LIFE_DIR.
 *
 *   LIFE_DIE=count.step:2,sum.open:1+   kills the process at the second step, and at each opening of the reduce
 *   LIFE_HANG=count.step:3              never returns from the third step
 *   LIFE_CRASH_EVERY=100                the map kills the process at every hundredth item, from the second hundred */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/plugin.h>
#include <unistd.h>

static bool chosen(const char* list, const char* point, long pass) {
  const size_t length = strlen(point);
  for (const char* at = list; at != NULL && (at = strstr(at, point)) != NULL; at += length) {
    if (at[length] != ':' || (at != list && at[-1] != ',')) {
      continue;
    }
    char* end = NULL;
    const long wanted = strtol(at + length + 1, &end, 10);
    if (pass == wanted || (*end == '+' && pass >= wanted)) {
      return true;
    }
  }
  return false;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) {
    pause();
  }
}

static void point(const char* name) {
  const char* directory = getenv("LIFE_DIR");
  if (directory == NULL) {
    return;
  }
  char path[512];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  const int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0 || write(file, "x", 1) != 1) {
    abort();
  }
  const long pass = lseek(file, 0, SEEK_END);
  close(file);
  if (chosen(getenv("LIFE_DIE"), name, pass)) {
    die();
  }
  if (chosen(getenv("LIFE_HANG"), name, pass)) {
    for (;;) {
      pause();
    }
  }
}

/* Tables of one or two uint64, as flatc writes them: the root offset at 0, the vtable at 8, the table at 16. */
static uint64_t field(tenon_bytes_t bytes, unsigned index) {
  uint64_t value = 0;
  if (bytes.data == NULL || bytes.size_bytes < 8) {
    return 0;
  }
  uint32_t root = 0;
  memcpy(&root, bytes.data, sizeof root);
  const uint8_t* table = bytes.data + root;
  int32_t back = 0;
  memcpy(&back, table, sizeof back);
  const uint8_t* vtable = table - back;
  uint16_t size = 0;
  uint16_t offset = 0;
  memcpy(&size, vtable, sizeof size);
  if (4 + 2 * index + 2 <= size) {
    memcpy(&offset, vtable + 4 + 2 * index, sizeof offset);
  }
  if (offset != 0) {
    memcpy(&value, table + offset, sizeof value);
  }
  return value;
}

static tenon_status_t give(tenon_call_t* call, uint64_t first, uint64_t second) {
  uint8_t* bytes = NULL;
  const tenon_status_t status = call->functions->reserve(call, 48, &bytes);
  if (status != TENON_OK) {
    return status;
  }
  memset(bytes, 0, 48);
  const uint32_t root = 16;
  const uint16_t vtable[4] = {8, 24, 8, 16};
  const int32_t back = 8;
  memcpy(bytes, &root, sizeof root);
  memcpy(bytes + 8, vtable, sizeof vtable);
  memcpy(bytes + 16, &back, sizeof back);
  memcpy(bytes + 24, &first, sizeof first);
  memcpy(bytes + 32, &second, sizeof second);
  return call->functions->commit(call, bytes, 48);
}

struct pair {
  uint64_t first;
  uint64_t second;
};

static tenon_status_t open_pair(tenon_call_t* call, void** session, uint64_t first, uint64_t second) {
  struct pair* pair = malloc(sizeof *pair);
  if (pair == NULL) {
    return TENON_OUT_OF_MEMORY;
  }
  const bool continues = call->checkpoint.data != NULL;
  pair->first = continues ? field(call->checkpoint, 0) : first;
  pair->second = continues ? field(call->checkpoint, 1) : second;
  *session = pair;
  return TENON_OK;
}

static tenon_status_t count_open(tenon_call_t* call, void** session) {
  point("count.open");
  return open_pair(call, session, 0, field(call->argument, 0));
}

static tenon_status_t count_step(tenon_call_t* call, void* session) {
  point("count.step");
  struct pair* at = session;
  for (uint32_t given = 0; at->first < at->second && given < call->max_results; ++given, ++at->first) {
    const tenon_status_t status = give(call, at->first, 0);
    if (status != TENON_OK) {
      return status;
    }
  }
  return at->first < at->second ? TENON_OK : TENON_END;
}

static tenon_status_t count_checkpoint(tenon_call_t* call, void* session) {
  point("count.checkpoint");
  const struct pair* at = session;
  return give(call, at->first, at->second);
}

static void count_close(void* session) {
  point("count.close");
  free(session);
}

/* Gives 3 n, 3 n + 1 and 3 n + 2 for an item n. */
static tenon_status_t spread_open(tenon_call_t* call, void** session) {
  point("spread.open");
  const uint64_t n = field(call->argument, 0);
  return open_pair(call, session, 3 * n, 3 * n + 3);
}

static tenon_status_t spread_step(tenon_call_t* call, void* session) {
  point("spread.step");
  struct pair* at = session;
  /* At most two at once, so that a session has several steps. */
  for (uint32_t given = 0; at->first < at->second && given < call->max_results && given < 2; ++given, ++at->first) {
    const tenon_status_t status = give(call, at->first, 0);
    if (status != TENON_OK) {
      return status;
    }
  }
  return at->first < at->second ? TENON_OK : TENON_END;
}

static tenon_status_t spread_checkpoint(tenon_call_t* call, void* session) {
  point("spread.checkpoint");
  const struct pair* at = session;
  return give(call, at->first, at->second);
}

static void spread_close(void* session) {
  point("spread.close");
  free(session);
}

static tenon_status_t sum_open(tenon_call_t* call, void** session) {
  point("sum.open");
  return open_pair(call, session, 0, 0);
}

static tenon_status_t sum_step(tenon_call_t* call, void* session) {
  struct pair* sum = session;
  if (call->argument.data == NULL) {
    point("sum.finish");
    const tenon_status_t status = give(call, sum->first, sum->second);
    return status == TENON_OK ? TENON_END : status;
  }
  point("sum.step");
  ++sum->first;
  sum->second += field(call->argument, 0) + 1;
  return TENON_OK;
}

static tenon_status_t sum_checkpoint(tenon_call_t* call, void* session) {
  point("sum.checkpoint");
  const struct pair* sum = session;
  return give(call, sum->first, sum->second);
}

static void sum_close(void* session) {
  point("sum.close");
  free(session);
}

static tenon_status_t pass(tenon_call_t* call) {
  point("pass.run");
  const char* every = getenv("LIFE_CRASH_EVERY");
  const uint64_t n = field(call->argument, 0);
  if (every != NULL && n >= 200 && n % (uint64_t)atoi(every) == 0) {
    die();
  }
  return call->functions->commit_argument(call);
}

static tenon_status_t show(tenon_call_t* call) {
  char path[512];
  snprintf(path, sizeof path, "%s/shown", getenv("LIFE_DIR"));
  FILE* file = fopen(path, "a");
  if (file == NULL) {
    return TENON_IO;
  }
  fprintf(file, "%llu %llu\n", (unsigned long long)field(call->argument, 0),
          (unsigned long long)field(call->argument, 1));
  fclose(file);
  return call->functions->commit_argument(call);
}

static const tenon_task_t tasks[] = {
    {.size_bytes = sizeof(tenon_task_t),
     .kind = TENON_TASK_SOURCE,
     .name = "count",
     .argument_type = "life.Range",
     .result_type = "life.Item",
     .open = count_open,
     .step = count_step,
     .checkpoint = count_checkpoint,
     .close = count_close},
    {.size_bytes = sizeof(tenon_task_t),
     .kind = TENON_TASK_SOURCE,
     .name = "spread",
     .argument_type = "life.Item",
     .result_type = "life.Item",
     .open = spread_open,
     .step = spread_step,
     .checkpoint = spread_checkpoint,
     .close = spread_close},
    {.size_bytes = sizeof(tenon_task_t),
     .kind = TENON_TASK_REDUCE,
     .name = "sum",
     .argument_type = "life.Item",
     .result_type = "life.Sum",
     .open = sum_open,
     .step = sum_step,
     .checkpoint = sum_checkpoint,
     .close = sum_close},
    {.size_bytes = sizeof(tenon_task_t),
     .kind = TENON_TASK_PLAIN,
     .name = "pass",
     .argument_type = "life.Item",
     .result_type = "life.Item",
     .run = pass},
    {.size_bytes = sizeof(tenon_task_t),
     .kind = TENON_TASK_PLAIN,
     .name = "show",
     .argument_type = "life.Sum",
     .result_type = "life.Sum",
     .run = show},
};

static const tenon_plugin_t plugin = {.size_bytes = sizeof(tenon_plugin_t),
                                      .task_count = sizeof tasks / sizeof tasks[0],
                                      .manifest = &tenon_manifest,
                                      .tasks = tasks};

const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t* worker) {
  (void)worker;
  return &plugin;
}
