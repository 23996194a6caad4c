// A hand-written plugin in many variants, most of them broken or with false declarations.
// VARIANT_NAME is the plugin's name; VARIANT_<fault> enables one fault.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <tenon/plugin.h>

#include "sample_bfbs.h"

namespace {

#if defined(VARIANT_LARGER)
constexpr std::uint32_t kHeaderBytes = TENON_MANIFEST_MIN_SIZE + 20;
constexpr std::uint32_t kSchemaOffset = 160;
#else
constexpr std::uint32_t kHeaderBytes = TENON_MANIFEST_MIN_SIZE;
constexpr std::uint32_t kSchemaOffset = 128;
#endif

struct Section {
  tenon_manifest_t manifest;
  unsigned char rest[kSchemaOffset - sizeof(tenon_manifest_t)];
  unsigned char schema[sizeof kSampleSchema];
};

#define SECTION_VALUE                             \
  {                                               \
    {{'T', 'E', 'N', 'O', 'N', '\r', '\n', 0x1a}, \
     kHeaderBytes,                                \
     TENON_ABI_MAJOR,                             \
     TENON_ABI_MINOR,                             \
     TENON_ABI_POINTER_BITS,                      \
     TENON_ABI_ENDIANNESS,                        \
     TENON_ABI_SANITIZER,                         \
     0,                                           \
     kSchemaOffset,                               \
     sizeof kSampleSchema,                        \
     VARIANT_NAME,                                \
     "1.2.3"},                                    \
        {}, {                                     \
      SAMPLE_SCHEMA_BYTES                         \
    }                                             \
  }

__attribute__((section(".tenon"), used, aligned(16))) const Section kSection = SECTION_VALUE;

#if defined(VARIANT_OTHER_MANIFEST)
Section other_section = SECTION_VALUE;
#endif

tenon_status_t run(tenon_call_t* call) {
  return call->functions->commit_argument(call);
}
tenon_status_t open(tenon_call_t*, void** session) {
  *session = nullptr;
  return TENON_OK;
}
tenon_status_t step(tenon_call_t*, void*) {
  return TENON_END;
}
void close(void*) {}

#if defined(VARIANT_LARGER)
struct Task {
  tenon_task_t known;
  std::uint64_t unknown[3] = {};
};
struct Plugin {
  tenon_plugin_t known;
  std::uint64_t unknown[3] = {};
};
#else
struct Task {
  tenon_task_t known;
};
struct Plugin {
  tenon_plugin_t known;
};
#endif

constexpr std::uint32_t kTaskBytes = sizeof(Task);

Task tasks[] = {
    {{kTaskBytes, TENON_TASK_REDUCE, "sum", "sample.Leaf", "sample.EchoParams", "sample.EchoParams", nullptr, open,
      step, nullptr, close}},
    {{kTaskBytes, TENON_TASK_PLAIN, "echo", "sample.All", "sample.All", "sample.EchoParams", run, nullptr, nullptr,
      nullptr, nullptr}},
    {{kTaskBytes, TENON_TASK_SOURCE, "count", "sample.EchoParams", "sample.Leaf", nullptr, nullptr, open, step, nullptr,
      close}},
};

[[maybe_unused]] void crash() {
  volatile int* nowhere = nullptr;
  *nowhere = 1;
  std::abort();
}

tenon_status_t init([[maybe_unused]] const tenon_worker_t* worker, tenon_bytes_t settings, void** state) {
#if defined(VARIANT_EXIT_INIT)
  std::exit(0);
#elif defined(VARIANT_CLOSE_STREAMS)
  for (int stream = 0; stream < 3; ++stream) {
    ::close(stream);
  }
#elif defined(VARIANT_RESERVES)
  // Large libraries do this: they reserve address space that they hardly touch.
  constexpr std::size_t kReservedBytes = std::size_t{1} << 31U;
  if (mmap(nullptr, kReservedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
    std::fprintf(stderr, "the library cannot allocate memory\n");
    std::abort();
  }
#elif defined(VARIANT_INIT_ERROR)
  worker->log(worker, TENON_LOG_ERROR, "needs settings");
  return TENON_INVALID_ARGUMENT;
#endif
  static char own_state[] = "state";
  *state = settings.data == nullptr ? own_state : nullptr;
  return TENON_OK;
}

void fini(void* state) {
#if defined(VARIANT_CRASH_FINI)
  crash();
#endif
  if (state != nullptr) {
    static_cast<char*>(state)[0] = 'S';
  }
}

const void* extension(const char* id) {
  return std::strcmp(id, "sample/1") == 0 ? &kSection : nullptr;
}

[[maybe_unused]] Plugin plugin = {
    {sizeof(Plugin), 3, &kSection.manifest, &tasks[0].known, init, nullptr, fini, extension}};

#if defined(VARIANT_CRASH_CONSTRUCTOR)
const int kCrashed = (std::fputs("about to fall\n", stderr), crash(), 0);
#elif defined(VARIANT_CRASH_EXIT)
struct Late {
  ~Late() { crash(); }
} late;
#elif defined(VARIANT_CHATTY)
const int kChatted = std::puts("tenon-inspection-0 problem 10 a lie");
#endif

}  // namespace

#if !defined(VARIANT_NO_ENTRY)
extern "C" const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t*) {
#if defined(VARIANT_HANG_ENTRY)
  for (;;) {
    pause();
  }
#elif defined(VARIANT_NO_DESCRIPTOR)
  return nullptr;
#elif defined(VARIANT_SMALL_DESCRIPTOR)
  plugin.known.size_bytes = TENON_PLUGIN_MIN_SIZE - 8;
#elif defined(VARIANT_SMALL_TASK)
  tasks[0].known.size_bytes = 16;
#elif defined(VARIANT_UNEVEN_TASKS)
  tasks[1].known.size_bytes += 8;
#elif defined(VARIANT_WRONG_KIND)
  tasks[1].known.kind = TENON_TASK_SOURCE;
#elif defined(VARIANT_WRONG_TYPE)
  tasks[1].known.result_type = "sample.Leaf";
#elif defined(VARIANT_WRONG_ARGUMENT)
  tasks[1].known.argument_type = "sample.Leaf";
#elif defined(VARIANT_UNNEEDED_PARAMS)
  tasks[2].known.params_type = "sample.Leaf";
#elif defined(VARIANT_WRONG_PARAMS)
  tasks[1].known.params_type = nullptr;
#elif defined(VARIANT_NO_RUN)
  tasks[1].known.run = nullptr;
#elif defined(VARIANT_NO_STEP)
  tasks[2].known.step = nullptr;
#elif defined(VARIANT_UNKNOWN_TASK)
  tasks[1].known.name = "ecko";
#elif defined(VARIANT_STRANGE_TASK)
  tasks[1].known.name = "paint";
#elif defined(VARIANT_TASK_TWICE)
  tasks[2] = tasks[0];
#elif defined(VARIANT_FEWER_TASKS)
  plugin.known.task_count = 2;
#elif defined(VARIANT_ONE_TASK)
  plugin.known.task_count = 1;
#elif defined(VARIANT_NO_TASKS)
  plugin.known.task_count = 0;
#elif defined(VARIANT_OTHER_MANIFEST)
  std::strcpy(other_section.manifest.version, "9.9.9");
  plugin.known.manifest = &other_section.manifest;
#endif
  return &plugin.known;
}
#endif
