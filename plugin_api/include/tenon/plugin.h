/// tenon/plugin.h: the whole C ABI between a tenon worker and a plugin.
///
/// Glossary
///   host      the process that links tenon::runtime. It never loads a plugin.
///   worker    a process running `tenon-worker`. It loads plugins and runs their tasks.
///   plugin    a shared library with one exported function, tenon_plugin_entry.
///   task      a named function of a plugin: `<plugin>.<method>`, as in `image.thumbnail`.
///   call      one run of a task: one argument in, one terminal state out.
///   session   an open streaming task (a source or a reduce) that a worker steps.
///   argument  the FlatBuffer that varies from call to call (the item).
///   params    the FlatBuffer of settings that are the same for many calls.
///   settings  the FlatBuffer of the plugin as a whole, given to `init` once per worker.
///
/// Life of a plugin inside one worker
///   1. The worker reads the manifest from the file, without running any code, and refuses the file
///      if the ABI tag does not fit (see tenon_manifest_t).
///   2. It loads the library and calls tenon_plugin_entry once.
///   3. It checks the returned descriptor against the manifest's schema.
///   4. It calls `init` once, then tasks, one at a time, then `quiesce`, then `fini`.
///   5. The library is never unloaded: it ends with its process.
///
/// Threads
///   Every function of a plugin is called on the worker's task thread, never two at a time.
///   [task-thread]  a function that may be called only there, and only while the call it belongs to runs.
///   [any-thread]   a function that may be called on any thread.
///   A task may start threads of its own; it joins them before it returns.
///
/// Compatibility
///   Every struct leads with its size in bytes as the side that fills it knows it. Structs only grow at
///   the end. A reader takes what lies beyond `size_bytes` as zero and checks a struct's size against
///   the *_MIN_SIZE of ABI version 1, so an old plugin loads in a new worker and a new one in an old.
///   Optional abilities are extensions, asked for by string id with revision ("tenon.state/1").
///   See plugin_api/ABI.md for the rules and the history.
///
/// Ownership
///   Nothing is freed across the border, no exception crosses it, and no pointer given by one side is
///   kept by the other longer than its declaration says.
#ifndef TENON_PLUGIN_H_
#define TENON_PLUGIN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------
// ABI tag
// ---------------------------------------------------------------------------------------------

/// A change of the major version breaks; a change of the minor version only adds.
#define TENON_ABI_MAJOR 1u
#define TENON_ABI_MINOR 0u

/// Values of tenon_manifest_t.sanitizer. A library built with a sanitizer can live only in a worker
/// built with the same one.
enum { TENON_SANITIZER_NONE = 0, TENON_SANITIZER_ADDRESS = 1, TENON_SANITIZER_THREAD = 2, TENON_SANITIZER_MEMORY = 3 };

#if defined(__SANITIZE_ADDRESS__)
#define TENON_ABI_SANITIZER TENON_SANITIZER_ADDRESS
#elif defined(__SANITIZE_THREAD__)
#define TENON_ABI_SANITIZER TENON_SANITIZER_THREAD
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENON_ABI_SANITIZER TENON_SANITIZER_ADDRESS
#elif __has_feature(thread_sanitizer)
#define TENON_ABI_SANITIZER TENON_SANITIZER_THREAD
#elif __has_feature(memory_sanitizer)
#define TENON_ABI_SANITIZER TENON_SANITIZER_MEMORY
#endif
#endif
#if !defined(TENON_ABI_SANITIZER)
#define TENON_ABI_SANITIZER TENON_SANITIZER_NONE
#endif

/// 1 little endian, 2 big endian.
#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define TENON_ABI_ENDIANNESS 2u
#else
#define TENON_ABI_ENDIANNESS 1u
#endif

#if UINTPTR_MAX == UINT64_MAX
#define TENON_ABI_POINTER_BITS 64u
#else
#define TENON_ABI_POINTER_BITS 32u
#endif

// ---------------------------------------------------------------------------------------------
// Manifest: what can be read from the file without running code
// ---------------------------------------------------------------------------------------------

/// First bytes of a manifest. The control characters catch a transfer that changed line ends.
#define TENON_MANIFEST_MAGIC "TENON\r\n\x1a"
#define TENON_MANIFEST_MAGIC_SIZE 8

