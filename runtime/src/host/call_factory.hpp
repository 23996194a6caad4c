/// host/call_factory.hpp: makes calls: finds the route, stores the argument, fills in the options.
///
///   auto call = pool->calls().make("image.thumbnail", argument, options);
///   if (call) pool->submit(std::move(*call));
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/options.hpp>
#include <tenon/reply.hpp>

#include "base/unique_id.hpp"
#include "host/bulk.hpp"
#include "host/call.hpp"
#include "host/routing_table.hpp"
#include "host/storage.hpp"

namespace tenon::internal {

/// Does not know the scheduler: the calls that it makes have not been submitted. [any-thread]
class CallFactory {
 public:
  /// `workers`: number of slots over which the keys of calls are distributed. `routing` outlives it.
  CallFactory(std::uint32_t workers, RoutingTable& routing, std::shared_ptr<ArgumentMemory> arguments)
      : workers_(workers), routing_(routing), arguments_(std::move(arguments)) {}

  /// A call of a plain task, ready to be submitted. Errors: those of plain_route; kOutOfMemory; kTooLarge.
  [[nodiscard]] Result<CallRef> make(std::string_view task, BytesView argument, const CallOptions& options);
  [[nodiscard]] Result<CallRef> make(std::string_view task, const Reply& argument, const CallOptions& options);
  /// A call without an argument that makes the worker in a slot load the route's plugin.
  [[nodiscard]] CallRef make_load(const RouteRef& route, std::uint32_t slot, MonotonicNs deadline_ns,
                                  std::int64_t timeout_ns);
  /// The same call on another route and in a given slot, so that their results can be compared.
  [[nodiscard]] CallRef make_shadow(const Call& call, const RouteRef& route, std::uint32_t slot);
  /// An operation of a session.
  [[nodiscard]] CallRef make_session_call(const std::shared_ptr<SessionRecord>& session, CallKind kind,
                                          BytesView payload = {});
  /// The items of a bulk call, from an argument block with `count` items. `tag` is for the sink's own use. Errors:
  /// those of make.
  [[nodiscard]] Result<Shared<const BulkWork>> make_bulk(Shared<BulkSink> sink, std::string_view task, BytesView params,
                                                         BytesView block, std::uint32_t count, std::uint64_t tag);
  /// The call that has all of these items.
  [[nodiscard]] CallRef make_bulk_call(const Shared<const BulkWork>& work, const CallOptions& options);

  /// The route of a plain task with params. Errors: those of RoutingTable::route; kInvalidArgument: a streaming task.
  [[nodiscard]] Result<RouteRef> plain_route(std::string_view task, BytesView params);

  /// The bytes in memory that workers can read: in place if they are in shared memory already, otherwise a copy.
  /// Errors: kOutOfMemory.
  [[nodiscard]] Result<StoredBytes> share(const Reply& reply);
  [[nodiscard]] Result<StoredBytes> store(BytesView bytes);
  [[nodiscard]] const std::shared_ptr<ArgumentMemory>& arguments() const noexcept { return arguments_; }
  /// Whether the workers of this pool can read the bytes where they are; they cannot read a result of another runtime.
  [[nodiscard]] bool knows(const StoredBytes& bytes) const noexcept {
    return arguments_->owns(bytes) && bytes.place().has_value();
  }

 private:
  /// Stores an argument in memory that workers can read, or as a private copy if there is no room. Errors:
  /// kOutOfMemory; kTooLarge.
  [[nodiscard]] Result<StoredBytes> place_or_copy(BytesView argument);
  void fill_options(Call& call, const CallOptions& options) const;

  const std::uint32_t workers_;
  RoutingTable& routing_;
  const std::shared_ptr<ArgumentMemory> arguments_;
  IdSequence call_ids_;
};

}  // namespace tenon::internal
