/// Reads the `[[tests]]` of a pipeline file key by key. Names of stages are not resolved yet.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/condition.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"
#include "pipeline/test_plan.hpp"

namespace tenon::internal {

/// An entry of `give`.
struct GiveDeclaration {
  std::string node;
  Place place;
  const std::vector<Value>* items = nullptr;  ///< Points into the document.
};

/// An entry of `expect`.
struct ExpectDeclaration {
  std::string node;
  std::string output;  ///< Empty if the file names none.
  Place place;
  const std::vector<Value>* values = nullptr;  ///< Points into the document.
  bool ordered = false;
  bool exact = false;
  std::optional<Condition> where;
  Place where_place;
  std::optional<ExpectedCount> count;
  std::vector<ExpectedFailure> failures;
};

struct TestDeclaration {
  std::string name;
  Place place;
  std::chrono::nanoseconds timeout{std::chrono::seconds(30)};
  std::string directory;  ///< Where the files will be; empty if there are none.
  std::map<std::string, std::optional<std::string>> files;
  std::vector<GiveDeclaration> gives;
  std::vector<ExpectDeclaration> expects;
};

/// Returns the keys of a test, of an expectation and of an expected failure. Valid for ever.
[[nodiscard]] const std::vector<std::string>& test_keys();
[[nodiscard]] const std::vector<std::string>& expectation_keys();
[[nodiscard]] const std::vector<std::string>& failure_keys();

/// Reads all tests of a document, which must outlive the result. `names` has the names of the tests
/// of this pipeline that were read before, and gets the new ones.
[[nodiscard]] std::vector<TestDeclaration> read_tests(const Value& document, const Environment& environment,
                                                      std::map<std::string, std::string>& names, Reporter& reporter);

}  // namespace tenon::internal
