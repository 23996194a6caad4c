#include <tenon/runtime.hpp>

#include <utility>

#include <tenon/internal/promise.hpp>

#include "base/hot.hpp"
#include "base/try.hpp"
#include "host/kept_catalog.hpp"
#include "host/log_delivery.hpp"
#include "host/map_stream.hpp"
#include "host/pool.hpp"
#include "host/pool_fleet.hpp"
#include "host/runtime_access.hpp"
#include "host/session.hpp"
#include "plugin/plugin_directories.hpp"
#include "swap/coordinator.hpp"
#include "swap/initial_catalog.hpp"

namespace tenon {

class Runtime::Impl {
 public:
  Impl(std::shared_ptr<internal::Pool> pool, std::unique_ptr<internal::SwapCoordinator> coordinator,
       std::shared_ptr<internal::LogDelivery> log)
      : pool_(std::move(pool)), coordinator_(std::move(coordinator)), log_(std::move(log)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (coordinator_ != nullptr && pool_->on_reactor()) {
      coordinator_->let_go();
    }
  }
  [[nodiscard]] const std::shared_ptr<internal::Pool>& pool() const noexcept { return pool_; }
  /// Null if the runtime cannot swap.
  [[nodiscard]] internal::SwapCoordinator* coordinator() const noexcept { return coordinator_.get(); }
  void shutdown(Shutdown how) {
    if (coordinator_ != nullptr && !pool_->on_reactor()) {
      coordinator_->stop();  // It requests workers from the pool.
    }
    pool_->shutdown(how);
    if (coordinator_ != nullptr && pool_->on_reactor()) {
      // Called from a continuation: the events that the coordinator waits for need this thread.
      coordinator_->stop_soon();
    }
    if (!pool_->on_reactor()) {
      log_->close();  // Nothing is left that logs.
    }
  }

