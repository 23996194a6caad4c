/// host/file_restorer.hpp: restores plugin files that workers could not load, on a thread that may
/// block.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <utility>

#include <tenon/error.hpp>

#include "base/guarded.hpp"
#include "plugin/served_file.hpp"
#include "swap/generation.hpp"

namespace tenon::internal {

/// Runs ServedFile::restore() for workers, one after another, on a thread that exists only while
/// there is work. [any-thread]
class FileRestorer {
 public:
  /// A worker that waits for the file of a generation.
  struct Request {
    std::uint64_t link_id = 0;
    GenerationRef generation;
    /// The generation's file, or one of its libraries.
    ServedFileRef file;
  };
  using Done = std::function<void(const Request& request, Result<ServedFile::Loadable> found)>;

  /// `done` receives each outcome, on the restorer's thread; it must not destroy the restorer.
  explicit FileRestorer(Done done) : done_(std::move(done)) {}
  FileRestorer(const FileRestorer&) = delete;
  FileRestorer& operator=(const FileRestorer&) = delete;
  /// Waits for the request being served; the others are dropped.
  ~FileRestorer();

  /// Does not block, unless the system cannot start another thread: the file is then restored on
  /// this one.
  void add(Request request);

 private:
  struct Queue {
    std::deque<Request> waiting;
    bool running = false;
    std::thread thread;
  };
  void run();
  void serve(const Request& request);

  const Done done_;
  Guarded<Queue> queue_;
};

}  // namespace tenon::internal
