/// Records as values that tests can make, write, read and compare.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/plugin_test.hpp>

#include "rows/record_builder.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

using Cell = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
using Row = std::vector<std::pair<std::string, Cell>>;

inline Block record_of(const Row& row) {
  flatbuffers::FlatBufferBuilder builder;
  rows::RecordBuilder record;
  record.start(builder);
  for (const auto& [name, cell] : row) {
    if (const auto* boolean = std::get_if<bool>(&cell)) {
      record.boolean(name, *boolean);
    } else if (const auto* integer = std::get_if<std::int64_t>(&cell)) {
      record.integer(name, *integer);
    } else if (const auto* number = std::get_if<double>(&cell)) {
      record.number(name, *number);
    } else if (const auto* text = std::get_if<std::string>(&cell)) {
      record.text(name, *text);
    } else {
      record.null(name);
    }
  }
  builder.Finish(record.finish());
  return Block(builder);
}

inline Row row_of(const Record& record) {
  Row row;
  for (const RecordField* field : *record.fields()) {
    Cell cell;
    if (const auto* boolean = field->value_as_BoolValue()) {
      cell = boolean->value();
    } else if (const auto* integer = field->value_as_IntValue()) {
      cell = integer->value();
    } else if (const auto* number = field->value_as_FloatValue()) {
      cell = number->value();
    } else if (const auto* text = field->value_as_TextValue()) {
      cell = text->value()->str();
    }
    row.emplace_back(field->name()->str(), std::move(cell));
  }
  return row;
}

/// Whether two rows are the same to the last bit; all NaN are one value.
inline bool same(const Row& a, const Row& b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto* x = std::get_if<double>(&a[i].second);
    const auto* y = std::get_if<double>(&b[i].second);
    const bool equal =
        x != nullptr && y != nullptr
            ? (std::isnan(*x) && std::isnan(*y)) || std::bit_cast<std::uint64_t>(*x) == std::bit_cast<std::uint64_t>(*y)
            : a[i].second == b[i].second;
    if (a[i].first != b[i].first || !equal) {
      return false;
    }
  }
  return true;
}

/// All rows of a session of a source, to its end.
inline std::vector<Row> rows_to_end(Session& session) {
  std::vector<Row> rows;
  for (;;) {
    const Outcome outcome = session.step(7);
    INFO(outcome.message);
    REQUIRE(outcome.ok());
    for (const Block& result : outcome.results) {
      rows.push_back(row_of(result.as<Record>()));
    }
    if (outcome.status == TENON_END) {
      return rows;
    }
  }
}

/// Writes rows with the task `write`; the outcome of the first step that fails, or of the last one.
inline Outcome write_rows(Worker& worker, const std::vector<Row>& rows, const Block& params) {
  Session session = worker.open("write", {}, params);
  if (!session.opened().ok()) {
    return session.opened();
  }
  for (const Row& row : rows) {
    if (Outcome outcome = session.take(record_of(row)); !outcome.ok()) {
      return outcome;
    }
  }
  return session.finish();
}

/// Makes values that writers and readers could confuse.
class RandomRows {
 public:
  explicit RandomRows(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }

  /// Text of UTF-8.
  std::string text() {
    static const std::vector<std::string> kParts = {"",
                                                    ",",
                                                    "\"",
                                                    "\n",
                                                    "\r",
                                                    "\r\n",
                                                    "a",
                                                    "\xC3\xBC",
                                                    "\xF0\x9F\x98\x80",
                                                    "\xEF\xBB\xBF",
                                                    "1",
                                                    "-5",
                                                    "7.5",
                                                    "true",
                                                    "1e5",
                                                    "007",
                                                    " ",
                                                    "\t",
                                                    "NaN",
                                                    "null",
                                                    "\\",
                                                    "{",
                                                    "[1]",
                                                    ";",
                                                    "'",
                                                    "False",
                                                    "-",
                                                    "+1",
                                                    ".5",
                                                    "\\u0041",
                                                    "\x7F",
                                                    "\x01",
                                                    ":",
                                                    "}",
                                                    "#",
                                                    "\xE2\x80\xA8",
                                                    "a long",
                                                    "x.y",
                                                    std::string(1, 0),
                                                    "Infinity"};
    std::string text;
    for (std::size_t i = below(4); i > 0; --i) {
      text += kParts[below(kParts.size())];
    }
    return text;
  }
  Cell cell() {
    switch (below(6)) {
      case 0:
        return {};
      case 1:
        return below(2) == 0;
      case 2: {
        static constexpr std::int64_t kIntegers[] = {0, 1, -1, INT64_MAX, INT64_MIN, 1LL << 53, -(1LL << 53) - 1};
        return below(2) == 0 ? kIntegers[below(std::size(kIntegers))] : static_cast<std::int64_t>(random_());
      }
      case 3:
        return number();
      default:
        return text();
    }
  }
  /// A finite number; not -0.0, which a table cannot hold, as it equals the default.
  double number() {
    static constexpr double kNumbers[] = {0.0, 1, -1, 1e15, 1e16, 1e22, 1e300, 5e-324, 0.1, 123456789012345680.0};
    if (below(2) == 0) {
      return kNumbers[below(std::size(kNumbers))];
    }
    const std::uint64_t bits = (std::uint64_t{random_()} << 32) | random_();
    const auto value = std::bit_cast<double>(bits);
    return std::isfinite(value) ? value : 2.5;
  }

 private:
  std::mt19937 random_;
};

}  // namespace tenon::test
