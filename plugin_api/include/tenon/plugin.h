/// tenon/plugin.h: the complete C ABI between a tenon worker and a plugin.
///
/// Glossary
///   host      the process that links tenon::runtime. It never loads a plugin.
///   worker    a process running `tenon-worker`. It loads plugins and runs their tasks.
///   plugin    a shared library with one exported function, tenon_plugin_entry.
///   task      a named function of a plugin: `<plugin>.<method>`, as in `image.thumbnail`.
///   call      one run of a task: one argument in, one terminal state out.
///   session   an open streaming task (a source or a reduce), which a worker runs step by step.
///   argument  the FlatBuffer with the input of one call (the item).
///   params    the FlatBuffer of options that many calls share.
///   settings  the FlatBuffer that configures the whole plugin, passed to `init` once per worker.
///
/// Life of a plugin inside one worker
///   1. The worker reads the manifest from the file, without running any code, and refuses the file
///      if the ABI tag does not match (see tenon_manifest_t).
///   2. It loads the library and calls tenon_plugin_entry once.
///   3. It checks the returned descriptor against the manifest's schema.
///   4. It calls `init` once, then tasks, one at a time, then `quiesce`, then `fini`.
///   5. The library is never unloaded: it lives as long as its process.
///
/// Threads
///   The worker calls every function of a plugin on its task thread, one at a time.
///   [task-thread]  may be called only on that thread, while the call it belongs to runs.
///   [any-thread]   may be called on any thread.
///   A task may start its own threads; it must join them before it returns.
///
/// Compatibility
///   Every struct starts with its size in bytes, as known to the side that fills it. Structs only
///   grow at the end. A reader treats fields beyond `size_bytes` as zero and checks a struct's size
///   against the *_MIN_SIZE of ABI version 1, so an old plugin loads in a new worker, and vice
///   versa.
///   Optional features are extensions, requested by a string id with revision ("tenon.state/1").
///   See plugin_api/ABI.md for the rules and the history.
///
/// Ownership
///   Neither side frees memory of the other, no exception crosses the ABI, and neither side keeps
///   a pointer of the other longer than its declaration says.
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

/// A new major version breaks compatibility; a new minor version only adds.
#define TENON_ABI_MAJOR 1u
#define TENON_ABI_MINOR 0u

/// Values of tenon_manifest_t.sanitizer. A library built with a sanitizer can be loaded only by a
/// worker built with the same one.
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

/// 1: little endian, 2: big endian.
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
// Manifest: readable from the file without running code
// ---------------------------------------------------------------------------------------------

/// First bytes of a manifest. The control characters reveal a transfer that changed line endings.
#define TENON_MANIFEST_MAGIC "TENON\r\n\x1a"
#define TENON_MANIFEST_MAGIC_SIZE 8

/// Name of the section that contains the manifest, in ELF and PE alike (PE allows eight
/// characters).
#define TENON_MANIFEST_SECTION ".tenon"

/// Sizes of the text fields, including the terminating zero.
#define TENON_MANIFEST_NAME_SIZE 64
#define TENON_MANIFEST_VERSION_SIZE 32

/// The manifest. It is at the start of section TENON_MANIFEST_SECTION and contains no pointers, so
/// it means the same in the file and in memory. tenon_add_plugin() generates it.
/// WIRE: read from files of every age. Never change an offset; append, and raise the ABI minor.
typedef struct tenon_manifest {
  /// TENON_MANIFEST_MAGIC without its terminating zero.
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
  /// Offset of the binary schema (reflection.fbs, as written by `flatc --schema -b
  /// --bfbs-comments`) from the start of this struct; a multiple of 16; inside the same section.
  uint32_t schema_offset_bytes;
  /// Size of the binary schema in bytes.
  uint32_t schema_size_bytes;
  /// Name of the plugin: [a-z][a-z0-9_]*, zero-terminated and zero-padded. Equals the file's stem.
  char name[TENON_MANIFEST_NAME_SIZE];
  /// Version, `major.minor.patch`, zero-terminated and zero-padded.
  char version[TENON_MANIFEST_VERSION_SIZE];
} tenon_manifest_t;

#define TENON_MANIFEST_MIN_SIZE 124u

/// The plugin's own manifest, for tenon_plugin_t.manifest. Defined by the C source that
/// tenon_add_plugin() generates; hidden, so that each plugin sees its own.
#if defined(__GNUC__)
__attribute__((visibility("hidden")))
#endif
extern const tenon_manifest_t tenon_manifest;

// ---------------------------------------------------------------------------------------------
// Status codes
// ---------------------------------------------------------------------------------------------

