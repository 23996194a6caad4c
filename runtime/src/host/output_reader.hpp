/// host/output_reader.hpp: reads what workers write to stdout and stderr, on a thread that may block.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include <tenon/log.hpp>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "host/worker_link.hpp"

namespace tenon::internal {

/// A read from a pipe waits while another process writes to it from memory that is not there (a mapped file on a dead
/// network drive, a page that the worker itself serves), although the descriptor does not block. So neither the
/// reactor nor a holder of the scheduler's lock reads from a worker. The thread exists only once there is output. When
/// it is blocked, another one takes over. Closing such a pipe waits likewise. [any-thread]
class OutputReader {
 public:
  /// Lines go to `log`, which must not block; it may be empty.
  explicit OutputReader(LogSink log);
  OutputReader(const OutputReader&) = delete;
  OutputReader& operator=(const OutputReader&) = delete;
  /// The same as `close`.
  ~OutputReader() { close(); }

  /// Reads the stream soon: it has something to read, or has ended.
  void read(const std::shared_ptr<WorkerLink>& link, OutputStream stream);
  /// Reads what a worker that has exited left in its streams, so that an error can show it, and closes them. Waits for
  /// that, but at most for kPatienceNs, and not at all if the system has no thread for it: then it happens later. Does
  /// nothing if called again. The streams must not be polled any more.
  void finish(const std::shared_ptr<WorkerLink>& link);
  /// Lets another thread take over if the present ones are blocked. Returns when to call it again; kNever if nothing
  /// waits to be read.
  [[nodiscard]] MonotonicNs look(MonotonicNs now_ns);
  /// Waits for the threads. Those that are blocked are left behind.
  void close();

 private:
  static constexpr std::int64_t kPatienceNs = 1'000'000'000;

  /// A call of `finish`. Guarded by the lock of the state.
  struct Finish {
    unsigned open_streams = 2;
  };
  struct Job {
    std::shared_ptr<WorkerLink> link;
    OutputStream stream = OutputStream::kError;
    std::shared_ptr<Finish> finish;  ///< Reads the stream for the last time and closes it; null for other jobs.
  };
  /// A stream that is to be read or is being read.
  struct Mark {
    bool queued = false;
    bool reading = false;
    bool again = false;                        ///< There was more while it was read.
    std::shared_ptr<Finish> finish = nullptr;  ///< Who reads it now also reads the rest and closes it.
  };
  struct State {
    std::deque<Job> jobs;
    std::map<std::pair<std::uint64_t, OutputStream>, Mark> marks;  ///< Indexed by link id.
    unsigned threads = 0;
    unsigned idle = 0;
    MonotonicNs taken_ns = 0;  ///< When a job was last taken, or the first one came.
    bool closed = false;
  };
  struct Shared {
    explicit Shared(LogSink sink) : log(std::move(sink)) {}
    const LogSink log;
    Guarded<State> state;
    std::condition_variable work;      // For the threads: jobs, or the end.
    std::condition_variable progress;  // For finish and close.
  };
  using Locked = Guarded<State>::Locked;

  /// Runs jobs until there are none and others wait for them, or it is closed.
  static void run(const std::shared_ptr<Shared>& shared);
  static void run_job(Shared& shared, const Job& job);
  static void add(State& state, const std::shared_ptr<WorkerLink>& link, OutputStream stream);
  /// Makes sure that a thread takes the jobs. Without one, this thread takes those that are there now and do not
  /// finish a stream.
  void wake(Locked state);
  [[nodiscard]] bool start_thread(State& state) const;

  const std::shared_ptr<Shared> shared_;
};

}  // namespace tenon::internal
