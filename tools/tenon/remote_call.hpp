/// Runs one task of any kind in a daemon, for `tenon call --socket`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/tenon/call_task.hpp"
#include "tools/tenon/client_paths.hpp"
#include "tools/tenon/daemon_client.hpp"

namespace tenon::cli {

/// Makes calls in a daemon. Not thread-safe.
class RemoteCaller final : public TaskCaller {
 public:
  explicit RemoteCaller(const World& world, DaemonClient client) : world_(world), client_(std::move(client)) {}

  /// Returns the task in its current version in the daemon. Errors: usage if it does not exist.
  [[nodiscard]] Outcome<TaskRef> find(const std::string& full_name);

  [[nodiscard]] Outcome<Reply> plain(const TaskRef& task, BytesView params, BytesView argument) override;
  [[nodiscard]] Outcome<void> source(const TaskRef& task, BytesView params, BytesView argument,
                                     const TakeResult& take) override;
  [[nodiscard]] Outcome<Reply> reduce(const TaskRef& task, BytesView params, const NextArgument& next) override;
  void finish() override {}

 private:
  /// Sends a request and waits for its next reply. A first interrupt cancels the request; a second
  /// one ends the wait.
  template <typename Body>
  Outcome<serve::AnswerBodyUnion> ask(Body body);
  Outcome<serve::AnswerBodyUnion> wait(std::uint64_t number);
  template <typename Request>
  Outcome<Request> make(const TaskRef& task, BytesView params, BytesView argument) const;
  /// Makes relative paths in the bytes absolute: they refer to the directory of this process, not
  /// to the daemon's.
  [[nodiscard]] Outcome<Buffer> with_own_paths(const TaskRef& task, CallPart part, BytesView bytes) const;
  /// Returns the daemon's reply with the version of the task's plugin that made it; replies of
  /// older daemons have no version.
  Reply reply_of(const std::vector<std::uint8_t>& bytes, const TaskRef& task, const std::string& version,
                 const std::string& sha256);
  Outcome<std::uint64_t> open(const TaskRef& task, BytesView params, BytesView argument);
  [[nodiscard]] bool interrupted() const;

  const World& world_;
  DaemonClient client_;
  TaskRef asked_;  ///< The last result of `find`, for messages.
  /// The plugin of the latest reply; most replies have the same one.
  std::shared_ptr<const PluginInfo> maker_;
};

}  // namespace tenon::cli