/// The return value of functions on either side. The host's tenon::ErrorCode has the same numbers.
/// WIRE: numbers are sent between processes and stored in files; never renumber.
typedef int32_t tenon_status_t;
enum {
  /// Success.
  TENON_OK = 0,
  /// The task ran and reported failure; its message says why.
  TENON_FAILED = 1,
  /// The call was cancelled.
  TENON_CANCELLED = 2,
  /// A deadline passed.
  TENON_DEADLINE = 3,
  /// The worker died while running the call.
  TENON_CRASHED = 4,
  /// Not accepted: a queue is full, or the runtime is shutting down.
  TENON_REJECTED = 5,
  /// An argument, params or an option is not valid; the message names it.
  TENON_INVALID_ARGUMENT = 6,
  /// No such plugin, task, file or key.
  TENON_NOT_FOUND = 7,
  /// Out of memory, or a memory limit was reached.
  TENON_OUT_OF_MEMORY = 8,
  /// ABIs, versions or schemas are not compatible.
  TENON_INCOMPATIBLE = 9,
  /// Bytes do not pass verification: a FlatBuffer, a file or a message is damaged.
  TENON_CORRUPT = 10,
  /// The operating system reported an error; the message gives the reason.
  TENON_IO = 11,
  /// Larger than a limit allows; the message gives both sizes.
  TENON_TOO_LARGE = 12,
  /// The other side is gone or cannot be started.
  TENON_UNAVAILABLE = 13,
  /// The feature is not available on this platform, worker or plugin.
  TENON_UNSUPPORTED = 14,
  /// A bug in tenon itself. Please report it with its message.
  TENON_INTERNAL = 15,
  /// A session has produced its last result. Returned only by `step`; not an error.
  TENON_END = 16
};

// ---------------------------------------------------------------------------------------------
// Small values
// ---------------------------------------------------------------------------------------------

/// Borrowed bytes. `data` is aligned to 16 if the bytes are a FlatBuffer from tenon; NULL if
/// absent.
typedef struct tenon_bytes {
  const uint8_t* data;
  uint64_t size_bytes;
} tenon_bytes_t;

/// Severity of a log message.
typedef int32_t tenon_log_level_t;
enum { TENON_LOG_DEBUG = 0, TENON_LOG_INFO = 1, TENON_LOG_WARNING = 2, TENON_LOG_ERROR = 3 };

/// The kind of a task. A plain task turns each argument into one result; a source produces many
/// results for one argument (`streaming: "server"`); a reduce takes many arguments and produces one
/// result (`streaming: "client"`).
typedef int32_t tenon_task_kind_t;
enum { TENON_TASK_PLAIN = 0, TENON_TASK_SOURCE = 1, TENON_TASK_REDUCE = 2 };

// ---------------------------------------------------------------------------------------------
// The call
// ---------------------------------------------------------------------------------------------

typedef struct tenon_call tenon_call_t;

