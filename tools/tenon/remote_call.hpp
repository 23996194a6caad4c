/// Runs one task of each kind in a daemon, for `tenon call --socket`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/tenon/call_task.hpp"
#include "tools/tenon/client_paths.hpp"
#include "tools/tenon/daemon_client.hpp"

namespace tenon::cli {

/// Not thread-safe.
class RemoteCaller final : public TaskCaller {
 public:
  explicit RemoteCaller(const World& world, DaemonClient client) : world_(world), client_(std::move(client)) {}

  /// The task as the daemon has it now. Errors: usage when it does not exist.
  [[nodiscard]] Outcome<TaskRef> find(const std::string& full_name);

  [[nodiscard]] Outcome<Reply> plain(const TaskRef& task, BytesView params, BytesView argument) override;
  [[nodiscard]] Outcome<void> source(const TaskRef& task, BytesView params, BytesView argument,
                                     const TakeResult& take) override;
  [[nodiscard]] Outcome<Reply> reduce(const TaskRef& task, BytesView params, const NextArgument& next) override;
  void finish() override {}

 private:
  /// Sends a request and waits for its next answer; a first interrupt cancels it, a second one waits no more.
  template <typename Body>
  Outcome<serve::AnswerBodyUnion> ask(Body body);
  Outcome<serve::AnswerBodyUnion> wait(std::uint64_t number);
  template <typename Request>
  Outcome<Request> make(const TaskRef& task, BytesView params, BytesView argument) const;
  /// The bytes with relative paths made absolute: they are this process's, and the daemon's directory is another.
  [[nodiscard]] Outcome<Buffer> with_own_paths(const TaskRef& task, CallPart part, BytesView bytes) const;
  /// What the daemon answered, made by a version of the task's plugin; absent in answers of older daemons.
  Reply reply_of(const std::vector<std::uint8_t>& bytes, const TaskRef& task, const std::string& version,
                 const std::string& sha256);
  Outcome<std::uint64_t> open(const TaskRef& task, BytesView params, BytesView argument);
  [[nodiscard]] bool interrupted() const;

  const World& world_;
  DaemonClient client_;
  TaskRef asked_;  ///< What `find` has found last; for messages.
  /// Of the latest reply; most have the same.
  std::shared_ptr<const PluginInfo> maker_;
};

}  // namespace tenon::cli
