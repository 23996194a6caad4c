#include "host/worker_messages.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <tenon/control_generated.h>
#include <tenon/plugin.h>

#include "base/text.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kMaxErrorBytes = 8192;
constexpr std::size_t kMaxNameBytes = 256;
/// Maximum number of messages that wait for a worker when it asks for something; honest work never needs as many.
constexpr std::size_t kMaxUnreadMessages = 16'384;

std::string text_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

}  // namespace

bool WorkerMessages::take(WorkerLink& link, BytesView message, const Resolve& resolve) {
  flatbuffers::Verifier verifier(message.data(), message.size());
  if (!verifier.VerifyBuffer<control::WorkerEnvelope>(nullptr)) {
    roster_.break_link(link, Error{ErrorCode::kCorrupt, "the worker sent a message that does not verify", {}});
    return false;
  }
  const auto* envelope = flatbuffers::GetRoot<control::WorkerEnvelope>(message.data());
  if (const auto* ready = envelope->message_as_Ready()) {
    return take_ready(link, *ready);
  }
  if (const auto* refused = envelope->message_as_Refused()) {
    link.refusal = printable(refused->message()->str(), kMaxErrorBytes);
    link.kill();
  } else if (const auto* log = envelope->message_as_Log()) {
    take_log(link, *log);
  } else if (const auto* wanted = envelope->message_as_Resolve()) {
    take_resolve(link, *wanted, resolve);
  } else if (const auto* need = envelope->message_as_NeedFile()) {
    take_need_file(link, *need);
  } else {
    roster_.break_link(link, Error{ErrorCode::kCorrupt, "the worker sent a message of an unknown kind", {}});
  }
  return false;
}

bool WorkerMessages::take_ready(WorkerLink& link, const control::Ready& ready) {
  if (link.state != WorkerLink::State::kStarting) {
    roster_.break_link(link, Error{ErrorCode::kCorrupt, "the worker said twice that it is ready", {}});
    return false;
  }
  if (ready.protocol() != kLayoutVersion || ready.abi_major() != TENON_ABI_MAJOR) {
    link.refusal = "it speaks another protocol; use the tenon-worker that was built with this library";
    link.kill();
    return false;
  }
  if (auto sealed =
          check_seals(link.transport->results()->descriptor(), {.shrink = true, .grow = true, .future_write = true});
      !sealed) {
    link.refusal = "it did not seal its result memory against other writers; use the tenon-worker that was built " +
                   std::string("with this library");
    link.kill();
    return false;
  }
  link.state = WorkerLink::State::kReady;
  link.start_deadline_ns = kNever;
  slots_.note_ready(link.slot);
  roster_.relist(link);
  effects_->changed = true;
  return true;
}

void WorkerMessages::take_log(WorkerLink& link, const control::Log& log) {
  if (!link.may_log(log.message()->size())) {
    link.count_dropped_lines(effects_->log);
    return;
  }
  const int level = std::clamp(log.level(), TENON_LOG_DEBUG + 0, TENON_LOG_ERROR + 0);
  const GenerationRef* generation = link.generation_of(text_of(log.plugin()));
  effects_->log.push_back({static_cast<LogLevel>(level), printable(log.message()->str(), kMaxErrorBytes),
                           printable(text_of(log.plugin()), kMaxNameBytes),
                           printable(text_of(log.task()), kMaxNameBytes), link.id, log.call_id(),
                           generation == nullptr ? nullptr : *generation});
}

void WorkerMessages::take_resolve(WorkerLink& link, const control::Resolve& wanted, const Resolve& resolve) {
  if (link.outbox_size() > kMaxUnreadMessages) {
    // An honest worker waits for each reply before it asks again.
    roster_.break_link(link, Error{ErrorCode::kCorrupt, "the worker asks without reading the answers", {}});
    return;
  }
  // A worker can have only one generation of a plugin: the one that it already has, if any.
  const std::string task = wanted.task()->str();
  const GenerationRef* bound = link.generation_of(std::string_view(task).substr(0, task.find('.')));
  auto route = resolve(task, bound == nullptr ? nullptr : *bound);
  if (route) {
    introduce(link, *route);
  }
  link.send_resolved(wanted.request(), route);
}

void WorkerMessages::take_need_file(WorkerLink& link, const control::NeedFile& need) {
  const GenerationRef* generation = link.generation_of(text_of(need.plugin()));
  ServedFileRef file = generation == nullptr ? nullptr : (*generation)->file_of(need.sha256()->string_view());
  if (file == nullptr || !link.note_file_request()) {
    roster_.break_link(link,
                       Error{ErrorCode::kCorrupt, "the worker asks for a plugin file that it has no use for", {}});
    return;
  }
  effects_->files.push_back({link.id, *generation, std::move(file)});
}

void WorkerMessages::introduce(WorkerLink& link, const RouteRef& route) {
  const auto settings = settings_.find(route->ref.plugin->name);
  link.introduce_route(route, settings == settings_.end() ? StoredBytes{} : settings->second);
}

}  // namespace tenon::internal
