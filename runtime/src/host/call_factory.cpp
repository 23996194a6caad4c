#include "host/call_factory.hpp"

#include <algorithm>
#include <new>
#include <string>

#include "base/clock.hpp"
#include "base/hot.hpp"
#include "base/text.hpp"
#include "host/slot_table.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

/// Maximum number of large arguments that have a segment, and thus a descriptor, before their call's turn; the usual
/// limit of a process is 1024.
constexpr std::uint64_t kMaxHeldApart = 256;

constexpr std::uint32_t kMostAttempts = 250;

/// Runs `make`; turns a lack of memory into an error instead of an exception, as callers of the library expect.
template <typename Make>
auto or_out_of_memory(Make make) -> decltype(make()) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kOutOfMemory, "no memory is left for a further call" + memory_limit_text());
  }
}

}  // namespace

TENON_HOT Result<RouteRef> CallFactory::plain_route(std::string_view task, BytesView params) {
  auto found = routing_.route(task, params);
  if (found && (*found)->ref.task->kind != TaskKind::kPlain) {
    return fail(ErrorCode::kInvalidArgument,
                (*found)->ref.task->full_name + " is a streaming task; open a session of it");
  }
  return found;
}

TENON_HOT Result<CallRef> CallFactory::make(std::string_view task, BytesView argument, const CallOptions& options) {
  return or_out_of_memory([&]() -> Result<CallRef> {
    auto found = plain_route(task, options.params);
    if (!found) {
      return fail(std::move(found.error()));
    }
    CallRef call;
    if (argument.size() > kSubmissionInlineBytes) {
      auto placed = place_or_copy(argument);
      if (!placed) {
        return fail(std::move(placed.error()));
      }
      call = Call::create(std::move(*found), call_ids_.next(), std::move(*placed));
    } else {
      call = Call::create(std::move(*found), call_ids_.next(), argument);
    }
    fill_options(*call, options);
    return call;
  });
}

TENON_HOT Result<CallRef> CallFactory::make(std::string_view task, const Reply& argument, const CallOptions& options) {
  return or_out_of_memory([&]() -> Result<CallRef> {
    if (argument.storage() == nullptr || argument.storage()->segment() == nullptr) {
      return make(task, argument.bytes(), options);
    }
    auto found = plain_route(task, options.params);
    if (!found) {
      return fail(std::move(found.error()));
    }
    auto shared = share(argument);
    if (!shared) {
      return fail(std::move(shared.error()));
    }
    CallRef call = Call::create(std::move(*found), call_ids_.next(), std::move(*shared));
    fill_options(*call, options);
    return call;
  });
}

CallRef CallFactory::make_session_call(const std::shared_ptr<SessionRecord>& session, CallKind kind,
                                       BytesView payload) {
  CallRef call = Call::create(session->route, call_ids_.next(), payload);
  CallDetails& details = call->make_details();
  details.session = session;
  call->kind = kind;
  call->session_bound = kind != CallKind::kOpen;
  if (kind != CallKind::kClose) {
    details.run_timeout_ns = session->step_timeout_ns;
  }
  details.pinned_slot = call->session_bound ? 0 : session->slot;  // For an open session, the scheduler knows the slot.
  return call;
}

Result<Shared<const BulkWork>> CallFactory::make_bulk(Shared<BulkSink> sink, std::string_view task, BytesView params,
                                                      BytesView block, std::uint32_t count, std::uint64_t tag) {
  return or_out_of_memory([&]() -> Result<Shared<const BulkWork>> {
    auto found = plain_route(task, params);
    if (!found) {
      return fail(std::move(found.error()));
    }
    auto placed = place_or_copy(block);
    if (!placed) {
      return fail(std::move(placed.error()));
    }
    return Shared<const BulkWork>(make_shared_object<BulkWork>(std::move(sink), std::move(*found), std::move(*placed),
                                                               count, call_ids_.next(count), tag));
  });
}

TENON_HOT void CallFactory::fill_options(Call& call, const CallOptions& options) const {
  call.max_attempts = static_cast<std::uint8_t>(std::clamp<std::uint32_t>(options.max_attempts, 1, kMostAttempts));
  if (options.priority != 0) {
    call.make_details().priority = options.priority;
  }
  if (options.timeout) {
    CallDetails& details = call.make_details();
    details.deadline_ns = deadline_after(*options.timeout);
    details.timeout_ns = std::max<std::int64_t>(options.timeout->count(), 0);
  }
  if (options.queue_timeout) {
    CallDetails& details = call.make_details();
    details.queue_deadline_ns = deadline_after(*options.queue_timeout);
    details.queue_timeout_ns = std::max<std::int64_t>(options.queue_timeout->count(), 0);
  }
  if (options.run_timeout) {
    call.make_details().run_timeout_ns = std::max<std::int64_t>(options.run_timeout->count(), 0);
  }
  if (!options.affinity_key.empty()) {
    call.make_details().pinned_slot = slot_of_key(options.affinity_key, workers_);
  }
}

Result<StoredBytes> CallFactory::store(BytesView bytes) {
  auto stored = arguments_->store(bytes);
  return stored ? std::move(stored) : arguments_->store_apart(bytes);
}

Result<StoredBytes> CallFactory::place_or_copy(BytesView argument) {
  // Neither a full arena nor many large arguments are an error: the bytes wait in private memory until the call's turn
  // comes, so that a long queue does not take the descriptors of the whole process.
  if (argument.size() < kLargeBlockBytes || arguments_->held_apart() < kMaxHeldApart) {
    auto placed = arguments_->store(argument);
    if (placed || !is_shortage(placed.error())) {
      return placed;
    }
  }
  try {
    return copy_to_host(argument);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kOutOfMemory,
                "no memory is left for an argument of " + format_size(argument.size()) + "; call with fewer at a time");
  }
}

Result<StoredBytes> CallFactory::share(const Reply& reply) {
  StoredBytes stored{reply.storage(), reply.bytes_in_place()};
  if (knows(stored)) {
    return stored;
  }
  return store(reply.bytes_in_place());
}

CallRef CallFactory::make_bulk_call(const Shared<const BulkWork>& work, const CallOptions& options) {
  CallRef call = Call::create_bulk(work->route, work, 0, work->count);
  fill_options(*call, options);
  return call;
}

CallRef CallFactory::make_load(const RouteRef& route, std::uint32_t slot, MonotonicNs deadline_ns,
                               std::int64_t timeout_ns) {
  CallRef load = Call::create(route, call_ids_.next(), BytesView());
  load->kind = CallKind::kLoad;
  CallDetails& details = load->make_details();
  details.pinned_slot = static_cast<std::int32_t>(slot);
  details.deadline_ns = deadline_ns;
  details.timeout_ns = timeout_ns;
  return load;
}

CallRef CallFactory::make_shadow(const Call& call, const RouteRef& route, std::uint32_t slot) {
  CallRef shadow = call.stored() != nullptr ? Call::create(route, call_ids_.next(), *call.stored())
                                            : Call::create(route, call_ids_.next(), call.payload());
  CallDetails& details = shadow->make_details();
  details.shadow = true;
  details.pinned_slot = static_cast<std::int32_t>(slot);
  details.deadline_ns = call.details().deadline_ns;
  details.run_timeout_ns = call.details().run_timeout_ns;
  return shadow;
}

}  // namespace tenon::internal
