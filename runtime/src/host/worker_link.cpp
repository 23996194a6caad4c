#include "host/worker_link.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <tenon/control_generated.h>

#include "base/scope_guard.hpp"
#include "base/text.hpp"
#include "base/try.hpp"

namespace tenon::internal {

namespace {

control::Place to_place(const BlockRef& block) {
  return control::Place(block.segment, 0, block.offset_bytes, block.size_bytes);
}

}  // namespace

Result<std::shared_ptr<WorkerLink>> WorkerLink::start(Launcher& launcher, ArgumentMemory& arguments, std::uint64_t id,
                                                      std::uint32_t slot, const LinkOptions& options) {
  auto link = std::make_shared<WorkerLink>();
  link->id = id;
  link->slot = slot;
  link->in_flight = InFlight(options.slot_count);
  TENON_ASSIGN(auto ends, ControlChannel::create_pair());
  link->channel = std::move(ends.first);
  // Set before the worker exists: one of its messages could carry a descriptor whose closing blocks this process.
  link->channel.stop_receiving();
  TENON_ASSIGN(auto handle, launcher.launch(std::move(ends.second), id));
  link->handle = std::move(handle);
  // The system starts the process while the rest is created; the worker waits for its greeting.
  ScopeGuard end_unused([&link] {
    link->channel = ControlChannel();
    link->handle->kill();
    await_end(*link->handle);
    link->handle.reset();
  });
  const std::string name = "worker " + std::to_string(id);
  TENON_ASSIGN(auto end,
               HostEnd::create({.worker_name = name, .slot_count = options.slot_count, .release_count = 256}));
  TENON_ASSIGN(auto memory, SharedMemory::create(name + " results", options.result_arena_bytes));
  TENON_ASSIGN(auto mapping, memory.map(Access::kReadOnly));
  TENON_TRY(memory.seal({.shrink = true, .grow = true}));
  TENON_ASSIGN(auto descriptor, memory.descriptor().duplicate());
  TENON_ASSIGN(const std::uint32_t number, arguments.next_segment_number());
  auto results = make_shared_object<const SharedSegment>(
      number, std::move(descriptor), std::make_shared<const Mapping>(std::move(mapping)), arguments.retired());
  TENON_TRY(link->segments.add(number, results->mapping()));
  link->known_segments_ = {number, arguments.segment()->number()};
  TENON_ASSIGN(link->bell, EventBell::create());
  flatbuffers::FlatBufferBuilder builder;
  const auto hello = control::CreateHello(builder, kLayoutVersion, id, number, arguments.segment()->number(),
                                          options.memory_limit_bytes, options.result_arena_bytes);
  builder.Finish(control::CreateHostEnvelope(builder, control::HostMessage::Hello, hello.Union()));
  const std::array<int, 5> descriptors = {end.submission_descriptor().get(), end.completion_descriptor().get(),
                                          results->descriptor().get(), arguments.segment()->descriptor().get(),
                                          link->bell.descriptor().get()};
  auto sent = link->channel.send(BytesView(builder.GetBufferPointer(), builder.GetSize()), descriptors, 0);
  // A worker that has already exited does not need the greeting; its exit handle will report how it exited.
  const bool ended = !sent && sent.error().code == ErrorCode::kUnavailable && sent.error().context.os_code == 0;
  if (!sent && !ended) {
    return fail(std::move(sent.error()));
  }
  end.close_descriptors();
  link->transport = std::make_shared<Transport>(std::move(end), std::move(results));
  end_unused.dismiss();
  return link;
}

WorkerLink::~WorkerLink() {
  // Only a link that never reached the scheduler, or that of a scheduler that ends without its reactor, is destroyed
  // while its worker runs.
  if (handle != nullptr && state != State::kDead) {
    kill();
  }
}

void WorkerLink::kill() noexcept {
  if (!std::exchange(killed_, true)) {
    give_up_ns = later(monotonic_now_ns(), kExitPatienceNs);
  }
  handle->kill();
  transport->end().wake_worker();
}

void WorkerLink::note_session(const std::shared_ptr<SessionRecord>& session, bool open) {
  if (open) {
    sessions.push_back(session);
  } else {
    std::erase(sessions, session);
  }
}

void WorkerLink::send(const flatbuffers::FlatBufferBuilder& builder, Shared<const SharedSegment> segment,
                      std::shared_ptr<const FileDescriptor> file) {
  Outgoing outgoing{Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()),
                    std::move(segment), std::move(file)};
  if (!outbox_.empty() || !try_send(outgoing)) {
    outbox_.push_back(std::move(outgoing));
    transport->end().wake_worker();  // A sleeping worker does not read.
  }
}

