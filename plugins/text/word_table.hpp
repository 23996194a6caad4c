/// A hash table of words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace text {

/// Words with their counts. Open addressing with linear probing. A word of up to 15 bytes lies in its
/// entry, so that it is found with one access to memory; longer ones lie one after another in large
/// blocks. Movable, not copyable, not thread-safe.
class WordTable {
 public:
  class Entry {
   public:
    std::uint64_t count = 0;
    std::uint64_t error = 0;

    [[nodiscard]] std::string_view word() const noexcept;

   private:
    friend class WordTable;
    /// The bytes of a short word, then zeros. The last byte is its size plus 1, or kLong: then `first`
    /// is the address of the word, and `second` begins with its size. 0 in a free entry.
    struct Key {
      std::uint64_t first = 0;
      std::uint64_t second = 0;

      [[nodiscard]] std::uint64_t kind() const noexcept { return second >> 56; }
      bool operator==(const Key&) const = default;
    };
    Key key_;
  };
  /// A word that is about to be inserted.
  class Search {
   public:
    /// Leaves all members without a value: arrays of these are made for a few words.
    Search() noexcept {}  // NOLINT: see above

   private:
    friend class WordTable;
    [[nodiscard]] std::string_view word() const noexcept { return {text_, size_bytes_}; }
    [[nodiscard]] Entry::Key key() const noexcept { return {first_, second_}; }

    std::uint64_t first_;
    std::uint64_t second_;
    std::uint64_t hash_;
    const char* text_;
    std::size_t size_bytes_;
  };

  WordTable();

  /// A search reads this many bytes of a word at once.
  static constexpr std::size_t kReadBytes = 16;

  /// Prepares to insert `word`, which must stay valid until then, and has the processor fetch its
  /// entry. Several words prepared before the first of them is inserted wait for memory together.
  /// kReadBytes bytes from the start of the word must be readable, even if it is shorter.
  [[nodiscard]] Search prepare(std::string_view word) const noexcept;
  /// Finds a word, or adds it with a count of 0. The entry is valid until the next call that may
  /// add a word. Returns whether it is new.
  std::pair<Entry&, bool> insert(const Search& search);
  /// The same for any word.
  std::pair<Entry&, bool> insert(std::string_view word);
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Calls `visit` with each entry, in no particular order.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Entry& entry : slots_) {
      if (entry.key_.kind() != kFree) {
        visit(entry);
      }
    }
  }
  /// Adds `amount` to the error of all entries.
  void add_error(std::uint64_t amount) noexcept;
  /// Removes the entries whose count and error together are at most `limit`, and frees the memory
  /// of their words.
  void erase_up_to(std::uint64_t limit);

 private:
  static constexpr std::uint64_t kFree = 0;
  static constexpr std::uint64_t kLong = 255;

  /// The entry with this word, or the free one where it belongs.
  [[nodiscard]] Entry& slot_of(const Search& search) noexcept;
  /// Moves all entries into a table with this number of slots, a power of 2.
  void rehash(std::size_t slots);
  /// The key of an entry for this word; stores a long word.
  Entry::Key store(const Search& search);

  std::vector<Entry> slots_;
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_used_bytes_ = 0;
  std::size_t block_size_bytes_ = 0;
};

}  // namespace text