/// Name of the section that holds the manifest, in ELF and PE alike (PE allows eight characters).
#define TENON_MANIFEST_SECTION ".tenon"

/// Sizes of the text fields, the ending zero included.
#define TENON_MANIFEST_NAME_SIZE 64
#define TENON_MANIFEST_VERSION_SIZE 32

/// The manifest. It stands at the start of section TENON_MANIFEST_SECTION and holds no pointers, so
/// that it means the same in the file and in memory. tenon_add_plugin() generates it.
/// WIRE: read from files of every age. Never change an offset; append, and raise the ABI minor.
typedef struct tenon_manifest {
  /// TENON_MANIFEST_MAGIC without its ending zero.
  unsigned char magic[TENON_MANIFEST_MAGIC_SIZE];
  /// Size of this struct in bytes.
  uint32_t size_bytes;
  /// The ABI tag.
  uint16_t abi_major;
  uint16_t abi_minor;
  uint8_t pointer_bits;
  uint8_t endianness;
  uint8_t sanitizer;
  uint8_t reserved;
  /// Where the binary schema (reflection.fbs, as `flatc --schema -b --bfbs-comments` writes it) begins,
  /// counted from the start of this struct; a multiple of 16; inside the same section.
  uint32_t schema_offset_bytes;
  /// Size of the binary schema in bytes.
  uint32_t schema_size_bytes;
  /// Name of the plugin: [a-z][a-z0-9_]*, zero-terminated and zero-padded. Equals the file's stem.
  char name[TENON_MANIFEST_NAME_SIZE];
  /// Version, `major.minor.patch`, zero-terminated and zero-padded.
  char version[TENON_MANIFEST_VERSION_SIZE];
} tenon_manifest_t;

#define TENON_MANIFEST_MIN_SIZE 124u

/// The plugin's own manifest, for tenon_plugin_t.manifest. Defined by the C source that tenon_add_plugin() generates;
/// hidden, so that each plugin sees its own.
#if defined(__GNUC__)
__attribute__((visibility("hidden")))
#endif
extern const tenon_manifest_t tenon_manifest;

// ---------------------------------------------------------------------------------------------
// Status codes
// ---------------------------------------------------------------------------------------------

/// What a function of either side returns. The host's tenon::ErrorCode has the same numbers.
/// WIRE: numbers travel between processes and into files; never renumber.
typedef int32_t tenon_status_t;
enum {
  /// Done.
  TENON_OK = 0,
  /// The task ran and reported failure; its message says why.
  TENON_FAILED = 1,
  /// The call was cancelled.
  TENON_CANCELLED = 2,
  /// A deadline passed.
  TENON_DEADLINE = 3,
  /// The worker died while it ran the call.
  TENON_CRASHED = 4,
  /// Not accepted: a queue is full, or the runtime is shutting down.
  TENON_REJECTED = 5,
  /// An argument, params or an option does not make sense; the message names it.
  TENON_INVALID_ARGUMENT = 6,
  /// No such plugin, task, file or key.
  TENON_NOT_FOUND = 7,
  /// Out of memory, or a memory limit was reached.
  TENON_OUT_OF_MEMORY = 8,
  /// ABI, version or schema do not fit together.
  TENON_INCOMPATIBLE = 9,
  /// Bytes do not verify: a FlatBuffer, a file or a message is broken.
  TENON_CORRUPT = 10,
  /// The operating system refused; the message gives its reason.
  TENON_IO = 11,
  /// Larger than a limit allows; the message gives both sizes.
  TENON_TOO_LARGE = 12,
  /// The other side is gone or cannot be started.
  TENON_UNAVAILABLE = 13,
  /// This ability is not there on this platform, worker or plugin.
  TENON_UNSUPPORTED = 14,
  /// A bug in tenon itself. Please report it with its message.
  TENON_INTERNAL = 15,
  /// A session has given its last result. Returned by `step` alone; not an error.
  TENON_END = 16
};

// ---------------------------------------------------------------------------------------------
// Small values
// ---------------------------------------------------------------------------------------------

/// Borrowed bytes. `data` is aligned to 16 when the bytes are a FlatBuffer from tenon; NULL when absent.
typedef struct tenon_bytes {
  const uint8_t* data;
  uint64_t size_bytes;
} tenon_bytes_t;