bool WorkerLink::try_send(const Outgoing& outgoing) {
  std::array<int, 1> descriptor{};
  std::span<const int> descriptors;
  if (outgoing.segment != nullptr || outgoing.file != nullptr) {
    descriptor[0] = outgoing.segment != nullptr ? outgoing.segment->descriptor().get() : outgoing.file->get();
    descriptors = descriptor;
  }
  const auto sent = channel.send(outgoing.message, descriptors, 0);
  if (sent) {
    transport->end().count_message();
  }
  // Sending is tried again if the channel is full, or if the system is short of memory or of descriptors in transit.
  if (sent || sent.error().code == ErrorCode::kDeadline || sent.error().context.os_code != 0) {
    return sent.has_value();
  }
  // A worker that is gone needs no message, and one that only closed its channel is useless.
  kill();
  return true;
}

void WorkerLink::flush_outbox() {
  if (outbox_.empty()) {
    return;
  }
  while (!outbox_.empty() && try_send(outbox_.front())) {
    outbox_.pop_front();
  }
  // The sent messages should have been read long ago, and the worker must make room for the others.
  transport->end().wake_worker();
}

void WorkerLink::introduce_segment(const SharedSegment* segment) {
  if (segment == nullptr || !known_segments_.insert(segment->number()).second) {
    return;
  }
  flatbuffers::FlatBufferBuilder builder;
  const auto add = control::CreateAddSegment(builder, segment->number());
  builder.Finish(control::CreateHostEnvelope(builder, control::HostMessage::AddSegment, add.Union()));
  send(builder, Shared<const SharedSegment>::share(segment));
}

namespace {

/// Where a worker first looks for a plugin.
struct Bindable {
  std::filesystem::path file;  ///< Empty: the worker asks for the descriptor.
  std::optional<PluginFileState> state;
};

Bindable bindable(const Generation& generation) {
  if (generation.file == nullptr) {
    return {generation.plugin->file, generation.plugin->state};
  }
  ServedFile::Loadable loadable = generation.file->current();
  return {std::move(loadable.file), file_state(loadable.identity)};
}

control::FileState to_control(const PluginFileState& state) {
  return {state.device, state.inode, state.size_bytes, state.mtime_ns, state.ctime_ns};
}

}  // namespace

void WorkerLink::introduce_route(const RouteRef& route, const StoredBytes& settings) {
  if (!known_routes_.insert(route->number).second) {
    return;
  }
  if (generation_of(route->ref.plugin->name) == nullptr) {
    generations_.push_back(route->generation);
  }
  for (const StoredBytes* bytes : {&route->params, &settings}) {
    if (bytes->storage != nullptr) {
      introduce_segment(bytes->storage->segment());
    }
  }
  const PluginInfo& plugin = *route->ref.plugin;
  const Bindable file = bindable(*route->generation);
  flatbuffers::FlatBufferBuilder builder;
  const auto params = route->params.place();
  const auto settings_place = settings.place();
  const control::Place params_struct = to_place(params.value_or(BlockRef{}));
  const control::Place settings_struct = to_place(settings_place.value_or(BlockRef{}));
  const control::FileState state_struct = to_control(file.state.value_or(PluginFileState{}));
  std::vector<flatbuffers::Offset<control::Library>> libraries;
  if (route->generation->file != nullptr) {
    for (const ServedFile::Library& library : route->generation->file->libraries()) {
      const ServedFile::Loadable copy = library.file == nullptr ? ServedFile::Loadable{} : library.file->current();
      const control::FileState its_state = to_control(file_state(copy.identity));
      libraries.push_back(
          control::CreateLibraryDirect(builder, library.info.name.c_str(), library.info.sha256.c_str(),
                                       library.info.fixed ? library.info.file.c_str() : copy.file.c_str(),
                                       library.info.fixed, library.info.fixed ? nullptr : &its_state));
    }
  }
  const auto bind =
      control::CreateBindDirect(builder, route->number, plugin.name.c_str(), plugin.version.c_str(), file.file.c_str(),
                                plugin.sha256.c_str(), route->ref.task->name.c_str(), params ? &params_struct : nullptr,
                                settings_place ? &settings_struct : nullptr, file.state ? &state_struct : nullptr,
                                &libraries, static_cast<std::uint64_t>(route->generation->load_limit.count()));
  builder.Finish(control::CreateHostEnvelope(builder, control::HostMessage::Bind, bind.Union()));
  send(builder);
}

const GenerationRef* WorkerLink::generation_of(std::string_view plugin) const noexcept {
  const auto found = std::find_if(generations_.begin(), generations_.end(),
                                  [&](const GenerationRef& each) { return each->plugin->name == plugin; });
  return found == generations_.end() ? nullptr : &*found;
}

bool WorkerLink::clashes_with(const Generation& generation) const noexcept {
  return std::any_of(generations_.begin(), generations_.end(),
                     [&](const GenerationRef& each) { return each->clashes_with(generation); });
}

const HostRoute* WorkerLink::nested_once() const noexcept {
  const auto found = std::find_if(kept_routes_.begin(), kept_routes_.end(),
                                  [](const RouteRef& kept) { return !kept->ref.task->idempotent; });
  return found == kept_routes_.end() ? nullptr : found->get();
}

