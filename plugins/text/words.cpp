#include "text/words.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/utf8.hpp"

namespace text {
namespace {

using tenon::plugins::view;

bool is_word_ascii(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Excludes blocks of white space and punctuation; the letters among the signs of Latin-1's upper
/// half are word characters.
bool is_word_character(char32_t c) {
  if (c < 0x80) {
    return is_word_ascii(c);
  }
  const bool latin_sign = (c < 0xC0 && c != 0xAA && c != 0xB5 && c != 0xBA) || c == 0xD7 || c == 0xF7;
  const bool punctuation = (c >= 0x2000 && c <= 0x206F) || (c >= 0x2190 && c <= 0x2BFF) ||
                           (c >= 0x3000 && c <= 0x3004) || (c >= 0x3008 && c <= 0x3020) ||
                           (c >= 0xFF01 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) || c == 0xFEFF;
  return !latin_sign && !punctuation;
}

}  // namespace

void for_each_word(std::string_view text, bool ignore_case, const std::function<void(const std::string&)>& take) {
  std::string word;
  bool full = false;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t begin = at;
    bool belongs = false;
    if (at < text.size()) {
      const auto character = tenon::plugins::decode_utf8(text, at);
      belongs = character && is_word_character(*character);
      if (character == U'\'' && !word.empty() && at < text.size()) {
        std::size_t ahead = at;
        const auto next = tenon::plugins::decode_utf8(text, ahead);
        belongs = next && is_word_character(*next);
      }
    } else {
      ++at;
    }
    if (!belongs) {
      if (!word.empty()) {
        take(word);
      }
      word.clear();
      full = false;
      continue;
    }
    full = full || word.size() + (at - begin) > kMaxWordBytes;
    for (std::size_t i = begin; i < at && !full; ++i) {
      const char c = text[i];
      word += ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
}

void WordTally::set_capacity(std::uint32_t capacity) {
  capacity_ = std::max<std::size_t>(capacity, 2);
}

void WordTally::add(const std::string& word) {
  ++total_;
  const auto [found, is_new] = words_.try_emplace(word);
  ++found->second.count;
  if (is_new) {
    found->second.error = missed_at_most_;
    if (words_.size() > capacity_) {
      drop_rare();
    }
  }
}

void WordTally::merge(const WordCounts& counts) {
  const std::uint64_t missed = counts.missed_at_most();
  dropped_ = dropped_ || !counts.exact();
  total_ += counts.total();
  // Words not listed there may still occur in that text.
  if (missed != 0) {
    for (auto& [word, count] : words_) {
      count.error += missed;
    }
  }
  const std::uint64_t missed_before = missed_at_most_;
  missed_at_most_ += missed;
  for (const WordCount* other : *counts.words()) {
    const auto [found, is_new] = words_.try_emplace(std::string(view(other->word())));
    Count& count = found->second;
    // A malformed argument may list a word twice; its error is then unchanged.
    count.error = (is_new ? missed_before : count.error - std::min(count.error, missed)) + other->error();
    count.count += other->count();
    if (words_.size() > 2 * capacity_) {
      drop_rare();
    }
  }
  while (words_.size() > capacity_) {
    drop_rare();
  }
}

void WordTally::drop_rare() {
  std::vector<std::uint64_t> bounds;
  bounds.reserve(words_.size());
  for (const auto& [word, count] : words_) {
    bounds.push_back(count.count + count.error);
  }
  const auto middle = bounds.begin() + static_cast<std::ptrdiff_t>((bounds.size() - 1) / 2);
  std::nth_element(bounds.begin(), middle, bounds.end());
  const std::uint64_t limit = *middle;
  std::erase_if(words_, [limit](const auto& item) { return item.second.count + item.second.error <= limit; });
  missed_at_most_ = std::max(missed_at_most_, limit);
  dropped_ = true;
}

WordCountsT WordTally::top(std::size_t k) const {
  using Item = std::unordered_map<std::string, Count>::value_type;
  std::vector<const Item*> order;
  order.reserve(words_.size());
  for (const auto& item : words_) {
    order.push_back(&item);
  }
  const std::size_t kept = std::min(k, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), [](const Item* a, const Item* b) {
        return a->second.count != b->second.count ? a->second.count > b->second.count : a->first < b->first;
      });
  WordCountsT counts;
  counts.total = total_;
  counts.exact = !dropped_;
  counts.missed_at_most = missed_at_most_;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Count& count = order[i]->second;
    if (i >= kept) {
      counts.missed_at_most = std::max(counts.missed_at_most, count.count + count.error);
      continue;
    }
    auto out = std::make_unique<WordCountT>();
    out->word = order[i]->first;
    out->count = count.count;
    out->error = count.error;
    counts.words.push_back(std::move(out));
  }
  return counts;
}

std::vector<std::uint8_t> WordTally::save() const {
  WordCountsT known = all();
  WordsStateT state;
  state.words = std::move(known.words);
  state.total = total_;
  state.missed_at_most = missed_at_most_;
  state.dropped = dropped_;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(WordsState::Pack(builder, &state));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

WordTally WordTally::load(std::span<const std::uint8_t> bytes) {
  const auto& state = tenon::internal::verified_root<WordsState>(bytes, "checkpoint");
  WordTally tally;
  tally.total_ = state.total();
  tally.missed_at_most_ = state.missed_at_most();
  tally.dropped_ = state.dropped();
  if (state.words() != nullptr) {
    for (const WordCount* word : *state.words()) {
      tally.words_[std::string(view(word->word()))] = {word->count(), word->error()};
    }
  }
  return tally;
}

}  // namespace text