/// Severity of a log message.
typedef int32_t tenon_log_level_t;
enum { TENON_LOG_DEBUG = 0, TENON_LOG_INFO = 1, TENON_LOG_WARNING = 2, TENON_LOG_ERROR = 3 };

/// What a task is. A plain task answers each argument with one result; a source gives many results for
/// one argument (`streaming: "server"`); a reduce takes many arguments and gives one result
/// (`streaming: "client"`).
typedef int32_t tenon_task_kind_t;
enum { TENON_TASK_PLAIN = 0, TENON_TASK_SOURCE = 1, TENON_TASK_REDUCE = 2 };

// ---------------------------------------------------------------------------------------------
// The call
// ---------------------------------------------------------------------------------------------

typedef struct tenon_call tenon_call_t;

/// What the worker offers to a running call. Filled by the worker; valid while the worker lives.
/// All functions are [task-thread] and take the call they serve; `poll`, `progress` and `log` are
/// [any-thread] until the task returns.
typedef struct tenon_call_functions {
  /// Size of this struct in bytes.
  uint32_t size_bytes;
  uint32_t reserved;

  /// Whether to go on.
  /// Returns: TENON_OK go on; TENON_CANCELLED the caller no longer wants the result; TENON_DEADLINE the
  /// deadline has passed. A task that takes longer than some milliseconds calls this now and then (a
  /// few nanoseconds each) and returns the status it got. One that does not is killed with its worker
  /// after a grace period.
  tenon_status_t (*poll)(tenon_call_t* call);

  /// Reports progress: `done` of `total` units of the task's own choice; `total` 0 if unknown. Sent on
  /// at most some ten times a second; the latest wins.
  void (*progress)(tenon_call_t* call, uint64_t done, uint64_t total);

  /// Writes a line to the host's log, tagged with the call, the task and the plugin. `message` is UTF-8,
  /// zero-terminated, copied; longer than 4096 bytes is cut.
  void (*log)(tenon_call_t* call, tenon_log_level_t level, const char* message);

  /// Sets the error that the call ends with, once the task returns `code`; the last one wins. `code` is
  /// TENON_FAILED or any other error code; `message` says what is wrong and what to do, UTF-8,
  /// zero-terminated, copied; longer than 4096 bytes is cut.
  /// Returns: `code`, so that a task can write `return functions->fail(call, TENON_FAILED, "...")`.
  tenon_status_t (*fail)(tenon_call_t* call, tenon_status_t code, const char* message);

  /// Result memory, built from the end towards the start, as FlatBufferBuilder does.
  /// Gives at least `size_bytes` bytes aligned to 16, zero bytes allowed; a multiple of 16 aligns its end too. One
  /// block is open at a time: a second `reserve` before `commit` gives the first block up. `*buffer` stays valid
  /// until grow_down, commit or the task's return; `invoke` does not touch it. Its content is undefined.
  /// Returns: TENON_OK; TENON_OUT_OF_MEMORY; TENON_TOO_LARGE beyond the result limit.
  tenon_status_t (*reserve)(tenon_call_t* call, uint64_t size_bytes, uint8_t** buffer);

  /// Moves the open block into a larger one of `size_bytes`. The last `used_back_bytes` bytes of the old
  /// block become the last of the new, the first `used_front_bytes` its first; the rest is undefined.
  /// The old pointer is dead afterwards.
  /// Returns: as reserve; on an error the old block stays open and valid.
  tenon_status_t (*grow_down)(tenon_call_t* call, uint64_t size_bytes, uint64_t used_back_bytes,
                              uint64_t used_front_bytes, uint8_t** buffer);

  /// Makes `size_bytes` bytes at `data` the result. They lie inside the open block and are then no longer
  /// the plugin's; a FlatBuffer's start keeps the alignment that the block's end gave it. A plain task commits
  /// once, a second commit replaces the first; a source's `step` commits once for each result, in order, at most
  /// `max_results` times; a reduce commits in the step that ends it; `checkpoint` commits the checkpoint.
  /// Returns: TENON_OK; TENON_INVALID_ARGUMENT when the range lies outside the open block or a source
  /// commits more than max_results.
  tenon_status_t (*commit)(tenon_call_t* call, const uint8_t* data, uint64_t size_bytes);

  /// Makes the call's own argument its result, without a copy. For plain tasks alone.
  /// Returns: TENON_OK; TENON_UNSUPPORTED from a session.
  tenon_status_t (*commit_argument)(tenon_call_t* call);

  /// Runs another plain task by its full name and waits for it. Nested calls have the deadline and the
  /// cancellation of their parent, may nest to any depth, and run also when the pool has one worker.
  /// `argument` and `params` stay the caller's. `*result` is valid until the calling task returns.
  /// Returns: TENON_OK; the nested call's own error (its message is then what last_error gives);
  /// TENON_NOT_FOUND no such task; TENON_INVALID_ARGUMENT a streaming task.
  tenon_status_t (*invoke)(tenon_call_t* call, const char* task, tenon_bytes_t argument, tenon_bytes_t params,
                           tenon_bytes_t* result);

  /// Message of the last failed function of this call (reserve, invoke ...). Never NULL. Valid until the
  /// next function of this call.
  const char* (*last_error)(tenon_call_t* call);
} tenon_call_functions_t;

