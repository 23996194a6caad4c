#include <tenon/runtime.hpp>

#include <utility>

#include "host/map_stream.hpp"
#include "host/pool.hpp"
#include "host/runtime_access.hpp"
#include "host/session.hpp"

namespace tenon {

class Runtime::Impl {
 public:
  explicit Impl(std::shared_ptr<internal::Pool> pool) : pool_(std::move(pool)) {}
  [[nodiscard]] const std::shared_ptr<internal::Pool>& pool() const noexcept { return pool_; }

 private:
  std::shared_ptr<internal::Pool> pool_;
};

namespace {

Error moved_from() {
  return Error{ErrorCode::kInvalidArgument, "this runtime has been moved away; use the one it was moved to", {}};
}

Result<internal::OpenedCatalog> open_catalog(const RuntimeOptions& options) {
  if (options.catalog) {
    return internal::OpenedCatalog{*options.catalog};
  }
  CatalogOptions catalog;
  catalog.plugin_dirs = options.plugin_dirs;
  catalog.cache_dir = options.cache_dir;
  catalog.worker_executable = options.worker_executable;
  return Catalog::open(catalog).map([](Catalog opened) { return internal::OpenedCatalog{std::move(opened)}; });
}

}  // namespace

Result<Runtime> internal::RuntimeAccess::start(RuntimeOptions options, std::unique_ptr<Launcher> launcher) {
  auto pool = Pool::start(
      options, [&options] { return open_catalog(options); }, std::move(launcher));
  if (!pool) {
    return fail(std::move(pool.error()));
  }
  return Runtime(std::make_shared<Runtime::Impl>(std::move(*pool)));
}

std::shared_ptr<internal::Pool> internal::RuntimeAccess::pool(const Runtime& runtime) {
  return runtime.impl_ == nullptr ? nullptr : runtime.impl_->pool();
}

Result<Runtime> Runtime::start(RuntimeOptions options) {
  auto worker = find_worker_executable(options.worker_executable);
  if (!worker) {
    return fail(std::move(worker.error()));
  }
  options.worker_executable = *worker;
  return internal::RuntimeAccess::start(std::move(options), internal::make_process_launcher(std::move(*worker)));
}

Runtime::Runtime(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runtime::Runtime(Runtime&&) noexcept = default;

Runtime& Runtime::operator=(Runtime&& other) noexcept {
  if (this != &other) {
    if (impl_ != nullptr) {
      impl_->pool()->shutdown(Shutdown::kCancel);
    }
    impl_ = std::move(other.impl_);
  }
  return *this;
}

Runtime::~Runtime() {
  if (impl_ != nullptr) {
    impl_->pool()->shutdown(Shutdown::kCancel);
  }
}

Result<Reply> Runtime::call(std::string_view task, BytesView argument, const CallOptions& options) {
  if (impl_ == nullptr) {
    return fail(moved_from());
  }
  auto call = impl_->pool()->make_call(task, argument, options);
  if (!call) {
    return fail(std::move(call.error()));
  }
  return impl_->pool()->run(std::move(*call));
}

Result<Reply> Runtime::call(std::string_view task, const Reply& argument, const CallOptions& options) {
  if (impl_ == nullptr) {
    return fail(moved_from());
  }
  auto call = impl_->pool()->make_call(task, argument, options);
  if (!call) {
    return fail(std::move(call.error()));
  }
  return impl_->pool()->run(std::move(*call));
}

Result<ArgumentBuilder> Runtime::build_argument(std::size_t size_hint_bytes) {
  if (impl_ == nullptr) {
    return fail(moved_from());
  }
  return ArgumentBuilder::create(impl_->pool()->arguments(), size_hint_bytes);
}

Future<Reply> Runtime::submit(std::string_view task, BytesView argument, const CallOptions& options) {
  if (impl_ == nullptr) {
    return internal::completed_future<Reply>(fail(moved_from()));
  }
  auto call = impl_->pool()->make_call(task, argument, options);
  if (!call) {
    return internal::completed_future<Reply>(fail(std::move(call.error())));
  }
  Future<Reply> future{internal::Shared<internal::TypedState<Reply>>(*call)};
  impl_->pool()->submit(std::move(*call));
  return future;
}

Future<Reply> Runtime::submit(std::string_view task, const Reply& argument, const CallOptions& options) {
  if (impl_ == nullptr) {
    return internal::completed_future<Reply>(fail(moved_from()));
  }
  auto call = impl_->pool()->make_call(task, argument, options);
  if (!call) {
    return internal::completed_future<Reply>(fail(std::move(call.error())));
  }
  Future<Reply> future{internal::Shared<internal::TypedState<Reply>>(*call)};
  impl_->pool()->submit(std::move(*call));
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

void Runtime::shutdown(Shutdown how) {
  if (impl_ != nullptr) {
    impl_->pool()->shutdown(how);
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
