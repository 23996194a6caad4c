/// schema/compare_buffers.hpp: whether two versions of a plugin have given the same result.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/schema.hpp>

namespace tenon::internal {

/// What differs between two buffers of table `type`, each by the schema of who wrote it; empty when nothing does. By
/// value, not by bytes: "words[3].count: 12 became 13". Compared is what both schemas have and neither calls
/// deprecated; a field that one of them alone has is no difference, NaN equals NaN, an absent scalar is its default, an
/// absent vector, string or table differs from an empty one, and of tenon.Any nothing is known. Long texts are
/// shortened to where they differ; a vector of scalars counts as one difference. A buffer that does not verify is one
/// too. Stops after `max_differences`. [any-thread]
[[nodiscard]] std::vector<std::string> compare_buffers(const Schema& old_schema, const Schema& new_schema,
                                                       std::string_view type, BytesView old_buffer,
                                                       BytesView new_buffer, std::size_t max_differences = 8);

}  // namespace tenon::internal