/// The worker's functions for a running call. Filled by the worker; valid while the worker lives.
/// All functions are [task-thread] and take the call they serve; `poll`, `progress` and `log` are
/// [any-thread] until the task returns.
typedef struct tenon_call_functions {
  /// Size of this struct in bytes.
  uint32_t size_bytes;
  uint32_t reserved;

  /// Tells the task whether to continue.
  /// Returns: TENON_OK: continue; TENON_CANCELLED: the caller no longer needs the result;
  /// TENON_DEADLINE: the deadline has passed. A task that takes longer than a few milliseconds
  /// calls this regularly (it costs a few nanoseconds) and returns any other status that it gets. A
  /// task that does not is killed with its worker after a grace period.
  tenon_status_t (*poll)(tenon_call_t* call);

  /// Reports progress: `done` of `total` units chosen by the task; `total` is 0 if unknown.
  /// Forwarded at most about ten times per second; the latest report wins.
  void (*progress)(tenon_call_t* call, uint64_t done, uint64_t total);

  /// Writes a line to the host's log, tagged with the call, the task and the plugin. `message` is
  /// UTF-8, zero-terminated and copied; it is cut after 4096 bytes.
  void (*log)(tenon_call_t* call, tenon_log_level_t level, const char* message);

  /// Sets the error with which the call ends once the task returns `code`; the last one wins.
  /// `code` is TENON_FAILED or any other error code. `message` says what is wrong and what to do;
  /// it is UTF-8, zero-terminated and copied; it is cut after 4096 bytes.
  /// Returns: `code`, so that a task can write `return functions->fail(call, TENON_FAILED, "...")`.
  tenon_status_t (*fail)(tenon_call_t* call, tenon_status_t code, const char* message);

  /// Result memory is filled from the end towards the start, as FlatBufferBuilder does.
  /// Allocates at least `size_bytes` bytes aligned to 16; zero is allowed; a multiple of 16 aligns
  /// the end too. One block is open at a time: a second `reserve` before `commit` discards the
  /// first block. `*buffer` stays valid until grow_down, commit or the task's return; `invoke` does
  /// not affect it. Its content is undefined.
  /// Returns: TENON_OK; TENON_OUT_OF_MEMORY; TENON_TOO_LARGE above the result limit.
  tenon_status_t (*reserve)(tenon_call_t* call, uint64_t size_bytes, uint8_t** buffer);

  /// Moves the open block into a larger one of `size_bytes`. The last `used_back_bytes` bytes of
  /// the old block become the last of the new one, the first `used_front_bytes` its first; the rest
  /// is undefined. The old pointer becomes invalid.
  /// Returns: as reserve; on an error the old block stays open and valid.
  tenon_status_t (*grow_down)(tenon_call_t* call, uint64_t size_bytes, uint64_t used_back_bytes,
                              uint64_t used_front_bytes, uint8_t** buffer);

  /// Makes the `size_bytes` bytes at `data` the result. They must lie inside the open block, and
  /// the plugin must not use them afterwards; the start of a FlatBuffer keeps the alignment given
  /// by the block's end. A plain task commits once, and a second commit replaces the first; a
  /// source's `step` commits once per result, in order, at most `max_results` times; a reduce
  /// commits in its last step; `checkpoint` commits the checkpoint.
  /// Returns: TENON_OK; TENON_INVALID_ARGUMENT if the range lies outside the open block or a source
  /// commits more than max_results.
  tenon_status_t (*commit)(tenon_call_t* call, const uint8_t* data, uint64_t size_bytes);

  /// Makes the call's own argument its result, without a copy. Only for plain tasks.
  /// Returns: TENON_OK; TENON_UNSUPPORTED in a session.
  tenon_status_t (*commit_argument)(tenon_call_t* call);

  /// Runs another plain task by its full name and waits for it. Nested calls share the deadline and
  /// cancellation of their parent, may nest deeply (until the stack is half full), and work even if
  /// the pool has only one worker. `argument` and `params` stay the caller's. `*result` is valid
  /// until the calling task returns.
  /// Returns: TENON_OK; the nested call's own error (last_error then returns its message);
  /// TENON_NOT_FOUND: no such task; TENON_INVALID_ARGUMENT: a streaming task.
  tenon_status_t (*invoke)(tenon_call_t* call, const char* task, tenon_bytes_t argument, tenon_bytes_t params,
                           tenon_bytes_t* result);

  /// Message of the last failed function of this call (reserve, invoke, ...). Never NULL. Valid
  /// until the next function of this call.
  const char* (*last_error)(tenon_call_t* call);
} tenon_call_functions_t;

#define TENON_CALL_FUNCTIONS_MIN_SIZE ((uint32_t)(8u + 10u * sizeof(void*)))

/// One call, or one step of a session. Filled by the worker; read-only for the plugin; valid until
/// the function that received it returns.
struct tenon_call {
  /// Size of this struct in bytes.
  uint32_t size_bytes;
  /// 1 for the first attempt, 2 for the first retry, and so on.
  uint32_t attempt;
  /// The worker's functions for this call.
  const tenon_call_functions_t* functions;
  /// The argument. The worker has checked that it lies in readable memory but has not verified it
  /// as a FlatBuffer: plugin.hpp does, and a C plugin should. Borrowed until the task returns. The
  /// memory is read-only: a write crashes the worker. In a reduce's `step`, data == NULL means that
  /// no more arguments follow.
  tenon_bytes_t argument;
  /// The params; data == NULL if the caller passed none. Sessions see the params of their `open` in
  /// every step. Borrowed like the argument.
  tenon_bytes_t params;
  /// A checkpoint from an earlier session of this task; data == NULL for a fresh one. Only in
  /// `open`.
  tenon_bytes_t checkpoint;
  /// The call's deadline in nanoseconds of CLOCK_MONOTONIC (QueryPerformanceCounter on Windows,
  /// scaled); INT64_MAX for none.
  int64_t deadline_ns;
  /// Unique among the calls of one runtime; the same for each attempt.
  uint64_t call_id;
  /// Maximum number of results that a source's `step` may commit; 0 for other functions.
  uint32_t max_results;
  uint32_t reserved;
  /// The pointer that the plugin's `init` stored.
  void* state;
  /// Reserved for the worker.
  void* worker_data;
};

#define TENON_CALL_MIN_SIZE ((uint32_t)(56u + 6u * sizeof(void*)))

// ---------------------------------------------------------------------------------------------
// The worker
// ---------------------------------------------------------------------------------------------

