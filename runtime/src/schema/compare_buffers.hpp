/// schema/compare_buffers.hpp: whether two versions of a plugin gave the same result.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/schema.hpp>

namespace tenon::internal {

/// The differences between two buffers of table `type`, each read by the schema of its writer;
/// empty if there is none. Values are compared, not bytes: "words[3].count: 12 became 13". Only fields that both
/// schemas have and neither deprecates are compared. A field that only one schema has is not a difference. NaN equals
/// NaN, an absent scalar equals its default, and an absent vector, string or table differs from an empty one. A
/// tenon.Any is not compared. Long texts are shortened to the part that differs; a vector of scalars counts as one
/// difference, and so does a buffer that does not verify. Stops after `max_differences`. [any-thread]
[[nodiscard]] std::vector<std::string> compare_buffers(const Schema& old_schema, const Schema& new_schema,
                                                       std::string_view type, BytesView old_buffer,
                                                       BytesView new_buffer, std::size_t max_differences = 8);

}  // namespace tenon::internal
