/// pipeline/grouping.hpp: decides to which groups an item belongs, and when a group is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <tenon/error.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/group_rule.hpp"
#include "pipeline/ring.hpp"
#include "pipeline/watermark.hpp"

namespace tenon::internal {

/// Divides items into groups by key and window. Knows neither sessions nor queues:
///
///   grouping.take(input, item, now);            // or: the item is late, or has no valid time
///   while (event = grouping.next()) ...         // items of groups, and groups that are complete
///   grouping.release(group);                    // its number can be used again
///
/// Only a time window can make one item belong to several groups. The items of a session window are held
/// until the watermark has passed them, and then follow in the order of their times: so a later item
/// never joins two sessions that have begun. Not thread-safe.
class Grouping {
 public:
  /// `rule` outlives it.
  Grouping(const GroupRule& rule, std::size_t inputs);

  enum class Taken : std::uint8_t {
    kYes,
    kLate,  ///< All windows of its time are over.
  };
  /// Takes an item; `arrival_ns` is the present wall-clock time. All events must have been taken
  /// before. Errors: kInvalidArgument for an item without a time; kCorrupt; kTooLarge for a key. The item
  /// is only taken if the result is kYes.
  [[nodiscard]] Result<Taken> take(std::size_t input, Item& item, std::int64_t arrival_ns);

  struct Event {
    enum class Kind : std::uint8_t {
      kItem,  ///< `item` belongs to `group`.
      kDue,   ///< Nothing more will belong to `group`.
    };
    Kind kind = Kind::kItem;
    std::uint32_t group = 0;
    bool opens = false;  ///< The item is the first one of the group.
    bool counts = true;  ///< The item counts in this group, and in no other.
    Item item;
  };
  /// Returns what follows from the items and times so far, once; nullopt if there is nothing more.
  [[nodiscard]] std::optional<Event> next();

  /// The wall clock has advanced; only for windows by arrival.
  void clock(std::int64_t now_ns) noexcept;
  /// An input has had no item for the time that the rule says.
  void idle(std::size_t input) noexcept;
  /// An input has given its last item.
  void ended(std::size_t input) noexcept { watermark_.ended(input); }

  /// A group, from its first item until it is released.
  struct Group {
    Shared<const GroupKey> key;
    std::int64_t start_ns = 0;
    std::int64_t end_ns = Watermark::kEnd;
    std::uint64_t number = 0;  ///< In the order in which groups were opened, from 1; 0 for a number that is free.
    bool open = false;         ///< It is not due yet.

   private:
    friend class Grouping;
    const std::string* index = nullptr;  ///< Its key in one of the maps.
  };
  [[nodiscard]] const Group& operator[](std::uint32_t group) const noexcept { return groups_[group]; }
  void release(std::uint32_t group);
  /// Returns how many groups are open.
  [[nodiscard]] std::uint64_t open() const noexcept { return open_; }
  /// Returns how many items wait for the watermark, and their size.
  [[nodiscard]] std::uint64_t held() const noexcept { return held_.size(); }
  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return held_bytes_; }
  /// Returns when the next window by arrival ends; nullopt if there is none.
  [[nodiscard]] std::optional<std::int64_t> next_end_ns();
  /// Forgets the items that wait and the groups that are open, and returns the groups. They must be
  /// released.
  [[nodiscard]] std::vector<std::uint32_t> drop_open();
  /// Describes a group in messages, as in "status = 200, 2026-11-30T22:18:00Z to 2026-11-30T22:19:00Z".
  [[nodiscard]] std::string describe(std::uint32_t group) const;

 private:
  /// The state of a key with session windows.
  struct KeyState {
    Shared<const GroupKey> key;
    std::optional<std::uint32_t> session;  ///< The open group.
    std::uint64_t held = 0;                ///< Items that wait.
  };
  using KeyStates = std::unordered_map<std::string, KeyState>;

  /// An item of a session window that waits for the watermark.
  struct Held {
    std::int64_t time_ns = 0;
    std::uint64_t sequence = 0;
    KeyStates::value_type* key = nullptr;
    Item item;
  };
  struct HeldLater {
    bool operator()(const Held& one, const Held& other) const noexcept {
      return one.time_ns != other.time_ns ? one.time_ns > other.time_ns : one.sequence > other.sequence;
    }
  };
  /// When a group ends, or a time before, if it has been extended since.
  struct End {
    std::int64_t end_ns = 0;
    std::uint64_t number = 0;
    std::uint32_t group = 0;
  };
  struct EndLater {
    bool operator()(const End& one, const End& other) const noexcept {
      return one.end_ns != other.end_ns ? one.end_ns > other.end_ns : one.number > other.number;
    }
  };

  /// Reads the key of an item into `bytes_` and `values_`.
  [[nodiscard]] Result<void> read_key(const Item& item);
  [[nodiscard]] Result<std::int64_t> read_time(const Item& item) const;
  [[nodiscard]] std::uint32_t make_group(Shared<const GroupKey> key, std::int64_t start_ns, std::int64_t end_ns);
  /// Adds the item to the group of the key that has been read and of a window.
  void place(const Item& item, std::int64_t start_ns, std::int64_t end_ns, bool counts);
  /// Adds the first item that waits to a session.
  [[nodiscard]] Event place_held();
  [[nodiscard]] Event make_due();
  void forget_key(KeyStates::value_type& state);
  /// Removes entries of `ends_` that are out of date, so that the first one is right.
  void settle_ends();

  const GroupRule& rule_;
  Watermark watermark_;
  std::deque<Group> groups_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_number_ = 1;
  std::uint64_t open_ = 0;
  std::unordered_map<std::string, std::uint32_t> index_;  ///< Open groups by key and start.
  KeyStates keys_;                                        ///< Only for session windows.
  std::vector<End> ends_;                                 ///< A heap with EndLater.
  std::vector<Held> held_;                                ///< A heap with HeldLater.
  std::uint64_t held_bytes_ = 0;
  std::uint64_t next_sequence_ = 0;
  Ring<Event> placed_;            ///< Events of the last item.
  std::string bytes_;             ///< Reused: the key of the present item.
  std::vector<KeyValue> values_;  ///< Reused: the same as values.
};

}  // namespace tenon::internal
