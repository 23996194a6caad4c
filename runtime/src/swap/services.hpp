/// swap/services.hpp: what the parts of the coordinator share.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "swap/candidate.hpp"
#include "swap/event_log.hpp"
#include "swap/fleet.hpp"
#include "swap/records.hpp"

namespace tenon::internal {

/// One for each runtime; it outlives the lanes and preparations. Members are [any-thread] unless
/// stated otherwise.
struct SwapServices {
  std::shared_ptr<Fleet> fleet;
  Candidates candidates;
  EventLog events;
  GenerationRecords records;
  /// The directories that are searched for plugins, in order.
  const std::vector<std::filesystem::path> directories;
  /// Wakes the coordinator. May be called after its end.
  std::function<void()> wake;
  /// Preparations that are running. Used only by the coordinator's thread.
  std::size_t preparing = 0;

  SwapServices(std::shared_ptr<Fleet> workers, Candidates maker, LogSink log,
               std::vector<std::filesystem::path> searched, std::function<void()> waker)
      : fleet(std::move(workers)),
        candidates(std::move(maker)),
        events(std::move(log)),
        records(fleet),
        directories(std::move(searched)),
        wake(std::move(waker)) {}
};

}  // namespace tenon::internal
