#include "pipeline/decision.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {

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
  Decision::Test test;
  test.op = Decision::Op::kPresent;
  test.field = field;
  test.yes = yes;
  test.no = no;
  return add(test);
}

DecisionBuilder::Entry DecisionBuilder::whole_between(std::uint32_t field, std::uint64_t low, std::uint64_t high,
                                                      Entry yes, Entry no) {
  Decision::Test test;
  test.op = Decision::Op::kWholeBetween;
  test.field = field;
  test.low = low;
  test.high = high;
  test.yes = yes;
  test.no = no;
  return add(test);
}

DecisionBuilder::Entry DecisionBuilder::whole_one_of(std::uint32_t field, std::vector<std::uint64_t> keys, Entry yes,
                                                     Entry no) {
  if (keys.size() == 1) {
    return whole_between(field, keys.front(), keys.front(), yes, no);
  }
  std::sort(keys.begin(), keys.end());
  Decision::Test test;
  test.op = Decision::Op::kWholeOneOf;
  test.field = field;
  test.operand = static_cast<std::uint32_t>(decision_.lists_.size());
  test.yes = yes;
  test.no = no;
  decision_.lists_.push_back(std::move(keys));
  return add(test);
}

DecisionBuilder::Entry DecisionBuilder::real_between(std::uint32_t field, double least, double most, Entry yes,
                                                     Entry no) {
  Decision::Test test;
  test.op = Decision::Op::kRealBetween;
  test.field = field;
  test.least = least;
  test.most = most;
  test.yes = yes;
  test.no = no;
  return add(test);
}

DecisionBuilder::Entry DecisionBuilder::text_one_of(std::uint32_t field, std::vector<std::string> texts, Entry yes,
                                                    Entry no) {
  if (texts.size() == 1) {
    return add_text(Decision::Op::kTextIs, field, std::move(texts.front()), yes, no);
  }
  std::sort(texts.begin(), texts.end());
  Decision::Test test;
  test.op = Decision::Op::kTextOneOf;
  test.field = field;
  test.operand = static_cast<std::uint32_t>(decision_.text_lists_.size());
  test.yes = yes;
  test.no = no;
  decision_.text_lists_.push_back(std::move(texts));
  return add(test);
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
  Decision::Test test;
  test.op = Decision::Op::kGlob;
  test.field = field;
  test.operand = static_cast<std::uint32_t>(decision_.globs_.size());
  test.yes = yes;
  test.no = no;
  decision_.globs_.push_back(std::move(pattern));
  return add(test);
}

DecisionBuilder::Entry DecisionBuilder::add_text(Decision::Op op, std::uint32_t field, std::string text, Entry yes,
                                                 Entry no) {
  Decision::Test test;
  test.op = op;
  test.field = field;
  test.operand = static_cast<std::uint32_t>(decision_.texts_.size());
  test.yes = yes;
  test.no = no;
  decision_.texts_.push_back(std::move(text));
  return add(test);
}

Decision DecisionBuilder::finish(Entry entry) && {
  decision_.entry_ = entry;
  return std::move(decision_);
}

}  // namespace tenon::internal
