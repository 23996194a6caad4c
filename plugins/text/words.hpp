/// Words and how often they stand in a text, in bounded memory.
///
/// The counts are those of lossy counting (Manku and Motwani, 2002): when more different words than the capacity are
/// there, the rarer half is dropped. A word that comes (again) after that may have been dropped before, so its count
/// can be too low; each word knows by how much at most. While no word was dropped, all counts are exact. After N words
/// no count is off by more than some 2 N / capacity.
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

/// Calls `take` for each word of `text`. Words are letters, digits, `_`, and `'` between them; of what is not ASCII
/// everything but white space, punctuation and bytes that are no UTF-8. ASCII letters are made small for `ignore_case`.
void for_each_word(std::string_view text, bool ignore_case, const std::function<void(const std::string&)>& take);

/// Counts of words; the checkpoint of the reduces.
class WordTally {
 public:
  /// How many different words to keep; at least 2. To be set before anything is added.
  void set_capacity(std::uint32_t capacity);
  void add(const std::string& word);
  /// Adds the counts of another text.
  void merge(const WordCounts& counts);

  /// The `k` most frequent words, equal ones in the order of their bytes.
  [[nodiscard]] WordCountsT top(std::size_t k) const;
  /// Everything that is known, in the same order.
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
