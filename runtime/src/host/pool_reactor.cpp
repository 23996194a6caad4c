/// The pool's reactor thread: starts workers, reads their bells and messages, handles their exits, and runs the
/// timers.
#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "host/pool.hpp"
#include "platform/debugger.hpp"
#include "platform/memory_limit.hpp"
#include "platform/process_state.hpp"

namespace tenon::internal {

namespace {

enum : std::uint64_t { kBell = 0, kChannel = 1, kExit = 2, kErrorStream = 3, kOutputStream = 4, kKinds = 5 };
/// Maximum number of messages read from one worker at a time, so that a talkative worker cannot occupy the reactor.
constexpr int kMessagesAtOnce = 64;
/// Time between the hang-up of a worker's channel and its exit, when it exits by itself.
constexpr std::chrono::milliseconds kEndingPatience{5};

}  // namespace

void Pool::react() {
  reactor_id_.store(std::this_thread::get_id());
  for (;;) {
    const bool more_to_start = start_due_worker();
    const MonotonicNs now_ns = monotonic_now_ns();
    const MonotonicNs trim_ns =
        std::min({arguments_->trim(now_ns), call_memory_->trim(now_ns), launcher_->look_after(now_ns)});
    MonotonicNs deadline_ns = std::min(trim_ns, output_.look(now_ns));
    bool ended = false;
    {
      auto scheduler = scheduler_.lock();
      ended = closing_ && scheduler->slots().worker_count() == 0;
      deadline_ns = std::min(deadline_ns, scheduler->next_deadline());
    }
    if (ended) {
      output_.close();
      auto scheduler = scheduler_.lock();
      arguments_->close();
      call_memory_->close();
      reactor_done_ = true;
      changed_.notify_all();
      return;
    }
    // A ready worker does not wait until all others have been started.
    auto events = poller_.wait(more_to_start || !unread_.empty() ? 0 : deadline_ns);
    if (!events) {
      continue;
    }
    for (const std::uint64_t link_id : std::exchange(unread_, {})) {
      handle(link_id, kBell);
    }
    for (const PollEvent& event : *events) {
      if (event.token == 0) {
        bell_.drain();
      } else {
        handle(event.token / kKinds, event.token % kKinds);
      }
    }
    auto retired = retired_->take();
    std::vector<Stalls::Stalled> stalled;
    std::vector<WearWatch::Measured> to_measure;
    bool sessions_move = false;
    with([&](Scheduler& scheduler) {
      scheduler.retire(retired);
      scheduler.flush_outboxes();
      scheduler.on_due_bells();
      scheduler.on_timer(monotonic_now_ns());
      stalled = scheduler.stalls().take_stalled();
      to_measure = scheduler.wear().take_to_measure(scheduler.slots(), now_ns);
      sessions_move = scheduler.generations().recycle_worn();
    });
    if (sessions_move) {
      move_sessions();
    }
    for (const WearWatch::Measured& each : to_measure) {
      const auto used_bytes = process_memory_bytes(each.pid, recycle_above_bytes_);
      if (used_bytes && *used_bytes > recycle_above_bytes_) {
        with([&](Scheduler& scheduler) {
          if (WorkerLink* link = scheduler.slots().find(each.link_id)) {
            scheduler.wear().wear_out(*link);
          }
        });
      }
    }
    for (const Stalls::Stalled& each : stalled) {
      if (each.runs) {
        if (const auto state = process_state(each.pid)) {
          const bool frozen = process_frozen(each.pid);
          with([&](Scheduler& scheduler) { scheduler.stalls().end_stopped(each.link_id, *state, frozen); });
        }
        continue;
      }
      const bool debugged = debugger_attached(each.pid);
      with([&](Scheduler& scheduler) { scheduler.stalls().end_stalled(each.link_id, debugged); });
    }
  }
}

void Pool::on_hang_up(std::uint64_t link_id) {
  std::int64_t pid = 0;
  with([&](Scheduler& scheduler) {
    // Only the channel's hang-up is watched. The exit handle will report the imminent exit; a worker that runs on
    // without a channel is useless.
    if (WorkerLink* link = scheduler.slots().find(link_id); link != nullptr && !link->reaper.exited()) {
      poller_.remove(link->channel.descriptor());
      pid = link->handle->pid();
    }
  });
  auto state = process_state(pid);
  if (state && !state->ending && !state->main_thread_ended) {
    // Its threads exit one by one, and the channel may be gone before the first of them seems to have exited.
    std::this_thread::sleep_for(kEndingPatience);
    state = process_state(pid);
  }
  with([&](Scheduler& scheduler) {
    WorkerLink* link = scheduler.slots().find(link_id);
    if (link == nullptr || link->reaper.exited()) {
      return;
    }
    if (state && !state->ending && !state->main_thread_ended) {
      scheduler.roster().kill_disconnected(*link);
    } else {
      link->kill();
    }
  });
}

void Pool::handle(std::uint64_t link_id, std::uint64_t kind) {
  if (kind == kChannel) {
    on_hang_up(link_id);
    return;
  }
  std::shared_ptr<WorkerLink> link;
  {
    auto scheduler = scheduler_.lock();
    WorkerLink* const found = scheduler->slots().find(link_id);
    if (found == nullptr || found->reaper.exited()) {
      return;  // An event of a link that has been cleaned up since the event was gathered.
    }
    link = scheduler->slots().of(*found).link;
  }
  if (kind == kErrorStream || kind == kOutputStream) {
    output_.read(link, kind == kErrorStream ? OutputStream::kError : OutputStream::kOutput);
    return;
  }
  if (kind == kExit) {
    finish_output(link);
  }
  with([&](Scheduler& scheduler) {
    if (link->reaper.exited()) {
      return;
    }
    read_messages(scheduler, *link);
    if (kind == kBell) {
      scheduler.on_bell(*link);
    } else {
      poller_.remove(link->handle->exit_handle());
      scheduler.on_exit(*link);
    }
  });
}

void Pool::finish_output(const std::shared_ptr<WorkerLink>& link) {
  if (!link->output_finished.load()) {
    for (const FileDescriptor* stream : {link->handle->output_stream(), link->handle->error_stream()}) {
      if (stream != nullptr) {
        poller_.remove(*stream);
      }
    }
    output_.finish(link);
  }
}

void Pool::read_messages(Scheduler& scheduler, WorkerLink& link) {
  Buffer message;
  for (int i = 0; i < kMessagesAtOnce; ++i) {
    auto read = link.transport->end().read_message(message);
    if (!read) {
      scheduler.roster().break_link(link, std::move(read.error()));
      return;
    }
    if (!*read) {
      return;
    }
    scheduler.on_message(link, message, [this](std::string_view task, const GenerationRef& bound) {
      return routing_.bound_route(task, bound);
    });
  }
  // The bell does not ring again for the remaining replies.
  unread_.push_back(link.id);
}

bool Pool::start_due_worker() {
  const auto slot = with([](Scheduler& scheduler) { return scheduler.next_start(monotonic_now_ns()); });
  if (!slot) {
    return false;
  }
  // Outside the lock, so that calls continue meanwhile.
  auto link = WorkerLink::start(*launcher_, *arguments_, link_ids_.next(), *slot, link_options_);
  if (!link) {
    with([&](Scheduler& scheduler) { scheduler.lives().start_failed(*slot, std::move(link.error())); });
    return true;
  }
  const bool watched = watch(**link);
  if (!watched) {
    // No other thread would notice its exit: it is killed and waited for here, so that no zombie is left.
    (*link)->refusal = "the system has no more memory to watch it";
    (*link)->kill();
    await_end(*(*link)->handle);
    finish_output(*link);
  }
  with([&](Scheduler& scheduler) {
    WorkerLink& started = **link;
    scheduler.lives().started(*link);
    if (!watched) {
      scheduler.on_exit(started);
    }
  });
  return true;
}

void Pool::send_file(const FileRestorer::Request& request, const Result<ServedFile::Loadable>& found) {
  with([&](Scheduler& scheduler) {
    if (WorkerLink* link = scheduler.slots().find(request.link_id)) {
      link->send_file(request, found);
      scheduler.effects().rearm = true;  // The message may have to wait for room in the channel.
    }
  });
}

bool Pool::watch(WorkerLink& link) {
  const std::uint64_t base = link.id * kKinds;
  // The worker shares the bell's open file and its flags, so nothing is ever read from it: edges report its rings.
  const PollInterest rings{.readable = true, .writable = false, .edge_triggered = true};
  const PollInterest hang_up{.readable = false, .writable = false};
  const bool watched = poller_.add(link.bell.descriptor(), base + kBell, rings).has_value() &&
                       poller_.add(link.channel.descriptor(), base + kChannel, hang_up).has_value() &&
                       poller_.add(link.handle->exit_handle(), base + kExit).has_value();
  // Another thread reads the streams, so each event is reported once. If this fails, the worker's output is lost.
  if (link.handle->error_stream() != nullptr) {
    static_cast<void>(poller_.add(*link.handle->error_stream(), base + kErrorStream, rings));
  }
  if (link.handle->output_stream() != nullptr) {
    static_cast<void>(poller_.add(*link.handle->output_stream(), base + kOutputStream, rings));
  }
  return watched;
}

void Pool::unwatch(const WorkerLink& link) noexcept {
  poller_.remove(link.bell.descriptor());
  poller_.remove(link.channel.descriptor());
  poller_.remove(link.handle->exit_handle());
}

}  // namespace tenon::internal
