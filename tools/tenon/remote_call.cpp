#include "tools/tenon/remote_call.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"
#include "host/storage.hpp"
#include "serve/frame.hpp"
#include "serve/protocol.hpp"

namespace tenon::cli {
namespace {

// The largest number of results or arguments in one step of a session.
constexpr std::uint32_t kResultsPerStep = 64;
constexpr std::size_t kArgumentsPerStep = 64;
constexpr std::size_t kBytesPerStep = std::size_t{1} << 20;
// How long the client waits for the daemon's own reply after the time limit has passed. Older daemons do not apply the
// limit. The reply of a daemon that does comes only after its cancel_grace (a second) if the task ignores the cancel.
constexpr std::chrono::milliseconds kReplyPatience{3000};

Failure interrupted_failure() {
  return {ExitCode::kInterrupted, Error{ErrorCode::kCancelled, "interrupted", {}}, {}, {}};
}

Outcome<void> check_size(std::size_t size_bytes) {
  if (size_bytes > internal::kMaxPayloadBytes) {
    return failure(ExitCode::kFailed,
                   Error{ErrorCode::kTooLarge,
                         "an argument of " + internal::format_size(size_bytes) + " is too large for the socket, " +
                             "whose limit is " + internal::format_size(internal::kMaxPayloadBytes),
                         {}},
                   "pass large content as a file, or call without --socket");
  }
  return {};
}

/// Bytes with the plugin that made them, as the daemon reports it.
class MadeBytes final : public internal::ReplyStorage {
 public:
  MadeBytes(internal::Shared<const internal::ReplyStorage> bytes, std::shared_ptr<const PluginInfo> maker)
      : bytes_(std::move(bytes)), maker_(std::move(maker)) {}
  [[nodiscard]] const PluginInfo* origin() const noexcept override { return maker_.get(); }