void WorkerLink::drop_segment(std::uint32_t number) {
  if (known_segments_.erase(number) == 0) {
    return;
  }
  flatbuffers::FlatBufferBuilder builder;
  const auto drop = control::CreateDropSegment(builder, number);
  builder.Finish(control::CreateHostEnvelope(builder, control::HostMessage::DropSegment, drop.Union()));
  send(builder);
  transport->end().wake_worker();
}

void WorkerLink::drop_route(std::uint32_t number) {
  if (known_routes_.erase(number) == 0) {
    return;
  }
  flatbuffers::FlatBufferBuilder builder;
  const auto drop = control::CreateUnbind(builder, number);
  builder.Finish(control::CreateHostEnvelope(builder, control::HostMessage::Unbind, drop.Union()));
  send(builder);
}

void WorkerLink::send_file(const FileRestorer::Request& request, const Result<ServedFile::Loadable>& found) {
  files_asked_for_ -= files_asked_for_ > 0 ? 1 : 0;
  const std::string& plugin = request.generation->plugin->name;
  const std::string& sha256 = request.file->sha256();
  flatbuffers::FlatBufferBuilder builder;
  flatbuffers::Offset<control::PluginFile> file;
  if (found) {
    const control::FileState state_struct = to_control(file_state(found->identity));
    const std::filesystem::path& name = found->file.empty() ? request.file->source() : found->file;
    file = control::CreatePluginFileDirect(builder, plugin.c_str(), sha256.c_str(), name.c_str(), &state_struct);
  } else {
    file =
        control::CreatePluginFileDirect(builder, plugin.c_str(), sha256.c_str(), nullptr, nullptr,
                                        static_cast<std::int32_t>(found.error().code), found.error().message.c_str());
  }
  builder.Finish(control::CreateHostEnvelope(builder, control::HostMessage::PluginFile, file.Union()));
  send(builder, nullptr, found ? found->descriptor : nullptr);
}

void WorkerLink::send_resolved(std::uint64_t request, const Result<RouteRef>& route) {
  flatbuffers::FlatBufferBuilder builder;
  flatbuffers::Offset<control::Resolved> resolved;
  if (route) {
    if (std::none_of(kept_routes_.begin(), kept_routes_.end(),
                     [&](const RouteRef& kept) { return kept.get() == route->get(); })) {
      kept_routes_.push_back(*route);
    }
    resolved = control::CreateResolved(builder, request, (*route)->number, 0);
  } else {
    resolved = control::CreateResolvedDirect(builder, request, 0, static_cast<std::int32_t>(route.error().code),
                                             route.error().message.c_str());
  }
  builder.Finish(control::CreateHostEnvelope(builder, control::HostMessage::Resolved, resolved.Union()));
  send(builder);
}

void WorkerLink::send_stop() {
  flatbuffers::FlatBufferBuilder builder;
  const auto stop = control::CreateStop(builder);
  builder.Finish(control::CreateHostEnvelope(builder, control::HostMessage::Stop, stop.Union()));
  send(builder);
  transport->end().wake_worker();
}

OutputRead WorkerLink::read_output(OutputStream stream, std::vector<LogLine>& log) {
  constexpr int kRounds = 16;
  const FileDescriptor* from = stream == OutputStream::kOutput ? handle->output_stream() : handle->error_stream();
  std::array<std::uint8_t, 4096> buffer{};
  OutputRead outcome = from == nullptr ? OutputRead::kEnded : OutputRead::kMore;
  for (int round = 0; round < kRounds && outcome == OutputRead::kMore; ++round) {
    const auto count = read_some(*from, buffer);
    if (!count) {
      outcome = count.error().code == ErrorCode::kUnavailable ? OutputRead::kDrained : OutputRead::kEnded;
      break;
    }
    auto output = output_.lock();
    if (*count == 0) {
      output->of(stream).end(id, output->budget, log);
      outcome = OutputRead::kEnded;
    } else {
      const std::string_view text(reinterpret_cast<const char*>(buffer.data()), *count);
      output->of(stream).add(text, id, output->budget, log);
    }
  }
  count_dropped_lines(log);
  return outcome;
}

void WorkerLink::close_output(OutputStream stream, std::vector<LogLine>& log) {
  if (stream == OutputStream::kOutput) {
    handle->close_output_stream();
  } else {
    handle->close_error_stream();
  }
  auto output = output_.lock();
  output->of(stream).end(id, output->budget, log);
}

void WorkerLink::count_dropped_lines(std::vector<LogLine>& log) {
  if (const std::uint64_t dropped = output_.lock()->budget.take_dropped(); dropped > 0) {
    LogLine line;
    line.worker_id = id;
    line.dropped = dropped;
    log.push_back(std::move(line));
  }
}

void WorkerLink::describe_output(ErrorContext& context) {
  auto output = output_.lock();
  context.stderr_tail = output->standard_error.tail();
  context.stdout_tail = output->standard_output.tail();
}

}  // namespace tenon::internal