/// The worker's interface for the plugin as a whole. Valid from tenon_plugin_entry until `fini`
/// returns.
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
  /// An extension of the worker by its id; NULL if there is none with this id. Valid while the
  /// worker lives. [any-thread]
  const void* (*extension)(const tenon_worker_t* worker, const char* id);
  /// Reserved for the worker.
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
  /// The kind of the task; must agree with the schema's `streaming` attribute.
  tenon_task_kind_t kind;
  /// The method's name in the schema's rpc_service, as in `thumbnail`. Zero-terminated.
  const char* name;
  /// Fully qualified names of the tables, as in `tenon.File`; must agree with the schema.
  /// `params_type` is NULL for a task without params.
  const char* argument_type;
  const char* result_type;
  const char* params_type;

  /// Plain tasks: runs one call. NULL for sessions.
  /// Returns: TENON_OK after a commit; otherwise an error code, ideally after `fail`.
  tenon_status_t (*run)(tenon_call_t* call);

  /// Sessions: opens one. `call` contains the params, for a source the argument, and a checkpoint
  /// if the session continues an earlier one. The plugin stores its state in `*session`; several
  /// sessions of one task may be open in one worker.
  /// Returns: TENON_OK; an error code, in which case no `close` follows.
  tenon_status_t (*open)(tenon_call_t* call, void** session);

  /// Sessions: runs one step. A source commits up to `call->max_results` results and returns, even
  /// with none if it must wait; if possible, it returns within a few milliseconds. A reduce takes
  /// `call->argument`; if that is NULL, it commits its result and returns TENON_END.
  /// Returns: TENON_OK: there is more to do; TENON_END: the session is complete; an error code ends
  /// it.
  tenon_status_t (*step)(tenon_call_t* call, void* session);

  /// Sessions: commits bytes from which `open` creates a session that continues exactly here: they
  /// account for every result committed and every argument taken so far. NULL if the task has no
  /// checkpoints.
  /// Returns: TENON_OK after a commit; TENON_UNSUPPORTED for a session that has no checkpoint.
  tenon_status_t (*checkpoint)(tenon_call_t* call, void* session);

  /// Sessions: closes one, complete or not, and frees its state.
  void (*close)(void* session);
} tenon_task_t;

#define TENON_TASK_MIN_SIZE ((uint32_t)(8u + 9u * sizeof(void*)))

/// The plugin. Returned by tenon_plugin_entry; owned by the plugin; must not change during the life
/// of the process.
typedef struct tenon_plugin {
  /// Size of this struct in bytes.
  uint32_t size_bytes;
  /// Number of tasks.
  uint32_t task_count;
  /// The manifest: the bytes of section TENON_MANIFEST_SECTION themselves.
  const tenon_manifest_t* manifest;
  /// The tasks: an array of `task_count` structs whose stride is the `size_bytes` of the first.
  const tenon_task_t* tasks;

  /// Called once per worker before any task. `settings` is the plugin's own settings table, data ==
  /// NULL if none is configured; borrowed until init returns. The pointer stored in `*state`
  /// becomes tenon_call_t.state. NULL if there is nothing to do.
  /// Returns: TENON_OK; an error code: the plugin is then not usable in this worker, and `fini` is
  /// not called.
  tenon_status_t (*init)(const tenon_worker_t* worker, tenon_bytes_t settings, void** state);

  /// Called once after the last call, before `fini`: stop threads and flush here. NULL if there is
  /// nothing to do.
  void (*quiesce)(void* state);

  /// Called once when the worker stops, after `quiesce`. Not called if the worker is killed. NULL
  /// if there is nothing to do.
  void (*fini)(void* state);

  /// An extension of the plugin by its id; returns NULL if there is none with this id. Valid for
  /// the life of the process. May itself be NULL.
  const void* (*extension)(const char* id);
} tenon_plugin_t;

#define TENON_PLUGIN_MIN_SIZE ((uint32_t)(8u + 6u * sizeof(void*)))

#if defined(_WIN32)
#define TENON_PLUGIN_EXPORT __declspec(dllexport)
#else
#define TENON_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

/// Name of the entry function that the worker looks up.
#define TENON_PLUGIN_ENTRY_NAME "tenon_plugin_entry"

/// The only function that a plugin exports. Called once per process, before anything else of the
/// plugin except its static initialisers. It only builds the descriptor.
/// Returns: the descriptor; NULL if the plugin cannot work with this worker, after a message
/// through worker->log.
typedef const tenon_plugin_t* (*tenon_plugin_entry_fn)(const tenon_worker_t* worker);
TENON_PLUGIN_EXPORT const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t* worker);

#ifdef __cplusplus
}
#endif

#endif  // TENON_PLUGIN_H_
