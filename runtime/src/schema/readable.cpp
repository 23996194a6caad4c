// Whether one schema can read what another writes. See DESIGN.md, "Readable by direction".
#include <string>
#include <utility>
#include <vector>

#include "schema/schema_operations.hpp"
#include "schema/type_comparison.hpp"

namespace tenon::internal {

Result<void> check_readable(const SchemaModel& writer, const ObjectModel& writer_root, const SchemaModel& reader,
                            const ObjectModel& reader_root) {
  TypeComparison comparison(writer, reader, TypeComparison::Versions::kUnrelated);
  const std::vector<TypeBreak> breaks = comparison.compare(writer_root, reader_root);
  if (breaks.empty()) {
    return {};
  }
  std::string message = "what is written as " + writer_root.name + " cannot be read as " + reader_root.name + ": ";
  for (std::size_t i = 0; i < breaks.size(); ++i) {
    message += (i == 0 ? "" : "; ") + breaks[i].sentence;
  }
  return fail(ErrorCode::kIncompatible, std::move(message));
}

}  // namespace tenon::internal
