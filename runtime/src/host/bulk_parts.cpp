#include "host/bulk_parts.hpp"

#include <utility>

namespace tenon::internal {

void link_part(Call& call) noexcept {
  CallDetails& details = call.make_details();
  details.next_part = std::exchange(details.bulk->parts.first, &call);
}

void unlink_part(Call& call) noexcept {
  Call** at = &call.details().bulk->parts.first;
  while (*at != &call) {
    at = &(*at)->make_details().next_part;
  }
  *at = call.details().next_part;
}

CallRef split_items(Call& call, std::uint32_t from) {
  CallDetails& details = call.make_details();
  CallRef rest = Call::create_bulk(call.route(), details.bulk, details.first + from, details.count - from);
  rest->max_attempts = call.max_attempts;
  rest->make_details().priority = details.priority;
  details.count = from;
  link_part(*rest);
  return rest;
}

}  // namespace tenon::internal
