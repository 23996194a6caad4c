#include "pipeline/decision.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {
namespace {

/// Appends a value and returns its index.
template <typename T>
std::uint32_t keep(std::vector<T>& list, T value) {
  list.push_back(std::move(value));
  return static_cast<std::uint32_t>(list.size() - 1);
}

}  // namespace

std::optional<std::uint32_t> Decision::decide(const Item& item) const {
  FieldValue value;
  std::uint32_t read = kEnd;  // The field in `value`: tests of one field mostly follow each other.
  std::uint32_t at = entry_;
  while ((at & kEnd) == 0) {
    const Test& test = tests_[at];
    if (test.field != read) {
      if (!fields_[test.field]->read(item, value)) {
        return std::nullopt;
      }
      read = test.field;
    }
    at = holds(test, value) ? test.yes : test.no;
  }
  return at & ~kEnd;
}

bool Decision::holds(const Test& test, const FieldValue& value) const {
  switch (test.op) {
    case Op::kPresent:
      return value.present;
    case Op::kWholeBetween: {
      const std::uint64_t key = order_key(value.integer, flips_[test.field]);
      return test.low <= key && key <= test.high;
    }
    case Op::kWholeOneOf: {
      const std::vector<std::uint64_t>& keys = lists_[test.operand];
      return std::binary_search(keys.begin(), keys.end(), order_key(value.integer, flips_[test.field]));
    }
    case Op::kRealBetween:
      return test.least <= value.real && value.real <= test.most;
    case Op::kTextIs:
      return value.text == texts_[test.operand];
    case Op::kTextOneOf: {
      const std::vector<std::string>& texts = text_lists_[test.operand];
      return std::binary_search(texts.begin(), texts.end(), value.text, std::less<>());
    }
    case Op::kTextStarts:
      return value.text.starts_with(texts_[test.operand]);
    case Op::kTextEnds:
      return value.text.ends_with(texts_[test.operand]);
    case Op::kTextContains:
      return value.text.find(texts_[test.operand]) != std::string_view::npos;
    case Op::kGlob:
      return globs_[test.operand].matches(value.text);
  }
  return false;
}

std::uint32_t DecisionBuilder::add_field(ItemFieldPointer field) {
  const FieldKind kind = field->shape().kind;
  decision_.flips_.push_back(kind == FieldKind::kInteger || kind == FieldKind::kEnum);
  decision_.fields_.push_back(std::move(field));
  return static_cast<std::uint32_t>(decision_.fields_.size() - 1);
}

DecisionBuilder::Entry DecisionBuilder::add(Decision::Test test) {
  const FieldShape& shape = decision_.fields_[test.field]->shape();
  const bool compares = test.op != Decision::Op::kPresent && shape.kind != FieldKind::kText;
  const Entry no = test.no;
  const std::uint32_t field = test.field;
  decision_.tests_.push_back(test);
  const auto entry = static_cast<Entry>(decision_.tests_.size() - 1);
  // An optional number that is absent has no value, so no value is equal to it.
  return compares && shape.optional ? present(field, entry, no) : entry;
}

DecisionBuilder::Entry DecisionBuilder::present(std::uint32_t field, Entry yes, Entry no) {
  return add({.op = Decision::Op::kPresent, .field = field, .yes = yes, .no = no});
}

DecisionBuilder::Entry DecisionBuilder::whole_between(std::uint32_t field, std::uint64_t low, std::uint64_t high,
                                                      Entry yes, Entry no) {
  return add({.op = Decision::Op::kWholeBetween, .field = field, .yes = yes, .no = no, .low = low, .high = high});
}

DecisionBuilder::Entry DecisionBuilder::whole_one_of(std::uint32_t field, std::vector<std::uint64_t> keys, Entry yes,
                                                     Entry no) {
  if (keys.size() == 1) {
    return whole_between(field, keys.front(), keys.front(), yes, no);
  }
  std::sort(keys.begin(), keys.end());
  return add({.op = Decision::Op::kWholeOneOf,
              .field = field,
              .yes = yes,
              .no = no,
              .operand = keep(decision_.lists_, std::move(keys))});
}

DecisionBuilder::Entry DecisionBuilder::real_between(std::uint32_t field, double least, double most, Entry yes,
                                                     Entry no) {
  return add({.op = Decision::Op::kRealBetween, .field = field, .yes = yes, .no = no, .least = least, .most = most});
}

DecisionBuilder::Entry DecisionBuilder::text_one_of(std::uint32_t field, std::vector<std::string> texts, Entry yes,
                                                    Entry no) {
  if (texts.size() == 1) {
    return add_text(Decision::Op::kTextIs, field, std::move(texts.front()), yes, no);
  }
  std::sort(texts.begin(), texts.end());
  return add({.op = Decision::Op::kTextOneOf,
              .field = field,
              .yes = yes,
              .no = no,
              .operand = keep(decision_.text_lists_, std::move(texts))});
}

DecisionBuilder::Entry DecisionBuilder::text_starts(std::uint32_t field, std::string prefix, Entry yes, Entry no) {
  return add_text(Decision::Op::kTextStarts, field, std::move(prefix), yes, no);
}

DecisionBuilder::Entry DecisionBuilder::text_ends(std::uint32_t field, std::string suffix, Entry yes, Entry no) {
  return add_text(Decision::Op::kTextEnds, field, std::move(suffix), yes, no);
}

DecisionBuilder::Entry DecisionBuilder::text_contains(std::uint32_t field, std::string part, Entry yes, Entry no) {
  return add_text(Decision::Op::kTextContains, field, std::move(part), yes, no);
}

DecisionBuilder::Entry DecisionBuilder::glob(std::uint32_t field, PathGlob pattern, Entry yes, Entry no) {
  return add({.op = Decision::Op::kGlob,
              .field = field,
              .yes = yes,
              .no = no,
              .operand = keep(decision_.globs_, std::move(pattern))});
}

DecisionBuilder::Entry DecisionBuilder::add_text(Decision::Op op, std::uint32_t field, std::string text, Entry yes,
                                                 Entry no) {
  return add({.op = op, .field = field, .yes = yes, .no = no, .operand = keep(decision_.texts_, std::move(text))});
}

Decision DecisionBuilder::finish(Entry entry) && {
  decision_.entry_ = entry;
  return std::move(decision_);
}

}  // namespace tenon::internal
