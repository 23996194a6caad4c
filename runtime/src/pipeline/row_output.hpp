/// Writes items as lines of text, for standard output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tenon/types_generated.h>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/item_rules.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/record_maker.hpp"

namespace tenon::internal {

/// The state of one run. Not thread-safe.
class RowOutput {
 public:
  /// `plan` has an OutputRule; both outlive it.
  RowOutput(const PlanNode& plan, const Catalog& catalog);

  /// Returns the row with the names of the columns, once, as soon as they are known: it comes before
  /// all others. Empty otherwise.
  [[nodiscard]] std::string take_header() { return std::exchange(header_, {}); }
  /// Appends the line or row of an item. Takes the names of the columns from the first one if the
  /// file does not name any. Leaves `out` as it was if it fails. Errors: kCorrupt: the item is not
  /// valid; kInvalidArgument: it cannot be written in this format; kTooLarge.
  [[nodiscard]] Result<void> append(const Item& item, std::string& out);

 private:
  Result<void> append_item(const Item& item, std::string& out);
  /// These return what is wrong; empty if nothing is.
  std::string append_object(const tenon::Record& record, std::string& out) const;
  std::string append_row(const tenon::Record& record, std::uint64_t index, std::string& out);
  std::string append_text(const tenon::Record& record, std::uint64_t index, std::string& out) const;
  std::string name_columns(std::vector<std::string> names);

  const PlanNode& plan_;
  const OutputRule& rule_;
  const Catalog& catalog_;
  std::optional<RecordMaker> projection_;
  std::vector<std::string> names_;  ///< Of the columns.
  std::string header_;
  std::string problem_;  ///< Why the columns of the file cannot be written.
  /// The places of the columns by their names, which are in `names_`.
  std::unordered_map<std::string_view, std::size_t> places_;
  std::vector<const tenon::RecordField*> row_;  ///< Of the current item, by column.
};

}  // namespace tenon::internal