 private:
  std::shared_ptr<internal::Pool> pool_;
  const std::unique_ptr<internal::SwapCoordinator> coordinator_;
  const std::shared_ptr<internal::LogDelivery> log_;
};

namespace {

Error moved_from() {
  return Error{ErrorCode::kInvalidArgument, "this runtime has been moved away; use the one it was moved to", {}};
}

Error cannot_swap() {
  return Error{ErrorCode::kUnsupported,
               "this runtime cannot swap plugins; start it with RuntimeOptions::hot_swap (tenon run --watch, or tenon "
               "serve)",
               {}};
}

CatalogOptions catalog_options(const RuntimeOptions& options) {
  CatalogOptions catalog;
  catalog.plugin_dirs = options.plugin_dirs;
  catalog.cache_dir = options.cache_dir;
  catalog.worker_executable = options.worker_executable;
  catalog.limits = options.plugin_limits;
  catalog.limits_of = options.limits_of_plugins;
  return catalog;
}

Result<Catalog> open_catalog(const RuntimeOptions& options) {
  return options.catalog ? Result<Catalog>(*options.catalog) : Catalog::open(catalog_options(options));
}

/// The parts of a runtime that can swap, in addition to its pool.
struct Staged {
  internal::Candidates candidates;
  internal::StagedCatalog catalog;
};

Result<Staged> open_staged(const RuntimeOptions& options) {
  const CatalogOptions inspection = catalog_options(options);
  TENON_ASSIGN(auto candidates, internal::open_candidates(*options.hot_swap, inspection));
  TENON_ASSIGN(const auto catalog, open_catalog(options));
  std::vector<std::filesystem::path> directories;
  if (!options.catalog || !options.plugin_dirs.empty()) {
    CatalogOptions places = inspection;
    places.use_environment = inspection.use_environment && !options.catalog;
    TENON_ASSIGN(directories, internal::plugin_directories(places));
  }
  auto staged = internal::stage_catalog(candidates, catalog, std::move(directories));
  return Staged{std::move(candidates), std::move(staged)};
}

}  // namespace

Result<Runtime> internal::RuntimeAccess::start(RuntimeOptions options, std::unique_ptr<Launcher> launcher) {
  if (options.hot_swap) {
    TENON_TRY(check_hot_swap_options(*options.hot_swap));
  }
  const auto log = std::make_shared<LogDelivery>(std::move(options.log));
  options.log = LogDelivery::sink(log);
  std::optional<Staged> staged;
  const auto open = [&]() -> Result<OpenedCatalog> {
    if (!options.hot_swap) {
      return open_catalog(options).map([&options](Catalog catalog) {
        return keep_catalog(std::move(catalog), catalog_options(options), [&options](const Error& refusal) {
          if (options.log) {
            const std::string message = refusal.message + "; plugins are kept in memory instead";
            LogRecord line;
            line.message = message;
            options.log(line);
          }
        });
      });
    }
    TENON_ASSIGN(auto opened, open_staged(options));
    staged.emplace(std::move(opened));
    OpenedCatalog catalog{staged->catalog.catalog};
    for (const auto& [name, plugin] : staged->catalog.plugins) {
      catalog.files.emplace(name, plugin.served);
    }
    return catalog;
  };
  TENON_ASSIGN(auto pool, Pool::start(options, open, std::move(launcher)));
  std::unique_ptr<SwapCoordinator> coordinator;
  if (staged) {
    auto started = SwapCoordinator::start(*options.hot_swap, make_fleet(pool), std::move(staged->candidates),
                                          std::move(staged->catalog), options.log);
    if (!started) {
      pool->shutdown(Shutdown::kKill);
      return fail(std::move(started.error()));
    }
    coordinator = std::move(*started);
  }
  return Runtime(std::make_shared<Runtime::Impl>(std::move(pool), std::move(coordinator), log));
}

std::shared_ptr<internal::Pool> internal::RuntimeAccess::pool(const Runtime& runtime) {
  return runtime.impl_ == nullptr ? nullptr : runtime.impl_->pool();
}

Result<Runtime> Runtime::start(RuntimeOptions options) {
  TENON_ASSIGN(auto worker, find_worker_executable(options.worker_executable));
  options.worker_executable = worker;
  auto launcher = internal::make_process_launcher(
      std::move(worker),
      {.memory_limit_bytes = options.worker_memory_limit_bytes, .environment = options.worker_environment});
  return internal::RuntimeAccess::start(std::move(options), std::move(launcher));
}

Runtime::Runtime(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runtime::Runtime(Runtime&&) noexcept = default;

Runtime& Runtime::operator=(Runtime&& other) noexcept {
  if (this != &other) {
    if (impl_ != nullptr) {
      impl_->shutdown(Shutdown::kCancel);
    }
    impl_ = std::move(other.impl_);
  }
  return *this;
}

Runtime::~Runtime() {
  if (impl_ != nullptr) {
    impl_->shutdown(Shutdown::kCancel);
  }
}

TENON_HOT Result<Reply> Runtime::call(std::string_view task, BytesView argument, const CallOptions& options) {
  if (impl_ == nullptr) {
    return fail(moved_from());
  }
  auto call = impl_->pool()->calls().make(task, argument, options);
  if (!call) {
    return fail(std::move(call.error()));
  }
  return impl_->pool()->run(std::move(*call));
}

TENON_HOT Result<Reply> Runtime::call(std::string_view task, const Reply& argument, const CallOptions& options) {
  if (impl_ == nullptr) {
    return fail(moved_from());
  }
  auto call = impl_->pool()->calls().make(task, argument, options);
  if (!call) {
    return fail(std::move(call.error()));
  }
  return impl_->pool()->run(std::move(*call));
}

Result<ArgumentBuilder> Runtime::build_argument(std::size_t size_hint_bytes) {
  if (impl_ == nullptr) {
    return fail(moved_from());
  }
  return ArgumentBuilder::create(impl_->pool()->calls().arguments(), size_hint_bytes);
}

Future<Reply> Runtime::submit(std::string_view task, BytesView argument, const CallOptions& options) {
  if (impl_ == nullptr) {
    return internal::completed_future<Reply>(fail(moved_from()));
  }
  auto call = impl_->pool()->calls().make(task, argument, options);
  if (!call) {
    return internal::completed_future<Reply>(fail(std::move(call.error())));
  }
  Future<Reply> future{internal::Shared<internal::TypedState<Reply>>(*call)};
  impl_->pool()->submit(std::move(*call));
  return future;
}

Future<Reply> Runtime::submit(std::string_view task, const Reply& argument, const CallOptions& options) {
  return internal::RuntimeAccess::submit(*this, task, argument, options, {});
}

Future<Reply> internal::RuntimeAccess::submit(Runtime& runtime, std::string_view task, const Reply& argument,
                                              const CallOptions& options, const EarlierAttempts& earlier) {
  if (runtime.impl_ == nullptr) {
    return completed_future<Reply>(fail(moved_from()));
  }
  auto call = runtime.impl_->pool()->calls().make(task, argument, options);
  if (!call) {
    return completed_future<Reply>(fail(std::move(call.error())));
  }
  (*call)->follow(earlier);
  Future<Reply> future{Shared<TypedState<Reply>>(*call)};
  runtime.impl_->pool()->submit(std::move(*call));
  return future;
}

MapStream Runtime::map(std::string_view task, std::function<std::optional<BytesView>()> next,
                       const MapOptions& options) {
  return MapStream(
      std::make_unique<MapStream::Impl>(impl_ == nullptr ? nullptr : impl_->pool(), task, std::move(next), options));
}

Future<Session> Runtime::open(std::string_view task, const SessionOptions& options) {
  if (impl_ == nullptr) {
    return internal::completed_future<Session>(fail(moved_from()));
  }
  return internal::open_session(impl_->pool(), task, options)
      .then([](Result<std::shared_ptr<internal::SessionHandle>> handle) -> Result<Session> {
        if (!handle) {
          return fail(std::move(handle.error()));
        }
        return Session(std::make_unique<Session::Impl>(std::move(*handle)));
      });
}

Result<SwapReport> Runtime::swap(std::string_view what, const SwapOptions& options) {
  if (impl_ == nullptr) {
    return fail(moved_from());
  }
  return impl_->coordinator() == nullptr ? fail(cannot_swap()) : impl_->coordinator()->swap(what, options);
}

Result<SwapReport> Runtime::rollback(std::string_view plugin, std::string_view reason) {
  if (impl_ == nullptr) {
    return fail(moved_from());
  }
  return impl_->coordinator() == nullptr ? fail(cannot_swap()) : impl_->coordinator()->rollback(plugin, reason);
}

std::vector<GenerationInfo> Runtime::generations() const {
  return impl_ == nullptr || impl_->coordinator() == nullptr ? std::vector<GenerationInfo>()
                                                             : impl_->coordinator()->generations();
}

std::vector<SwapEvent> Runtime::events_since(std::uint64_t number) const {
  return impl_ == nullptr || impl_->coordinator() == nullptr ? std::vector<SwapEvent>()
                                                             : impl_->coordinator()->events_since(number);
}

EventSubscription Runtime::on_event(std::function<void(const SwapEvent&)> listener) {
  return impl_ == nullptr || impl_->coordinator() == nullptr ? EventSubscription()
                                                             : impl_->coordinator()->on_event(std::move(listener));
}

void Runtime::shutdown(Shutdown how) {
  if (impl_ != nullptr) {
    impl_->shutdown(how);
  }
}

Catalog Runtime::catalog() const {
  return impl_ == nullptr ? Catalog() : impl_->pool()->catalog();
}

unsigned Runtime::worker_count() const noexcept {
  return impl_ == nullptr ? 0 : impl_->pool()->worker_count();
}

RuntimeStats Runtime::stats() const {
  return impl_ == nullptr ? RuntimeStats{} : impl_->pool()->stats();
}

}  // namespace tenon
