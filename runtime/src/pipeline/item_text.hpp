/// Items of a test as values that can be compared and shown.
#pragma once

#include <cstddef>
#include <string>

#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "base/json.hpp"
#include "pipeline/plan.hpp"

namespace tenon::internal {

/// Returns an item as Schema::to_json does; `defaults` also gives the fields that have their
/// default value. A tenon.Record becomes an object with its fields. Errors: kCorrupt; kTooLarge if
/// the text would exceed 16 MiB; kNotFound without the plugin.
[[nodiscard]] Result<Json> item_json(const Catalog& catalog, const EdgeType& type, BytesView item, bool defaults);

/// Returns a value as TOML on one line, `{ status = 503, path = "/" }`, cut after `max_bytes`.
[[nodiscard]] std::string toml_text(const Json& value, std::size_t max_bytes = 1000);

}  // namespace tenon::internal