 private:
  const internal::Shared<const internal::ReplyStorage> bytes_;
  const std::shared_ptr<const PluginInfo> maker_;
};

Buffer buffer_of(BytesView bytes) {
  return Buffer(bytes.begin(), bytes.end());
}

}  // namespace

bool RemoteCaller::interrupted() const {
  return world_.interrupts->load(std::memory_order_relaxed) > 0;
}

Outcome<TaskRef> RemoteCaller::find(const std::string& full_name) {
  serve::GetTaskT request;
  request.task = full_name;
  TENON_ASSIGN(auto answer, client_.ask(std::move(request), kDaemonPatience));
  serve::TaskSchemaT* const known = answer.AsTaskSchema();
  if (known == nullptr) {
    return unexpected_answer();
  }
  auto schema = Schema::from_binary(known->schema, known->plugin);
  if (!schema) {
    return failure(ExitCode::kFailed, std::move(schema.error()));
  }
  auto plugin = std::make_shared<PluginInfo>();
  plugin->name = known->plugin;
  plugin->version = known->version;
  plugin->sha256 = known->sha256;
  plugin->schema = std::move(*schema);
  const TaskInfo* const task = plugin->schema->find_task(full_name.substr(full_name.find('.') + 1));
  if (task == nullptr) {
    return unexpected_answer();
  }
  asked_ = TaskRef{std::move(plugin), task};
  return asked_;
}

Outcome<serve::AnswerBodyUnion> RemoteCaller::wait(std::uint64_t number) {
  int seen = 0;
  for (;;) {
    const auto left = time_left();
    auto answer = client_.receive_or_interrupt(left ? std::optional(*left + kReplyPatience) : left, seen);
    if (!answer && is_late()) {
      serve::CancelT cancel;
      cancel.request = number;
      serve::RequestBodyUnion request;
      request.Set(cancel);
      // The daemon ends it; this process does not wait for the reply.
      static_cast<void>(client_.send(std::move(request)));
      return tl::unexpected<Failure>(late_failure(asked_));
    }
    if (!answer) {
      return tl::unexpected<Failure>(std::move(answer.error()));
    }
    if (!*answer) {
      seen = world_.interrupts->load(std::memory_order_relaxed);
      if (seen > 1) {
        return tl::unexpected<Failure>(interrupted_failure());
      }
      serve::CancelT cancel;
      cancel.request = number;
      serve::RequestBodyUnion request;
      request.Set(cancel);
      TENON_TRY(client_.send(std::move(request)));
      continue;
    }
    if (const serve::FailureT* const failed = (*answer)->body.AsFailure()) {
      // Does not use answered_failure: an error of the task itself is not a usage error.
      return interrupted() ? tl::unexpected<Failure>(interrupted_failure())
                           : failure(ExitCode::kFailed, internal::to_error(*failed), failed->hint);
    }
    return std::move((*answer)->body);
  }
}

Reply RemoteCaller::reply_of(const std::vector<std::uint8_t>& bytes, const TaskRef& task, const std::string& version,
                             const std::string& sha256) {
  internal::StoredBytes stored = internal::copy_to_host(bytes);
  if (version.empty() && sha256.empty()) {
    return Reply(std::move(stored.storage), stored.bytes);
  }
  if (maker_ == nullptr || maker_->version != version || maker_->sha256 != sha256) {
    auto maker = std::make_shared<PluginInfo>();
    maker->name = task.plugin->name;
    maker->version = version;
    maker->sha256 = sha256;
    maker_ = std::move(maker);
  }
  return Reply(internal::make_shared_object<const MadeBytes>(std::move(stored.storage), maker_), stored.bytes);
}

template <typename Body>
Outcome<serve::AnswerBodyUnion> RemoteCaller::ask(Body body) {
  serve::RequestBodyUnion request;
  request.Set(std::move(body));
  TENON_ASSIGN(const auto number, client_.send(std::move(request), time_left()));
  return wait(number);
}

Outcome<Buffer> RemoteCaller::with_own_paths(const TaskRef& task, CallPart part, BytesView bytes) const {
  const std::string& type = part == CallPart::kArgument ? task.task->argument_type : task.task->params_type;
  std::error_code failed;
  const std::filesystem::path directory = std::filesystem::current_path(failed);
  auto absolute = with_absolute_paths(*task.plugin->schema, *task.task, part, type, buffer_of(bytes),
                                      failed ? std::filesystem::path() : directory);
  return absolute ? Outcome<Buffer>(std::move(*absolute)) : failure(ExitCode::kFailed, std::move(absolute.error()));
}

template <typename Request>
Outcome<Request> RemoteCaller::make(const TaskRef& task, BytesView given_params, BytesView given_argument) const {
  TENON_ASSIGN(auto params, with_own_paths(task, CallPart::kParams, given_params));
  TENON_ASSIGN(auto argument, with_own_paths(task, CallPart::kArgument, given_argument));
  TENON_TRY(check_size(params.size() + argument.size()));
  Request request;
  request.task = task.task->full_name;
  request.sha256 = task.plugin->sha256;
  request.params = std::move(params);
  request.argument = std::move(argument);
  return request;
}

Outcome<Reply> RemoteCaller::plain(const TaskRef& task, BytesView params, BytesView argument) {
  TENON_ASSIGN(auto request, make<serve::CallT>(task, params, argument));
  TENON_ASSIGN(auto answer, ask(std::move(request)));
  const serve::CallResultT* const result = answer.AsCallResult();
  return result != nullptr ? Outcome<Reply>(reply_of(result->result, task, result->version, result->sha256))
                           : unexpected_answer();
}

Outcome<std::uint64_t> RemoteCaller::open(const TaskRef& task, BytesView params, BytesView argument) {
  TENON_ASSIGN(auto request, make<serve::OpenT>(task, params, argument));
  TENON_ASSIGN(auto answer, ask(std::move(request)));
  const serve::OpenedT* const opened = answer.AsOpened();
  return opened != nullptr ? Outcome<std::uint64_t>(opened->session) : unexpected_answer();
}

Outcome<void> RemoteCaller::source(const TaskRef& task, BytesView params, BytesView argument, const TakeResult& take) {
  TENON_ASSIGN(const auto session, open(task, params, argument));
  for (;;) {
    serve::RequestBodyUnion request;
    serve::NextT next;
    next.session = session;
    next.max_results = kResultsPerStep;
    request.Set(next);
    TENON_ASSIGN(const auto number, client_.send(std::move(request), time_left()));
    for (bool last = false; !last;) {
      TENON_ASSIGN(auto answer, wait(number));
      const serve::ResultsT* const results = answer.AsResults();
      if (results == nullptr) {
        return unexpected_answer();
      }
      for (const auto& result : results->results) {
        TENON_ASSIGN(const auto more, take(reply_of(result->data, task, results->version, results->sha256)));
        if (!more) {
          return {};
        }
      }
      last = results->last;
      if (results->ended) {
        return {};
      }
    }
    if (interrupted()) {
      return tl::unexpected<Failure>(interrupted_failure());
    }
  }
}

Outcome<Reply> RemoteCaller::reduce(const TaskRef& task, BytesView params, const NextArgument& next) {
  TENON_ASSIGN(const auto session, open(task, params, {}));
  std::optional<Buffer> kept;  // The argument that did not fit into the previous step.
  for (bool more = true; more || kept;) {
    serve::FeedT feed;
    feed.session = session;
    std::size_t size_bytes = 0;
    while (feed.arguments.size() < kArgumentsPerStep && size_bytes < kBytesPerStep) {
      if (!kept && more) {
        TENON_ASSIGN(auto argument, next());
        more = argument.has_value();
        if (more) {
          TENON_ASSIGN(kept, with_own_paths(task, CallPart::kArgument, *argument));
        }
      }
      if (!kept) {
        break;
      }
      TENON_TRY(check_size(kept->size()));
      if (size_bytes + kept->size() > internal::kMaxPayloadBytes) {
        break;
      }
      size_bytes += kept->size();
      feed.arguments.push_back(std::make_unique<serve::BytesT>());
      feed.arguments.back()->data = std::move(*kept);
      kept.reset();
    }
    if (!feed.arguments.empty()) {
      TENON_TRY(ask(std::move(feed)));
    }
    if (interrupted()) {
      return tl::unexpected<Failure>(interrupted_failure());
    }
  }
  serve::GetResultT get;
  get.session = session;
  TENON_ASSIGN(auto answer, ask(get));
  const serve::CallResultT* const result = answer.AsCallResult();
  return result != nullptr ? Outcome<Reply>(reply_of(result->result, task, result->version, result->sha256))
                           : unexpected_answer();
}

}  // namespace tenon::cli
