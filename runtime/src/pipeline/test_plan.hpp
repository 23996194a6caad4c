/// The tests of a pipeline file, checked against its graph. Plain data.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "pipeline/comparisons.hpp"
#include "pipeline/decision.hpp"
#include "pipeline/document.hpp"
#include "pipeline/plan.hpp"

namespace tenon::internal {

/// A number of items or failures that a test expects.
struct ExpectedCount {
  struct Part {
    Operator by = Operator::kEqual;
    std::uint64_t number = 0;
  };
  std::vector<Part> parts;  ///< All of them hold.
  std::string text;         ///< As messages show it: "3", ">= 1, < 10".

  [[nodiscard]] bool holds(std::uint64_t count) const noexcept;
};

/// One item that is expected.
struct ExpectedItem {
  Value fields;    ///< As written; it names the fields that are compared.
  Buffer encoded;  ///< The values of these fields.
};

struct ExpectedValues {
  std::vector<ExpectedItem> items;
  bool ordered = false;
  bool exact = false;  ///< Fields that are not written have their default.
};

/// Failures of a stage that a test expects.
struct ExpectedFailure {
  std::optional<ErrorCode> code;
  std::string message;          ///< A part of the error's text.
  std::string code_or_message;  ///< A part of "code: message".
  ExpectedCount count;
  std::string text;  ///< As messages show it.
};

/// What a test expects of one output, or of one stage.
struct TestExpectation {
  std::uint32_t node = 0;
  std::uint32_t output = 0;
  std::string name;  ///< As in `inputs`: "by_kind.code".
  EdgeType type;     ///< Of the items.
  std::optional<ExpectedValues> values;
  std::shared_ptr<const Decision> where;  ///< Its outcome is 0 for an item that meets the condition.
  std::string where_place;                ///< "file:line:column" of the condition.
  std::optional<ExpectedCount> count;
  std::vector<ExpectedFailure> failures;

  /// Returns whether the items that come are needed.
  [[nodiscard]] bool collects() const noexcept { return values || where != nullptr || count; }
};

/// Items in place of those of a source, or of the inputs of a stage.
struct TestGive {
  std::uint32_t node = 0;
  std::vector<Buffer> items;
};

struct TestPlan {
  std::string name;
  std::string file;        ///< The file that declares it.
  std::uint32_t line = 0;  ///< From 1.
  std::chrono::nanoseconds timeout{0};
  std::string directory;                                    ///< Of its files; empty if it has none.
  std::map<std::string, std::optional<std::string>> files;  ///< By name; nullopt: must not exist.
  std::vector<TestGive> gives;
  std::vector<TestExpectation> expectations;
  std::vector<std::uint32_t> covered;  ///< The nodes that run or are replaced, in ascending order.
};

}  // namespace tenon::internal
