#include "pipeline/grouping.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "pipeline/item_field.hpp"
#include "pipeline/time_text.hpp"

namespace tenon::internal {
namespace {

/// A longer text in a key is an error of its item.
constexpr std::size_t kMostKeyBytes = std::size_t{64} << 10;
/// What an item that waits occupies besides its bytes.
constexpr std::uint64_t kHeldCost = 128;

template <typename T>
void append_bytes(std::string& out, const T& value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

std::int64_t floor_to(std::int64_t time_ns, std::int64_t step_ns) noexcept {
  const std::int64_t rest = time_ns % step_ns;
  return time_ns - rest - (rest < 0 ? step_ns : 0);
}

std::string value_text(const FieldShape& shape, const KeyValue& value) {
  if (!value.present) {
    return "(absent)";
  }
  switch (shape.kind) {
    case FieldKind::kBool:
      return value.integer != 0 ? "true" : "false";
    case FieldKind::kNatural:
      return std::to_string(static_cast<std::uint64_t>(value.integer));
    case FieldKind::kReal:
      return std::to_string(value.real);
    case FieldKind::kText:
      return "'" + value.text.substr(0, 64) + "'";
    case FieldKind::kEnum:
      for (const auto& [name, number] : shape.names) {
        if (number == value.integer) {
          return name;
        }
      }
      break;
    case FieldKind::kInteger:
    case FieldKind::kOther:
      break;
  }
  return std::to_string(value.integer);
}

}  // namespace

Grouping::Grouping(const GroupRule& rule, std::size_t inputs)
    : rule_(rule),
      watermark_(inputs, rule.window ? rule.window->lateness_ns : std::nullopt),
      values_(rule.keys.size()) {}

Result<void> Grouping::read_key(const Item& item) {
  bytes_.clear();
  for (std::size_t i = 0; i < rule_.keys.size(); ++i) {
    const std::string& name = rule_.shape->keys[i].name;
    const FieldKind kind = rule_.shape->keys[i].shape.kind;
    FieldValue value;
    if (!rule_.keys[i]->read(item, value)) {
      return fail(ErrorCode::kCorrupt, "its key '" + name + "' is not valid");
    }
    KeyValue& key = values_[i];
    key.present = value.present;
    key.integer = value.present ? value.integer : 0;
    key.real = 0;
    key.text.clear();
    bytes_ += value.present ? '\1' : '\0';
    if (!value.present) {
      continue;
    }
    if (kind == FieldKind::kReal) {
      // All nans are one key, and both zeros.
      key.real = std::isnan(value.real) ? std::nan("") : value.real + 0.0;
      append_bytes(bytes_, key.real);
    } else if (kind == FieldKind::kText) {
      if (value.text.size() > kMostKeyBytes) {
        return fail(ErrorCode::kTooLarge, "its key '" + name + "' has " + std::to_string(value.text.size()) +
                                              " bytes; a key has at most " + std::to_string(kMostKeyBytes));
      }
      key.text = value.text;
      append_bytes(bytes_, static_cast<std::uint32_t>(value.text.size()));
      bytes_ += value.text;
    } else {
      append_bytes(bytes_, key.integer);
    }
  }
  return {};
}

Result<std::int64_t> Grouping::read_time(const Item& item) const {
  const WindowRule& window = *rule_.window;
  FieldValue value;
  if (!window.time->read(item, value)) {
    return fail(ErrorCode::kCorrupt, "the field of its time is not valid");
  }
  if (!value.present) {
    return fail(ErrorCode::kInvalidArgument, "it has no time");
  }
  const FieldKind kind = window.time->shape().kind;
  if (kind == FieldKind::kText) {
    if (const std::optional<std::int64_t> time = parse_time(value.text)) {
      return *time;
    }
    return fail(ErrorCode::kInvalidArgument, "its time '" + std::string(value.text.substr(0, 64)) +
                                                 "' is not one such as 2026-11-30T22:18:00Z between 1748 and 2191");
  }
  const auto refuse = [](const std::string& number) {
    return fail(ErrorCode::kInvalidArgument,
                "its time " + number + " is not between 1748 and 2191; correct the data, or set 'unit'");
  };
  if (kind == FieldKind::kReal) {
    const double time = value.real * static_cast<double>(window.unit_ns);
    if (!(std::fabs(time) < static_cast<double>(kMostTimeNs))) {
      return refuse(std::to_string(value.real));
    }
    return std::llround(time);
  }
  std::int64_t time = 0;
  const bool too_large = kind == FieldKind::kNatural && value.integer < 0;
  if (too_large || __builtin_mul_overflow(value.integer, window.unit_ns, &time) || time > kMostTimeNs ||
      time < kLeastTimeNs) {
    return refuse(kind == FieldKind::kNatural ? std::to_string(static_cast<std::uint64_t>(value.integer))
                                              : std::to_string(value.integer));
  }
  return time;
}

Result<Grouping::Taken> Grouping::take(std::size_t input, Item& item, std::int64_t arrival_ns) {
  if (const Result<void> key = read_key(item); !key) {
    return tl::unexpected(key.error());
  }
  if (!rule_.window) {
    place(item, 0, Watermark::kEnd, true);
    return Taken::kYes;
  }
  const WindowRule& window = *rule_.window;
  std::int64_t time = arrival_ns;
  if (!window.by_arrival()) {
    Result<std::int64_t> read = read_time(item);
    if (!read) {
      return tl::unexpected(std::move(read.error()));
    }
    time = *read;
  }
  const std::int64_t mark = watermark_.mark();
  bool late = true;
  if (window.sessions()) {
    late = time < mark;
    if (!late) {
      const auto state = keys_.try_emplace(bytes_).first;
      if (!state->second.key) {
        state->second.key = make_shared_object<const GroupKey>(values_);
      }
      ++state->second.held;
      held_bytes_ += item.bytes() + kHeldCost;
      held_.push_back({time, next_sequence_++, &*state, item});
      std::push_heap(held_.begin(), held_.end(), HeldLater());
    }
  } else {
    const std::int64_t last = floor_to(time, window.slide_ns);
    std::int64_t start = last - (window.size_ns - (time - last) - 1) / window.slide_ns * window.slide_ns;
    for (; start <= last; start += window.slide_ns) {
      if (start + window.size_ns > mark) {
        place(item, start, start + window.size_ns, late);
        late = false;
      }
    }
  }
  if (!window.by_arrival()) {
    watermark_.took(input, time);
  }
  return late ? Taken::kLate : Taken::kYes;
}

std::uint32_t Grouping::make_group(Shared<const GroupKey> key, std::int64_t start_ns, std::int64_t end_ns) {
  auto group = static_cast<std::uint32_t>(groups_.size());
  if (free_.empty()) {
    groups_.emplace_back();
  } else {
    group = free_.back();
    free_.pop_back();
  }
  Group& made = groups_[group];
  made.key = std::move(key);
  made.start_ns = start_ns;
  made.end_ns = end_ns;
  made.number = next_number_++;
  made.open = true;
  ++open_;
  ends_.push_back({end_ns, made.number, group});
  std::push_heap(ends_.begin(), ends_.end(), EndLater());
  return group;
}

void Grouping::place(const Item& item, std::int64_t start_ns, std::int64_t end_ns, bool counts) {
  const std::size_t key_bytes = bytes_.size();
  if (rule_.window) {
    append_bytes(bytes_, start_ns);
  }
  const auto [found, opens] = index_.try_emplace(bytes_, 0);
  if (opens) {
    found->second = make_group(make_shared_object<const GroupKey>(values_), start_ns, end_ns);
    groups_[found->second].index = &found->first;
  }
  bytes_.resize(key_bytes);
  placed_.push_back({Event::Kind::kItem, found->second, opens, counts, item});
}

Grouping::Event Grouping::place_held() {
  std::pop_heap(held_.begin(), held_.end(), HeldLater());
  Held first = std::move(held_.back());
  held_.pop_back();
  held_bytes_ -= first.item.bytes() + kHeldCost;
  KeyState& state = first.key->second;
  --state.held;
  const std::int64_t end = first.time_ns + rule_.window->gap_ns;
  Event event{Event::Kind::kItem, 0, false, true, std::move(first.item)};
  if (state.session && first.time_ns < groups_[*state.session].end_ns) {
    event.group = *state.session;
    groups_[event.group].end_ns = end;
  } else {
    // The session before is due, because the watermark has passed this item.
    event.group = make_group(state.key, first.time_ns, end);
    event.opens = true;
    groups_[event.group].index = &first.key->first;
    state.session = event.group;
  }
  return event;
}

void Grouping::forget_key(KeyStates::value_type& state) {
  if (!state.second.session && state.second.held == 0) {
    keys_.erase(keys_.find(state.first));
  }
}

Grouping::Event Grouping::make_due() {
  std::pop_heap(ends_.begin(), ends_.end(), EndLater());
  Event event{Event::Kind::kDue, ends_.back().group, false, false, {}};
  ends_.pop_back();
  Group& group = groups_[event.group];
  group.open = false;
  --open_;
  if (rule_.window && rule_.window->sessions()) {
    const auto state = keys_.find(*group.index);
    if (state->second.session == event.group) {
      state->second.session.reset();
    }
    forget_key(*state);
  } else {
    index_.erase(index_.find(*group.index));
  }
  group.index = nullptr;
  return event;
}

void Grouping::settle_ends() {
  while (!ends_.empty()) {
    const End first = ends_.front();
    const Group& group = groups_[first.group];
    if (group.end_ns == first.end_ns) {
      return;
    }
    std::pop_heap(ends_.begin(), ends_.end(), EndLater());
    ends_.back() = {group.end_ns, first.number, first.group};
    std::push_heap(ends_.begin(), ends_.end(), EndLater());
  }
}

std::optional<Grouping::Event> Grouping::next() {
  if (!placed_.empty()) {
    return placed_.pop_front();
  }
  const std::int64_t mark = watermark_.mark();
  if (ends_.empty() && held_.empty()) {
    return std::nullopt;
  }
  settle_ends();
  // An item at the end of a session does not belong to it, so the session ends first.
  const std::int64_t end = ends_.empty() ? Watermark::kEnd : ends_.front().end_ns;
  const bool item_first = !held_.empty() && (ends_.empty() || held_.front().time_ns < end);
  if (item_first) {
    return held_.front().time_ns <= mark ? std::optional<Event>(place_held()) : std::nullopt;
  }
  return end <= mark ? std::optional<Event>(make_due()) : std::nullopt;
}

void Grouping::clock(std::int64_t now_ns) noexcept {
  if (rule_.window && rule_.window->by_arrival()) {
    watermark_.raise(now_ns);
  }
}

void Grouping::idle(std::size_t input) noexcept {
  watermark_.idle(input);
  if (!watermark_.all_idle()) {
    return;
  }
  // Nothing else would end the windows that are open.
  std::int64_t last = Watermark::kNone;
  for (const End& end : ends_) {
    last = std::max(last, groups_[end.group].end_ns);
  }
  for (const Held& item : held_) {
    last = std::max(last, item.time_ns + rule_.window->gap_ns);
  }
  watermark_.raise(last);
}

void Grouping::release(std::uint32_t group) {
  groups_[group] = Group();
  free_.push_back(group);
}

std::optional<std::int64_t> Grouping::next_end_ns() {
  if (!rule_.window || !rule_.window->by_arrival()) {
    return std::nullopt;
  }
  settle_ends();
  std::optional<std::int64_t> first;
  if (!ends_.empty()) {
    first = ends_.front().end_ns;
  }
  if (!held_.empty() && (!first || held_.front().time_ns < *first)) {
    first = held_.front().time_ns;
  }
  return first;
}

std::vector<std::uint32_t> Grouping::drop_open() {
  std::vector<std::uint32_t> open;
  for (const End& end : ends_) {
    groups_[end.group].open = false;
    groups_[end.group].index = nullptr;
    open.push_back(end.group);
  }
  ends_.clear();
  held_.clear();
  placed_.clear();
  held_bytes_ = 0;
  open_ = 0;
  index_.clear();
  keys_.clear();
  return open;
}

std::string Grouping::describe(std::uint32_t group) const {
  const Group& described = groups_[group];
  std::string text;
  for (std::size_t i = 0; i < rule_.keys.size(); ++i) {
    const GroupShape::Key& key = rule_.shape->keys[i];
    text += (text.empty() ? "" : ", ") + key.name + " = " + value_text(key.shape, described.key->values[i]);
  }
  if (rule_.window) {
    text += (text.empty() ? "" : ", ") + time_text(described.start_ns) + " to " + time_text(described.end_ns);
  }
  return text;
}

}  // namespace tenon::internal
