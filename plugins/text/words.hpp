/// Word frequencies of a text, in bounded memory.
///
/// The algorithm is lossy counting (Manku and Motwani, 2002): when there are more different words
/// than the capacity, the rarer half is dropped. A word that appears after that may have been
/// dropped before, so its count can be too low; each word stores the maximum error. Until a word is
/// dropped, all counts are exact. After N words no count is off by more than about 2 N / capacity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text_generated.h"

namespace text {

/// Longer words are cut after this many bytes, at the end of a character.
inline constexpr std::size_t kMaxWordBytes = 256;

/// Calls `take` for each word of `text`. Words consist of letters, digits, `_`, and `'` between
/// them; outside ASCII, of everything except white space, punctuation and bytes that are not UTF-8.
/// With `ignore_case` ASCII letters are converted to lower case.
void for_each_word(std::string_view text, bool ignore_case, const std::function<void(const std::string&)>& take);

/// Word counts; also the checkpoint of the reduces.
class WordTally {
 public:
  /// Sets how many different words to keep; at least 2. Must be called before anything is added.
  void set_capacity(std::uint32_t capacity);
  void add(const std::string& word);
  /// Adds the counts of another text.
  void merge(const WordCounts& counts);

  /// The `k` most frequent words; ties are sorted by their bytes.
  [[nodiscard]] WordCountsT top(std::size_t k) const;
  /// All known words, in the same order.
  [[nodiscard]] WordCountsT all() const { return top(words_.size()); }

  [[nodiscard]] std::vector<std::uint8_t> save() const;
  static WordTally load(std::span<const std::uint8_t> bytes);

 private:
  struct Count {
    std::uint64_t count = 0;
    std::uint64_t error = 0;
  };
  void drop_rare();

  std::unordered_map<std::string, Count> words_;
  std::size_t capacity_ = 100000;
  std::uint64_t total_ = 0;
  std::uint64_t missed_at_most_ = 0;
  bool dropped_ = false;
};

}  // namespace text
