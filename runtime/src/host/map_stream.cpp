#include "host/map_stream.hpp"

#include <utility>

namespace tenon {

namespace {

constexpr std::size_t kWindowPerWorker = 64;

}  // namespace

MapStream::Impl::Impl(std::shared_ptr<internal::Pool> pool, std::string_view task,
                      std::function<std::optional<BytesView>()> next_argument, const MapOptions& options)
    : pool_(std::move(pool)),
      task_(task),
      next_argument_(std::move(next_argument)),
      options_(options),
      params_(options.call.params.begin(), options.call.params.end()) {
  options_.call.params = params_;
  window_ = options.window != 0 ? options.window : kWindowPerWorker * (pool_ == nullptr ? 1 : pool_->worker_count());
}

MapStream::Impl::~Impl() {
  for (const Pending& pending : pending_) {
    pending.future.cancel();
  }
}

Future<Reply> MapStream::Impl::start(BytesView argument) {
  if (pool_ == nullptr) {
    return internal::completed_future<Reply>(
        fail(ErrorCode::kInvalidArgument, "this runtime has been moved away; use the one it was moved to"));
  }
  auto call = pool_->make_call(task_, argument, options_.call);
  if (!call) {
    return internal::completed_future<Reply>(fail(std::move(call.error())));
  }
  Future<Reply> future{internal::Shared<internal::TypedState<Reply>>(*call)};
  pool_->submit(std::move(*call));
  return future;
}

void MapStream::Impl::fill() {
  while (!exhausted_ && in_flight_ < window_) {
    const std::optional<BytesView> argument = next_argument_();
    if (!argument) {
      exhausted_ = true;
      return;
    }
    const std::uint64_t index = next_index_++;
    pending_.push_back({index, start(*argument)});
    ++in_flight_;
    if (!options_.ordered) {
      static_cast<void>(pending_.back().future.then([arrivals = arrivals_, index](const Result<Reply>&) {
        const std::lock_guard lock(arrivals->mutex);
        arrivals->indices.push_back(index);
        arrivals->arrived.notify_one();
      }));
    }
  }
}

std::optional<MapStream::Item> MapStream::Impl::next() {
  fill();
  if (in_flight_ == 0) {
    return std::nullopt;
  }
  --in_flight_;
  if (options_.ordered) {
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    return Item{pending.index, pending.future.get()};
  }
  std::uint64_t index = 0;
  {
    std::unique_lock lock(arrivals_->mutex);
    arrivals_->arrived.wait(lock, [&] { return !arrivals_->indices.empty(); });
    index = arrivals_->indices.front();
    arrivals_->indices.pop_front();
  }
  Pending& pending = pending_[index - pending_.front().index];
  Item item{index, pending.future.get()};
  pending.future = {};
  while (!pending_.empty() && !pending_.front().future.valid()) {
    pending_.pop_front();
  }
  return item;
}

MapStream::MapStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MapStream::MapStream(MapStream&&) noexcept = default;
MapStream& MapStream::operator=(MapStream&&) noexcept = default;
MapStream::~MapStream() = default;

std::optional<MapStream::Item> MapStream::next() {
  return impl_ == nullptr ? std::nullopt : impl_->next();
}

}  // namespace tenon