#define TENON_CALL_FUNCTIONS_MIN_SIZE ((uint32_t)(8u + 10u * sizeof(void*)))

/// One call, or one step of a session. Filled by the worker; read-only for the plugin; valid until the
/// function it was given to returns.
struct tenon_call {
  /// Size of this struct in bytes.
  uint32_t size_bytes;
  /// 1 for the first attempt, 2 for the first retry, and so on.
  uint32_t attempt;
  /// What the worker offers.
  const tenon_call_functions_t* functions;
  /// The argument, already checked to lie in memory the worker can read, but not verified as a
  /// FlatBuffer: plugin.hpp does so, a C plugin should. Borrowed until the task returns; read-only memory: a
  /// write ends the worker. In a reduce's `step`, data == NULL means that no more arguments come.
  tenon_bytes_t argument;
  /// The params, data == NULL when the caller gave none. Sessions see the params of their `open` in every
  /// step. Borrowed, as the argument.
  tenon_bytes_t params;
  /// What `checkpoint` of an earlier session of this task gave; data == NULL for a fresh one. Only in `open`.
  tenon_bytes_t checkpoint;
  /// When the call must have ended, in nanoseconds of CLOCK_MONOTONIC (QueryPerformanceCounter on
  /// Windows, scaled); INT64_MAX for never.
  int64_t deadline_ns;
  /// Unique among the calls of one runtime; the same in each attempt.
  uint64_t call_id;
  /// How many results a source's `step` may commit at most; 0 for other functions.
  uint32_t max_results;
  uint32_t reserved;
  /// What the plugin's `init` stored.
  void* state;
  /// The worker's own.
  void* worker_data;
};

#define TENON_CALL_MIN_SIZE ((uint32_t)(56u + 6u * sizeof(void*)))

// ---------------------------------------------------------------------------------------------
// The worker
// ---------------------------------------------------------------------------------------------

/// What the worker offers to the plugin as a whole. Valid from tenon_plugin_entry until `fini` returns.
typedef struct tenon_worker tenon_worker_t;
struct tenon_worker {
  /// Size of this struct in bytes.
  uint32_t size_bytes;
  /// The worker's ABI version.
  uint16_t abi_major;
  uint16_t abi_minor;
  /// Number of this worker, unique within its runtime.
  uint64_t worker_id;
  /// Writes a line to the host's log; see tenon_call_functions_t.log. [any-thread]
  void (*log)(const tenon_worker_t* worker, tenon_log_level_t level, const char* message);
  /// An extension of the worker by its id, NULL if it has none of that name. Valid while the worker
  /// lives. [any-thread]
  const void* (*extension)(const tenon_worker_t* worker, const char* id);
  /// The worker's own.
  void* worker_data;
};

#define TENON_WORKER_MIN_SIZE ((uint32_t)(16u + 3u * sizeof(void*)))

// ---------------------------------------------------------------------------------------------
// The plugin
// ---------------------------------------------------------------------------------------------

