/// The signals that ask a service to stop or reload, as a descriptor for a Poller.
#pragma once

#include <utility>

#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Blocks SIGINT, SIGTERM and SIGHUP on the thread that created it and on threads started
/// meanwhile; `take` returns the pending ones. On destruction, signals that were not taken are
/// delivered as before. Create and destroy it on one thread, before other threads are started.
/// Children are not affected. Move-only.
class ServiceSignals {
 public:
  /// Errors: kUnavailable: no descriptors are left; kIo. [setup]
  [[nodiscard]] static Result<ServiceSignals> hold();
  ServiceSignals(ServiceSignals&& other) noexcept = default;
  ServiceSignals& operator=(ServiceSignals&&) = delete;
  ~ServiceSignals();

  /// Readable if a signal is pending. For a Poller; ownership stays here.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }

  struct Seen {
    int stops = 0;  ///< SIGINT and SIGTERM.
    bool reload = false;
  };
  /// The signals since the last call. The system keeps one of each kind.
  [[nodiscard]] Seen take() const noexcept;

 private:
  explicit ServiceSignals(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
};

}  // namespace tenon::internal
