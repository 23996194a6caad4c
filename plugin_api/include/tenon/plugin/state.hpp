/// tenon/plugin/state.hpp: a plugin's state and settings in each worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include <tenon/plugin.h>
#include <tenon/plugin/error.hpp>
#include <tenon/plugin/table.hpp>

namespace tenon {

/// The worker, as a plugin sees it during and after initialisation. [any-thread]
class WorkerContext {
 public:
  WorkerContext(const tenon_worker_t* raw, tenon_bytes_t settings) : raw_(raw), settings_(settings) {}
  WorkerContext(const WorkerContext&) = delete;
  WorkerContext& operator=(const WorkerContext&) = delete;

  /// Number of this worker, unique within its runtime.
  [[nodiscard]] std::uint64_t id() const noexcept { return raw_->worker_id; }
  /// Writes a line to the host's log.
  void log(tenon_log_level_t level, const std::string& message) const { raw_->log(raw_, level, message.c_str()); }
  /// An extension of the worker by its id; null if there is none with this id.
  [[nodiscard]] const void* extension(const char* id) const { return raw_->extension(raw_, id); }
  /// The plugin's settings; default values if none are configured. Valid as long as the worker.
  /// Throws TaskError: TENON_CORRUPT.
  template <internal::GeneratedTable S>
  [[nodiscard]] const S& settings() const {
    return internal::verified_root_or_default<S>(internal::as_span(settings_.raw()), "settings");
  }
  /// The worker of the ABI.
  [[nodiscard]] const tenon_worker_t* raw() const noexcept { return raw_; }

 private:
  const tenon_worker_t* raw_;
  internal::AlignedBytes settings_;
};

namespace internal {

/// The object behind tenon_call_t.state in a C++ plugin.
class PluginState {
 public:
  PluginState(const tenon_worker_t* worker, tenon_bytes_t settings) : worker_(worker, settings) {}

  static PluginState& of(void* raw) {
    if (raw == nullptr) {
      throw TaskError(TENON_INTERNAL, "the task ran without its plugin's init");
    }
    return *static_cast<PluginState*>(raw);
  }

  [[nodiscard]] const WorkerContext& worker() const noexcept { return worker_; }

  template <typename T>
  void make() {
    if constexpr (std::is_constructible_v<T, const WorkerContext&>) {
      object_ = Object(new T(worker_), [](void* object) { delete static_cast<T*>(object); });
    } else {
      static_assert(std::is_default_constructible_v<T>,
                    "plugin.state<T>(): T needs a constructor T(const tenon::WorkerContext&) or a default one");
      object_ = Object(new T(), [](void* object) { delete static_cast<T*>(object); });
    }
    tag_ = &kTypeTag<T>;
  }
  template <typename T>
  T& get() const {
    if (tag_ != &kTypeTag<T>) {
      throw TaskError(TENON_INTERNAL, "the task requests a state of another type than plugin.state<T>() declared");
    }
    return *static_cast<T*>(object_.get());
  }
  template <typename S>
  void bind_settings() {
    settings_ = &worker_.template settings<S>();
    settings_tag_ = &kTypeTag<S>;
  }
  template <typename S>
  const S& settings() const {
    if (settings_tag_ != &kTypeTag<S>) {
      throw TaskError(TENON_INTERNAL, "the task requests settings of another type than plugin.settings<S>() declared");
    }
    return *static_cast<const S*>(settings_);
  }

 private:
  using Object = std::unique_ptr<void, void (*)(void*)>;
  WorkerContext worker_;
  const void* settings_ = nullptr;
  const char* settings_tag_ = nullptr;
  Object object_{nullptr, [](void*) {}};
  const char* tag_ = nullptr;
};

}  // namespace internal
}  // namespace tenon
