/// Conditions in the form in which the engine evaluates them for each item.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/edge.hpp"
#include "pipeline/item_field.hpp"
#include "pipeline/path_glob.hpp"

namespace tenon::internal {

/// A flat program that finds the first condition that an item meets. Each test names the test that
/// follows if it holds, and the one that follows if it does not, so `not`, `any` and `all` cost
/// nothing. DecisionBuilder makes it. Immutable; [any-thread].
class Decision {
 public:
  /// Returns the outcome for an item; nullopt if a field that it reads is not valid.
  [[nodiscard]] std::optional<std::uint32_t> decide(const Item& item) const;
  [[nodiscard]] std::size_t size() const noexcept { return tests_.size(); }

 private:
  friend class DecisionBuilder;

  enum class Op : std::uint8_t {
    kPresent,
    kWholeBetween,  ///< The order key of an integer, boolean or enum lies in a range.
    kWholeOneOf,    ///< The order key is in a sorted list.
    kRealBetween,
    kTextIs,
    kTextOneOf,  ///< The text is in a sorted list.
    kTextStarts,
    kTextEnds,
    kTextContains,
    kGlob,
  };
  struct Test {
    Op op = Op::kPresent;
    std::uint32_t field = 0;
    std::uint32_t yes = 0;  ///< The test that follows, or kEnd and an outcome.
    std::uint32_t no = 0;
    std::uint32_t operand = 0;  ///< Index of a list, text or pattern.
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    double least = 0;
    double most = 0;
  };
  static constexpr std::uint32_t kEnd = std::uint32_t{1} << 31;

  [[nodiscard]] bool holds(const Test& test, const FieldValue& value) const;

  std::vector<ItemFieldPointer> fields_;
  std::vector<bool> flips_;  ///< By field: its integers are signed, so their order key is flipped.
  std::vector<Test> tests_;
  std::uint32_t entry_ = kEnd;
  std::vector<std::vector<std::uint64_t>> lists_;
  std::vector<std::string> texts_;
  std::vector<std::vector<std::string>> text_lists_;
  std::vector<PathGlob> globs_;
};

/// The order key of an integer: keys compare as unsigned numbers.
[[nodiscard]] constexpr std::uint64_t order_key(std::int64_t integer, bool is_signed) noexcept {
  return static_cast<std::uint64_t>(integer) ^ (is_signed ? std::uint64_t{1} << 63 : 0);
}

/// Writes a Decision backwards: a test is added after the tests that follow it. Each function
/// returns where the evaluation enters it.
class DecisionBuilder {
 public:
  using Entry = std::uint32_t;

  [[nodiscard]] static Entry outcome(std::uint32_t number) noexcept { return Decision::kEnd | number; }
  /// Returns the number of a field, for the tests.
  [[nodiscard]] std::uint32_t add_field(ItemFieldPointer field);

  [[nodiscard]] Entry present(std::uint32_t field, Entry yes, Entry no);
  /// The range is inclusive.
  [[nodiscard]] Entry whole_between(std::uint32_t field, std::uint64_t low, std::uint64_t high, Entry yes, Entry no);
  [[nodiscard]] Entry whole_one_of(std::uint32_t field, std::vector<std::uint64_t> keys, Entry yes, Entry no);
  /// The range is inclusive; nan is in no range.
  [[nodiscard]] Entry real_between(std::uint32_t field, double least, double most, Entry yes, Entry no);
  [[nodiscard]] Entry text_one_of(std::uint32_t field, std::vector<std::string> texts, Entry yes, Entry no);
  [[nodiscard]] Entry text_starts(std::uint32_t field, std::string prefix, Entry yes, Entry no);
  [[nodiscard]] Entry text_ends(std::uint32_t field, std::string suffix, Entry yes, Entry no);
  [[nodiscard]] Entry text_contains(std::uint32_t field, std::string part, Entry yes, Entry no);
  [[nodiscard]] Entry glob(std::uint32_t field, PathGlob pattern, Entry yes, Entry no);

  [[nodiscard]] std::size_t size() const noexcept { return decision_.tests_.size(); }
  [[nodiscard]] Decision finish(Entry entry) &&;

 private:
  [[nodiscard]] Entry add(Decision::Test test);
  [[nodiscard]] Entry add_text(Decision::Op op, std::uint32_t field, std::string text, Entry yes, Entry no);

  Decision decision_;
};

}  // namespace tenon::internal
