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

WordSplitter::Words WordSplitter::words_of(const tenon::plugins::ByteBlock& block) noexcept {
  constexpr std::size_t kBlock = tenon::plugins::ByteBlock::kSize;
  const std::uint64_t other = block.not_ascii();
  const std::uint64_t letters = block.letters() | block.between('0', '9') | block.equal('_');
  const std::uint64_t apostrophes = block.equal('\'');
  const std::uint64_t inside = letters | (apostrophes & (letters << 1) & (letters >> 1));
  Words words;
  // A word that touches the end of what is known may continue there, also behind an apostrophe.
  const auto known = static_cast<std::size_t>(std::countr_zero(other));
  const std::uint64_t touching = inside | (apostrophes & (letters << 1));
  words.size_bytes = known;
  if (known != 0) {
    words.size_bytes -= static_cast<std::size_t>(std::countl_one(touching << (kBlock - known)));
  }
  // A word that fills the whole block, or a character that is not ASCII.
  words.is_hard = words.size_bytes == 0 || known < kBlock;
  if (words.size_bytes == 0) {
    return words;
  }
  const std::uint64_t before =
      words.size_bytes == kBlock ? ~std::uint64_t{0} : (std::uint64_t{1} << words.size_bytes) - 1;
  const std::uint64_t whole = inside & before;
  words.starts = whole & ~(whole << 1);
  words.ends = ~whole & (whole << 1);
  return words;
}

std::size_t WordSplitter::split_slowly(std::string_view text, std::size_t at) {
  words_.clear();
  const std::size_t start = at;
  std::string word;
  bool full = false;
  for (;;) {
    const std::size_t begin = at;
    bool belongs = false;
    if (at < text.size()) {
      if (at != start && word.empty() && static_cast<unsigned char>(text[at]) < 0x80) {
        return at;
      }
      const auto character = tenon::plugins::decode_utf8(text, at);
      belongs = character && is_word_character(*character);
      if (character == U'\'' && !word.empty() && at < text.size()) {
        std::size_t ahead = at;
        const auto next = tenon::plugins::decode_utf8(text, ahead);
        belongs = next && is_word_character(*next);
      }
    }
    if (!belongs) {
      if (!word.empty()) {
        words_.push_back(std::move(word));
      }
      word.clear();
      full = false;
      if (begin == text.size()) {
        return at;
      }
      continue;
    }
    full = full || word.size() + (at - begin) > kMaxWordBytes;
    for (std::size_t i = begin; i < at && !full; ++i) {
      const char c = text[i];
      word += ignore_case_ && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
}

void WordTally::set_capacity(std::uint32_t capacity) {
  capacity_ = std::max<std::size_t>(capacity, 2);
}

void WordTally::count_one(WordTable::Entry& entry, bool is_new) {
  ++entry.count;
  if (is_new) {
    entry.error = missed_at_most_;
    if (words_.size() > capacity_) {
      drop_rare();
    }
  }
}

void WordTally::add(std::string_view word) {
  ++total_;
  const auto [entry, is_new] = words_.insert(word);
  count_one(entry, is_new);
}

void WordTally::add(std::span<const std::string_view> words) {
  constexpr std::size_t kAtOnce = 32;
  std::array<WordTable::Search, kAtOnce> searches;
  for (; !words.empty(); words = words.subspan(std::min(kAtOnce, words.size()))) {
    const std::size_t count = std::min(kAtOnce, words.size());
    for (std::size_t i = 0; i < count; ++i) {
      searches[i] = words_.prepare(words[i]);
    }
    total_ += count;
    for (std::size_t i = 0; i < count; ++i) {
      const auto [entry, is_new] = words_.insert(searches[i]);
      count_one(entry, is_new);
    }
  }
}

void WordTally::merge(const WordCounts& counts) {
  const std::uint64_t missed = counts.missed_at_most();
  dropped_ = dropped_ || !counts.exact();
  total_ += counts.total();
  // Words not listed there may still occur in that text.
  if (missed != 0) {
    words_.add_error(missed);
  }
  const std::uint64_t missed_before = missed_at_most_;
  missed_at_most_ += missed;
  for (const WordCount* other : *counts.words()) {
    const auto [entry, is_new] = words_.insert(view(other->word()));
    // A malformed argument may list a word twice; its error is then unchanged.
    entry.error = (is_new ? missed_before : entry.error - std::min(entry.error, missed)) + other->error();
    entry.count += other->count();
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
  words_.for_each([&](const WordTable::Entry& entry) { bounds.push_back(entry.count + entry.error); });
  const auto middle = bounds.begin() + static_cast<std::ptrdiff_t>((bounds.size() - 1) / 2);
  std::nth_element(bounds.begin(), middle, bounds.end());
  const std::uint64_t limit = *middle;
  words_.erase_up_to(limit);
  missed_at_most_ = std::max(missed_at_most_, limit);
  dropped_ = true;
}

WordCountsT WordTally::top(std::size_t k) const {
  std::vector<const WordTable::Entry*> order;
  order.reserve(words_.size());
  words_.for_each([&](const WordTable::Entry& entry) { order.push_back(&entry); });
  const std::size_t kept = std::min(k, order.size());
  const auto is_before = [](const WordTable::Entry* a, const WordTable::Entry* b) {
    return a->count != b->count ? a->count > b->count : a->word() < b->word();
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), is_before);
  WordCountsT counts;
  counts.total = total_;
  counts.exact = !dropped_;
  counts.missed_at_most = missed_at_most_;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const WordTable::Entry& entry = *order[i];
    if (i >= kept) {
      counts.missed_at_most = std::max(counts.missed_at_most, entry.count + entry.error);
      continue;
    }
    auto out = std::make_unique<WordCountT>();
    out->word = entry.word();
    out->count = entry.count;
    out->error = entry.error;
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
      WordTable::Entry& entry = tally.words_.insert(view(word->word())).first;
      entry.count = word->count();
      entry.error = word->error();
    }
  }
  return tally;
}

}  // namespace text
