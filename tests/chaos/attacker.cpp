#include "attacker.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "processes.hpp"

namespace tenon::chaos {
namespace {

/// Calls that end between two attacks, if any do: on a slow machine, a step that takes longer than
/// the interval between attacks would never finish.
constexpr std::uint64_t kEndsBetween = 20;

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Sends a signal to a child of this process. No other process receives it if the number has been
/// reused.
bool send(std::int64_t pid, int signal) {
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
  if (handle < 0) {
    return false;
  }
  const auto state = state_of(pid);
  const bool ours = state && state->parent == ::getpid();
  const bool sent = ours && ::syscall(SYS_pidfd_send_signal, handle, signal, nullptr, 0) == 0;
  ::close(handle);
  return sent;
}

std::optional<std::int64_t> pid_of(const Runtime& runtime, std::uint64_t worker_id) {
  for (const auto& worker : runtime.stats().workers) {
    if (worker.id == worker_id && worker.pid > 0) {
      return worker.pid;
    }
  }
  return std::nullopt;
}

}  // namespace

Attacker::Attacker(Runtime& runtime, Book& book, Surroundings surroundings, const Options& options)
    : runtime_(runtime),
      book_(book),
      surroundings_(std::move(surroundings)),
      options_(options),
      random_(scatter(options.seed ^ 0xa77ac4)),
      thread_([this] { run(); }),
      carer_([this] { look_after(); }) {}

void Attacker::stop() {
  stopping_ = true;
  if (thread_.joinable()) {
    thread_.join();
    restore_files();
  }
}

Attacker::~Attacker() {
  stop();
  over_ = true;
  carer_.join();
}

void Attacker::await_progress() {
  const auto latest = steady_clock::now() + std::chrono::seconds(1);
  for (const std::uint64_t goal = book_.progress + kEndsBetween;
       book_.progress < goal && !stopping_ && steady_clock::now() < latest;) {
    std::this_thread::sleep_for(milliseconds(1));
  }
}

void Attacker::run() {
  while (options_.attacks != 0 && !stopping_) {
    std::this_thread::sleep_for(milliseconds(2 + random_() % 30));
    await_progress();
    std::uint32_t left = options_.attacks;
    for (auto skip = random_() % static_cast<unsigned>(std::popcount(left)); skip > 0; --skip) {
      left &= left - 1;
    }
    attack(left & ~(left - 1));
  }
}

void Attacker::look_after() {
  while (!over_) {
    look_after_stopped_workers();
    std::this_thread::sleep_for(milliseconds(10));
  }
}

void Attacker::attack(std::uint32_t what) {
  ++count_;
  std::error_code ignored;
  switch (what) {
    case kAttackStoreDelete:
      fs::remove_all(surroundings_.cache, ignored);
      fs::remove_all(surroundings_.store, ignored);
      return;
    case kAttackPluginFile:
      return write_over_plugin();
    case kAttackDiskFull:
      return fill_disk();
    case kAttackSwap:
      return swap();
    default:
      return attack_worker(what);
  }
}

void Attacker::attack_worker(std::uint32_t what) {
  const auto workers = runtime_.stats().workers;
  if (workers.empty()) {
    return;
  }
  const auto& worker = workers[random_() % workers.size()];
  if (worker.pid <= 0) {
    return;
  }
  book_.ledger().mark(worker.id, kMarkAttacked);
  if (what == kAttackKill) {
    constexpr std::array kSignals = {SIGKILL, SIGSEGV, SIGTERM, SIGABRT, SIGKILL, SIGBUS};
    send(worker.pid, kSignals[random_() % kSignals.size()]);
    return;
  }
  if (!send(worker.pid, SIGSTOP)) {
    return;
  }
  // A short stop; a freeze lasts until look_after_stopped_workers ends it.
  if (what == kAttackStop) {
    std::this_thread::sleep_for(milliseconds(random_() % 100));
    send(worker.pid, random_() % 4 == 0 ? SIGKILL : SIGCONT);
  }
}

void Attacker::look_after_stopped_workers() {
  const auto now = steady_clock::now();
  for (const auto& worker : runtime_.stats().workers) {
    const auto known = std::find_if(stopped_.begin(), stopped_.end(),
                                    [&](const Stopped& stopped) { return stopped.worker_id == worker.id; });
    const auto state = worker.pid > 0 ? state_of(worker.pid) : std::nullopt;
    if (!state || state->letter != 'T') {
      if (known != stopped_.end()) {
        stopped_.erase(known);
      }
    } else if (known == stopped_.end()) {
      stopped_.push_back({worker.id, now + options_.thaw_after});
    } else if (now >= known->due) {
      book_.ledger().mark(worker.id, kMarkAttacked);
      send(worker.pid, worker.id % 2 == 0 ? SIGCONT : SIGKILL);
      known->due = now + options_.thaw_after;
    }
  }
  std::erase_if(stopped_, [&](const Stopped& stopped) { return !pid_of(runtime_, stopped.worker_id); });
}

void Attacker::write_over_plugin() {
  std::error_code ignored;
  const fs::path& file = surroundings_.plugin;
  switch (random_() % 4) {
    case 0: {  // Writes in place, while any process may map the file.
      std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
      out << std::string(100'000, '#');
      return;
    }
    case 1: {  // Replaces the file under its name.
      const fs::path other = file.string() + ".new";
      std::ofstream(other, std::ios::binary) << "this is no plugin";
      fs::rename(other, file, ignored);
      return;
    }
    case 2:
      fs::remove(file, ignored);
      return;
    default:
      fs::copy_file(surroundings_.original, file, fs::copy_options::overwrite_existing, ignored);
  }
}

void Attacker::fill_disk() {
  std::error_code ignored;
  if (surroundings_.disk.empty()) {
    return;
  }
  const fs::path fill = surroundings_.disk / "fill";
  std::ofstream out(fill, std::ios::binary);
  const std::string block(64 << 10, 'f');
  while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
  out.close();
  std::this_thread::sleep_for(milliseconds(random_() % 200));
  fs::remove(fill, ignored);
}

void Attacker::swap() {
  // Data after the sections of a library is not read, but it is part of the library's identity.
  const fs::path version = surroundings_.plugin.parent_path().parent_path() / "version" / "chaos.so";
  std::error_code ignored;
  fs::create_directory(version.parent_path(), ignored);
  fs::copy_file(surroundings_.original, version, fs::copy_options::overwrite_existing, ignored);
  std::ofstream(version, std::ios::binary | std::ios::app) << random_();
  // A swap may be refused or rolled back, because its calls crash. Only the calls are judged.
  static_cast<void>(runtime_.swap(version.string()));
}

void Attacker::restore_files() {
  std::error_code ignored;
  if ((options_.attacks & kAttackPluginFile) != 0) {
    fs::copy_file(surroundings_.original, surroundings_.plugin, fs::copy_options::overwrite_existing, ignored);
  }
}

}  // namespace tenon::chaos
