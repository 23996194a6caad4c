/// The signals by which a service is asked to end or to reload, as something that a Poller waits for.
#pragma once

#include <utility>

#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Holds back SIGINT, SIGTERM and SIGHUP on the thread that made it, and on threads started meanwhile, and gives them
/// out by `take`. At its end what was not taken is delivered as before. One thread, which also ends it; make it before
/// other threads are started. Children are not touched. Move-only.
class ServiceSignals {
 public:
  /// Errors: kUnavailable no descriptors left; kIo. [setup]
  [[nodiscard]] static Result<ServiceSignals> hold();
  ServiceSignals(ServiceSignals&& other) noexcept = default;
  ServiceSignals& operator=(ServiceSignals&&) = delete;
  ~ServiceSignals();

  /// Readable when a signal has come. For a Poller; stays owned.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }

  struct Seen {
    int stops = 0;  ///< SIGINT and SIGTERM.
    bool reload = false;
  };
  /// What has come since the last time. The system keeps one of each kind.
  [[nodiscard]] Seen take() const noexcept;

 private:
  explicit ServiceSignals(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
};

}  // namespace tenon::internal