/// One task. All functions are called on the task thread and never throw.
typedef struct tenon_task {
  /// Size of this struct in bytes; also the stride of tenon_plugin_t.tasks.
  uint32_t size_bytes;
  /// What the task is; must agree with the schema's `streaming` attribute.
  tenon_task_kind_t kind;
  /// The method's name in the schema's rpc_service, as in `thumbnail`. Zero-terminated.
  const char* name;
  /// Fully qualified names of the tables, as in `tenon.File`; must agree with the schema. `params_type` is NULL
  /// for a task without params.
  const char* argument_type;
  const char* result_type;
  const char* params_type;

  /// Plain tasks: runs one call. NULL for sessions.
  /// Returns: TENON_OK after a commit; an error code otherwise, ideally after `fail`.
  tenon_status_t (*run)(tenon_call_t* call);

  /// Sessions: opens one. `call` carries params, for a source the argument, and a checkpoint when the
  /// session continues an earlier one. The plugin stores its state in `*session`; several sessions of one
  /// task may be open in one worker.
  /// Returns: TENON_OK; an error code, and then no `close` follows.
  tenon_status_t (*open)(tenon_call_t* call, void** session);

  /// Sessions: one step. A source commits up to `call->max_results` results and returns, also with none
  /// if it must wait, never longer than some milliseconds where it can be helped. A reduce takes
  /// `call->argument`; where that is NULL it commits its result and returns TENON_END.
  /// Returns: TENON_OK there is more to do; TENON_END the session is complete; an error code ends it.
  tenon_status_t (*step)(tenon_call_t* call, void* session);

  /// Sessions: commits bytes from which `open` makes a session that goes on exactly here: every
  /// result committed so far and every argument taken so far is accounted for. NULL if the task cannot.
  /// Returns: TENON_OK after a commit; TENON_UNSUPPORTED for a session that has no checkpoint.
  tenon_status_t (*checkpoint)(tenon_call_t* call, void* session);

  /// Sessions: ends one, complete or not, and frees its state.
  void (*close)(void* session);
} tenon_task_t;

#define TENON_TASK_MIN_SIZE ((uint32_t)(8u + 9u * sizeof(void*)))

/// The plugin. Returned by tenon_plugin_entry; lives in the plugin, unchanged, as long as the process.
typedef struct tenon_plugin {
  /// Size of this struct in bytes.
  uint32_t size_bytes;
  /// Number of tasks.
  uint32_t task_count;
  /// The manifest, the very bytes of section TENON_MANIFEST_SECTION.
  const tenon_manifest_t* manifest;
  /// The tasks: `task_count` structs, each `size_bytes` of the first apart.
  const tenon_task_t* tasks;

  /// Called once per worker before any task. `settings` is the plugin's own settings table, data == NULL when none
  /// is configured; borrowed until init returns. Whatever is stored in `*state` comes back as
  /// tenon_call_t.state. NULL if there is nothing to do.
  /// Returns: TENON_OK; an error code: the plugin is then not usable in this worker, and `fini` is not called.
  tenon_status_t (*init)(const tenon_worker_t* worker, tenon_bytes_t settings, void** state);

  /// Called once when no further call will come, before `fini`: stop threads, flush. NULL if nothing to do.
  void (*quiesce)(void* state);

  /// Called once at the end of the worker, after `quiesce`. Not called when the worker is killed. NULL
  /// if there is nothing to do.
  void (*fini)(void* state);

  /// An extension of the plugin by its id, NULL if it has none of that name. Valid as long as the
  /// process. May be NULL itself.
  const void* (*extension)(const char* id);
} tenon_plugin_t;

#define TENON_PLUGIN_MIN_SIZE ((uint32_t)(8u + 6u * sizeof(void*)))

#if defined(_WIN32)
#define TENON_PLUGIN_EXPORT __declspec(dllexport)
#else
#define TENON_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

/// Name of the entry, as looked up by the worker.
#define TENON_PLUGIN_ENTRY_NAME "tenon_plugin_entry"

/// The one function a plugin exports. Called once per process, before anything else of the plugin except
/// its static initialisers. Does no work beyond building the descriptor.
/// Returns: the descriptor; NULL if the plugin cannot work with this worker, after saying why with worker->log.
typedef const tenon_plugin_t* (*tenon_plugin_entry_fn)(const tenon_worker_t* worker);
TENON_PLUGIN_EXPORT const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t* worker);

#ifdef __cplusplus
}
#endif

#endif  // TENON_PLUGIN_H_
