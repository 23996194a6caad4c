#include "worker/core.hpp"

#include <chrono>
#include <thread>

#include <tenon/control_generated.h>

#include "base/hot.hpp"
#include "base/text.hpp"
#include "base/try.hpp"

namespace tenon::internal {

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
/// How long a worker waits for a message that must be in transit.
constexpr std::chrono::seconds kPatience{30};
/// The same for a plugin's file, which the host may have to hash and copy.
constexpr std::chrono::minutes kFilePatience{5};
/// A file that changes between the host's check and the worker's is requested again.
constexpr int kMaxFileRequests = 3;

BlockRef to_block(const control::Place* place) {
  if (place == nullptr) {
    return {};
  }
  return BlockRef{place->segment_id(), 0, place->offset_bytes(), place->size_bytes()};
}

std::optional<PluginFileState> to_state(const control::FileState* state) {
  if (state == nullptr) {
    return std::nullopt;
  }
  return PluginFileState{state->device(), state->inode(), state->size_bytes(), state->mtime_ns(), state->ctime_ns()};
}

std::string to_string(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

}  // namespace

Result<void> post_message(WorkerEnd& end, BytesView message, MonotonicNs deadline_ns) {
  for (;;) {
    TENON_ASSIGN(const auto posted, end.post(message));
    if (posted) {
      return {};
    }
    if (monotonic_now_ns() >= deadline_ns) {
      return fail(ErrorCode::kDeadline, "the host does not read the messages of this worker");
    }
    // Rare: only log lines fill the ring, and the host reads them as soon as it is rung.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool LogSender::send_line(tenon_log_level_t level, std::string_view message, std::string_view plugin,
                          std::string_view task, std::uint64_t call_id) {
  flatbuffers::FlatBufferBuilder builder(512);
  const auto line = control::CreateLog(builder, level, builder.CreateString(message.data(), message.size()),
                                       builder.CreateString(plugin.data(), plugin.size()),
                                       builder.CreateString(task.data(), task.size()), call_id);
  builder.Finish(control::CreateWorkerEnvelope(builder, control::WorkerMessage::Log, line.Union()));
  // A line that finds no room is dropped instead of delaying the task.
  return end_.post(BytesView(builder.GetBufferPointer(), builder.GetSize())).value_or(false);
}

void LogSender::send(tenon_log_level_t level, std::string_view message, std::string_view plugin, std::string_view task,
                     std::uint64_t call_id) {
  bool new_second = false;
  {
    const auto counts = counts_.lock();
    const MonotonicNs now_ns = monotonic_now_ns();
    if (now_ns - counts->second_began_ns >= kSecondNs) {
      counts->second_began_ns = now_ns;
      counts->lines = 0;
      new_second = true;
    }
    if (++counts->lines > kLogLinesPerSecond) {
      ++counts->dropped;
      has_dropped_.store(true, std::memory_order_relaxed);
      return;
    }
  }
  if (new_second) {
    report_dropped();
  }
  if (!send_line(level, message, plugin, task, call_id)) {
    note_dropped(1);
  }
}

void LogSender::note_dropped(std::uint64_t lines) {
  const auto counts = counts_.lock();
  counts->dropped += lines;
  has_dropped_.store(true, std::memory_order_relaxed);
}

void LogSender::send_dropped() {
  std::uint64_t dropped = 0;
  {
    const auto counts = counts_.lock();
    dropped = std::exchange(counts->dropped, 0);
    has_dropped_.store(false, std::memory_order_relaxed);
  }
  if (dropped == 0) {
    return;
  }
  const bool sent = send_line(TENON_LOG_WARNING,
                              count_of(dropped, "log line was", "log lines were") + " dropped: more than " +
                                  std::to_string(kLogLinesPerSecond) + " in a second, or the host was slow",
                              {}, {}, 0);
  if (!sent) {
    note_dropped(dropped);
  }
}

Result<void> WorkerCore::read_control() {
  for (;;) {
    TENON_ASSIGN(const auto taken, take_message(0));
    if (!taken) {
      return {};
    }
  }
}

Result<bool> WorkerCore::take_message(MonotonicNs deadline_ns) {
  TENON_ASSIGN(auto message, channel.receive(deadline_ns));
  if (!message) {
    return false;
  }
  ++messages_read_;
  TENON_TRY(handle(*message));
  return true;
}

Result<void> WorkerCore::handle(ControlMessage& message) {
  flatbuffers::Verifier verifier(message.bytes.data(), message.bytes.size());
  if (!verifier.VerifyBuffer<control::HostEnvelope>(nullptr)) {
    return fail(ErrorCode::kCorrupt, "a message of the host is malformed");
  }
  const auto* envelope = flatbuffers::GetRoot<control::HostEnvelope>(message.bytes.data());
  if (const auto* add = envelope->message_as_AddSegment()) {
    if (message.descriptors.size() != 1) {
      return fail(ErrorCode::kCorrupt, "a segment arrived without its descriptor");
    }
    TENON_ASSIGN(auto mapping, map_foreign_segment(std::move(message.descriptors.front())));
    return segments.add(add->segment_id(), std::move(mapping));
  }
  if (const auto* drop = envelope->message_as_DropSegment()) {
    segments.remove(drop->segment_id());
    return {};
  }
  if (const auto* bind = envelope->message_as_Bind()) {
    Route bound;
    bound.number = bind->route();
    bound.slot = routes.slot(bind->plugin()->str(), to_string(bind->version()), bind->file()->str(),
                             bind->sha256()->str(), to_state(bind->state()), to_block(bind->settings()));
    if (bound.slot->libraries.empty() && bind->libraries() != nullptr) {
      for (const control::Library* library : *bind->libraries()) {
        bound.slot->libraries.push_back({library->name()->str(), library->file()->str(), library->sha256()->str(),
                                         to_state(library->state()), library->fixed(), std::nullopt});
      }
    }
    bound.slot->load_limit = std::chrono::milliseconds(bind->load_limit_ms());
    bound.task = bind->task()->str();
    bound.full_name = bound.slot->name + "." + bound.task;
    bound.params = to_block(bind->params());
    routes.bind(std::move(bound));
    return {};
  }
  if (const auto* unbind = envelope->message_as_Unbind()) {
    routes.unbind(unbind->route());
    return {};
  }
  if (const auto* resolved = envelope->message_as_Resolved()) {
    Answer answer;
    answer.request = resolved->request();
    answer.route = resolved->route();
    if (resolved->code() != 0) {
      answer.error = Error{static_cast<ErrorCode>(resolved->code()), to_string(resolved->message()), {}};
    }
    answer_ = std::move(answer);
    return {};
  }
  if (const auto* file = envelope->message_as_PluginFile()) {
    FileAnswer answer;
    answer.plugin = file->plugin()->str();
    answer.sha256 = file->sha256()->str();
    answer.file = to_string(file->file());
    answer.state = to_state(file->state());
    if (!message.descriptors.empty()) {
      answer.descriptor = std::move(message.descriptors.front());
    }
    if (file->code() != 0) {
      answer.error = Error{static_cast<ErrorCode>(file->code()), to_string(file->message()), {}};
    }
    file_answer_ = std::move(answer);
    return {};
  }
  if (envelope->message_as_Stop() != nullptr) {
    stopping = true;
    return {};
  }
  return fail(ErrorCode::kCorrupt, "a message of the host has an unknown type");
}

TENON_HOT Result<BytesView> WorkerCore::resolve(const BlockRef& block, BytesView inline_bytes, std::string_view what) {
  auto bytes = segments.resolve(block, inline_bytes, what);
  if (bytes || bytes.error().code != ErrorCode::kNotFound) {
    return bytes;
  }
  // The host sends a segment before the first slot that names it, but the channel has not been read
  // yet.
  TENON_TRY(read_control_until([&] { return segments.contains(block.segment); }, internal::deadline_after(kPatience)));
  return segments.resolve(block, inline_bytes, what);
}

void LoadGuard::began(const std::string& plugin, std::chrono::milliseconds limit) noexcept {
  limit_ms_.store(limit.count(), std::memory_order_relaxed);  // Published by the store of plugin_.
  plugin_.store(&plugin, std::memory_order_release);
  start_timer();
}

void LoadGuard::start_timer() const noexcept {
  const std::chrono::milliseconds limit(limit_ms_.load(std::memory_order_relaxed));
  if (watch_ != nullptr && limit.count() > 0) {
    watch_->set_timer(bound(limit));
  }
}

void LoadGuard::ended() noexcept {
  plugin_.store(nullptr, std::memory_order_release);
  if (watch_ != nullptr) {
    watch_->set_timer({});
  }
}

bool LoadGuard::report(const HostWatch& watch) const {
  const std::string* plugin = plugin_.load(std::memory_order_acquire);
  if (plugin == nullptr) {
    return false;
  }
  watch.say(
      "tenon-worker: the plugin '" + printable(*plugin, 200) + "' has not loaded within " +
      std::to_string(bound(std::chrono::milliseconds(limit_ms_.load(std::memory_order_relaxed))).count()) +
      " ms (its constructors or its init hang), so this worker exits. If it needs longer, raise its start_timeout "
      "(--start-timeout, [plugins." +
      printable(*plugin, 200) + "] start_timeout in a pipeline, or PluginLimits)\n");
  return true;
}

TENON_HOT Result<Route*> WorkerCore::route(std::uint32_t number) {
  Route* found = routes.find(number);
  if (found == nullptr) {
    TENON_TRY(read_control_until(
        [&] {
          found = routes.find(number);
          return found != nullptr;
        },
        internal::deadline_after(kPatience)));
  }
  if (found->loaded == nullptr) {
    loads.began(found->slot->name, found->slot->load_limit);
    auto loaded = routes.load(
        *found, plugin_view,
        {.settings = [this](const BlockRef& block) { return resolve(block, {}, "settings of the plugin"); },
         .file = [this](const PluginSlot& slot, const std::string& sha256) { return fetch_file(slot, sha256); }});
    fork_guard.end_child();
    loads.ended();
    if (!loaded) {
      return fail(std::move(loaded.error()));
    }
  }
  return found;
}

Result<OpenPluginFile> WorkerCore::fetch_file(const PluginSlot& slot, const std::string& sha256) {
  const MonotonicNs deadline_ns = internal::deadline_after(kFilePatience);
  for (int attempt = 1;; ++attempt) {
    flatbuffers::FlatBufferBuilder builder(256);
    const auto need = control::CreateNeedFileDirect(builder, slot.name.c_str(), sha256.c_str());
    builder.Finish(control::CreateWorkerEnvelope(builder, control::WorkerMessage::NeedFile, need.Union()));
    file_answer_.reset();
    TENON_TRY(post_message(end, BytesView(builder.GetBufferPointer(), builder.GetSize()), deadline_ns));
    TENON_TRY(read_control_until([&] { return file_answer_ && file_answer_->plugin == slot.name; }, deadline_ns));
    FileAnswer answer = std::move(*file_answer_);
    file_answer_.reset();
    if (answer.error) {
      return fail(std::move(*answer.error));
    }
    if (answer.sha256 != sha256) {
      return fail(ErrorCode::kInternal, "the host sent a file of another version of " + slot.name);
    }
    auto opened = answer.descriptor.valid()
                      ? check_inspected(std::move(answer.descriptor), answer.file, answer.state, sha256)
                      : open_inspected(answer.file, answer.state, sha256);
    if (opened || attempt == kMaxFileRequests) {
      return opened;
    }
  }
}

Result<Route*> WorkerCore::resolve_task(std::string_view full_name) {
  if (const auto known = resolved_.find(full_name); known != resolved_.end()) {
    return route(known->second);
  }
  const std::uint64_t request = next_request++;
  flatbuffers::FlatBufferBuilder builder(256);
  const auto ask = control::CreateResolve(builder, request, builder.CreateString(full_name.data(), full_name.size()));
  builder.Finish(control::CreateWorkerEnvelope(builder, control::WorkerMessage::Resolve, ask.Union()));
  const MonotonicNs deadline_ns = internal::deadline_after(kPatience);
  TENON_TRY(post_message(end, BytesView(builder.GetBufferPointer(), builder.GetSize()), deadline_ns));
  answer_.reset();
  TENON_TRY(read_control_until([&] { return answer_ && answer_->request == request; }, deadline_ns));
  if (answer_->error) {
    return fail(*answer_->error);
  }
  // The host keeps a route that it named in a reply for as long as this worker lives.
  resolved_.emplace(full_name, answer_->route);
  return route(answer_->route);
}

}  // namespace tenon::internal
