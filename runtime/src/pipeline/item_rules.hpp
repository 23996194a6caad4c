/// What the nodes without a task do with their items. Plain data.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/reply.hpp>

#include "rows/csv_rows.hpp"

namespace tenon::internal {

class Decision;
class ItemCollector;
class ItemField;

/// Filters and routes by conditions. The outcome of the decision is the number of an output.
struct DecisionRule {
  std::shared_ptr<const Decision> decision;
};

/// A value of a tenon.Record; monostate is NullValue.
using RecordValue = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

/// Makes a tenon.Record of some fields.
struct ProjectRule {
  struct Field {
    std::string name;  ///< Its name in the record.
    std::shared_ptr<const ItemField> source;
    RecordValue otherwise;  ///< The value for items without the field.
  };
  std::vector<Field> fields;
};

/// Lets some items pass. Both parts apply: of the items that `every` chooses, the hash takes some.
struct SampleRule {
  std::uint64_t every = 1;  ///< The first of this many items passes.
  /// An item passes if the hash of its number and the seed is at most this: the choice does not
  /// depend on the order in which the items arrive.
  std::uint64_t most_hash = UINT64_MAX;
  std::uint64_t seed = 0;
};

/// Ends the stage after this many items.
struct LimitRule {
  std::uint64_t items = 1;
};

/// Lets at most `items` pass in `period`, spread evenly, after at most `burst` at once.
struct ThrottleRule {
  std::uint64_t items = 1;
  std::chrono::nanoseconds period{std::chrono::seconds(1)};
  std::uint64_t burst = 1;
};

/// Lets each item pass this long after it arrived.
struct DelayRule {
  std::chrono::nanoseconds time{0};
};

/// Gives items in place of a source.
struct GivenRule {
  std::vector<Reply> items;
};

/// Keeps a copy of each item.
struct CollectRule {
  std::shared_ptr<ItemCollector> collector;
};

/// Reads standard input in place of a source's task.
struct InputRule {
  enum class Format {
    kLines,      ///< One tenon.Line for each line.
    kJsonLines,  ///< One tenon.Record for each line.
    kCsv,        ///< One tenon.Record for each row.
    kBlob,       ///< One tenon.File with everything.
  };
  Format format = Format::kLines;
  rows::CsvDialect dialect;
  bool header = true;
  std::vector<std::string> names;  ///< Of the columns, in place of those in the header.
  std::uint64_t max_row_bytes = std::uint64_t{16} << 20;
  std::uint64_t max_size_bytes = std::uint64_t{256} << 20;  ///< Of a blob.
};

/// Writes items to standard output in place of a sink's task, each as one line or row.
struct OutputRule {
  enum class Format { kJsonLines, kCsv, kText };
  /// A part of a template.
  struct Piece {
    bool is_field = false;
    std::string text;  ///< The text itself, or the name of a field.
  };
  Format format = Format::kJsonLines;
  rows::CsvDialect dialect;
  bool header = true;
  std::vector<std::string> columns;  ///< Empty: those of the first record.
  std::vector<Piece> pieces;         ///< The template of a text.
  /// Makes a record with these fields of each item. Without it, the items are records, or the format
  /// is kJsonLines.
  std::optional<ProjectRule> projection;
};

using ItemRule = std::variant<std::monostate, DecisionRule, ProjectRule, SampleRule, LimitRule, ThrottleRule, DelayRule,
                              GivenRule, CollectRule, InputRule, OutputRule>;

}  // namespace tenon::internal
