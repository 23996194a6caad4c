/// Word frequencies of a text, in bounded memory.
///
/// The algorithm is lossy counting (Manku and Motwani, 2002): when there are more different words
/// than the capacity, the rarer half is dropped. A word that appears after that may have been
/// dropped before, so its count can be too low; each word stores the maximum error. Until a word is
/// dropped, all counts are exact. After N words no count is off by more than about 2 N / capacity.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/byte_block.hpp"
#include "text/word_table.hpp"
#include "text_generated.h"

namespace text {

/// Longer words are cut after this many bytes, at the end of a character.
inline constexpr std::size_t kMaxWordBytes = 256;

/// Splits texts into words. Words consist of letters, digits, `_`, and `'` between them; outside
/// ASCII, of everything except white space, punctuation and bytes that are not UTF-8. ASCII is split
/// 64 bytes at a time. Not thread-safe.
class WordSplitter {
 public:
  /// With `ignore_case` ASCII letters are converted to lower case.
  explicit WordSplitter(bool ignore_case) : ignore_case_(ignore_case) {}

  /// Calls `take` with the words of `text`, a few at a time: a std::span<const std::string_view>.
  /// They are valid until `take` returns, as WordTable::prepare needs them. `text` does not continue
  /// the one before.
  template <typename Take>
  void split(std::string_view text, Take&& take) {
    constexpr std::size_t kBlock = tenon::plugins::ByteBlock::kSize;
    // `at` is never inside a word.
    for (std::size_t at = 0; at < text.size();) {
      std::array<char, kBlock + WordTable::kReadBytes> copy;
      const std::size_t left = std::min(kBlock, text.size() - at);
      std::memcpy(copy.data(), text.data() + at, left);
      std::memset(copy.data() + left, ' ', copy.size() - left);
      const tenon::plugins::ByteBlock block(copy.data());
      const Words words = words_of(block);
      if (ignore_case_) {
        block.copy_lower(copy.data());
      }
      std::array<std::string_view, kBlock / 2> found;
      std::size_t count = 0;
      for (std::uint64_t ends = words.ends, starts = words.starts; ends != 0; ends &= ends - 1, starts &= starts - 1) {
        const auto begin = static_cast<std::size_t>(std::countr_zero(starts));
        found[count++] = {copy.data() + begin, static_cast<std::size_t>(std::countr_zero(ends)) - begin};
      }
      take(std::span<const std::string_view>(found.data(), count));
      at += std::min(words.size_bytes, left);
      if (words.is_hard) {
        at = split_slowly(text, at);
        for (const std::string& word : words_) {
          std::string_view one = word;
          if (word.size() < WordTable::kReadBytes) {
            std::copy(word.begin(), word.end(), copy.begin());
            one = {copy.data(), word.size()};
          }
          take(std::span<const std::string_view>(&one, 1));
        }
      }
    }
  }

 private:
  /// The whole words at the start of a block, by masks: where each starts and where each has ended.
  struct Words {
    std::uint64_t starts = 0;
    std::uint64_t ends = 0;
    /// How much of the block they account for.
    std::size_t size_bytes = 0;
    /// Whether the text after `size_bytes` must be split character by character.
    bool is_hard = false;
  };
  static Words words_of(const tenon::plugins::ByteBlock& block) noexcept;
  /// Splits at least one character from `at`, and continues to a byte of ASCII that is outside a word.
  /// Returns where it stopped. The words are in words_.
  std::size_t split_slowly(std::string_view text, std::size_t at);

  bool ignore_case_;
  std::vector<std::string> words_;
};

/// Word counts; also the checkpoint of the reduces.
class WordTally {
 public:
  /// Sets how many different words to keep; at least 2. Must be called before anything is added.
  void set_capacity(std::uint32_t capacity);
  void add(std::string_view word);
  /// Adds several words, as WordTable::prepare needs them; up to 32 at once save time.
  void add(std::span<const std::string_view> words);
  /// Adds the counts of another text.
  void merge(const WordCounts& counts);

  /// The `k` most frequent words; ties are sorted by their bytes.
  [[nodiscard]] WordCountsT top(std::size_t k) const;
  /// All known words, in the same order.
  [[nodiscard]] WordCountsT all() const { return top(words_.size()); }

  [[nodiscard]] std::vector<std::uint8_t> save() const;
  static WordTally load(std::span<const std::uint8_t> bytes);

 private:
  void count_one(WordTable::Entry& entry, bool is_new);
  void drop_rare();

  WordTable words_;
  std::size_t capacity_ = 100000;
  std::uint64_t total_ = 0;
  std::uint64_t missed_at_most_ = 0;
  bool dropped_ = false;
};

}  // namespace text
