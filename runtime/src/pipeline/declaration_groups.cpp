#include "pipeline/declaration_groups.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace tenon::internal {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kMostKeys = 16;
constexpr std::int64_t kMostGroups = 10'000'000;
constexpr std::uint64_t kLeastMemoryBytes = std::uint64_t{1} << 20;
/// An item belongs to at most this many windows that slide.
constexpr std::int64_t kMostOverlaps = 1000;

class GroupsReader {
 public:
  GroupsReader(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter)
      : node_(node), table_(table), environment_(environment), reporter_(reporter) {}

  void read() {
    if (const Entry* const by = table_.entry("by")) {
      read_by(by->value);
    }
    if (const Value* const window = table_.table("window")) {
      read_window(*window);
    }
    if (const auto groups = table_.integer("groups", 1, kMostGroups)) {
      groups_.most_groups = static_cast<std::uint64_t>(groups->value);
    }
    if (const auto memory = table_.size("memory")) {
      groups_.memory_bytes = memory->value;
      if (memory->value < kLeastMemoryBytes) {
        table_.fail(memory->place, "'memory' is less than 1MiB, which a few items fill", "the default is \"256MiB\"");
      }
    }
    if (table_.entry("by") != nullptr || table_.entry("window") != nullptr) {
      node_.groups = std::move(groups_);
      return;
    }
    for (const char* const key : {"groups", "memory"}) {
      if (const Entry* const entry = table_.entry(key)) {
        table_.fail(entry->place, std::string("'") + key + "' does nothing without 'by' or 'window'",
                    "a reduce over the whole stream keeps one group, in its task");
      }
    }
  }

 private:
  void read_by(const Value& written) {
    if (written.kind != Value::Kind::kArray) {
      add_key(written);
      return;
    }
    if (written.elements.empty()) {
      table_.fail(written.place, "'by' is empty", "name at least one field, or leave it out");
    }
    if (written.elements.size() > kMostKeys) {
      table_.fail(written.place, "'by' names more than " + std::to_string(kMostKeys) + " fields");
      return;
    }
    for (const Value& element : written.elements) {
      add_key(element);
    }
  }

  void add_key(const Value& written) {
    const std::optional<Value> value = environment_.settle(written, reporter_);
    if (!value || value->kind != Value::Kind::kString || value->text.empty()) {
      if (value) {
        table_.fail(value->place,
                    value->kind == Value::Kind::kString
                        ? std::string("'by' names a field without a name")
                        : "'by' is " + std::string(kind_name(value->kind)) + "; it takes names of fields",
                    "write by = \"<field>\" or by = [\"<field>\", ...]");
      }
      node_.broken = true;
      return;
    }
    const auto [first, inserted] = seen_.emplace(value->text, value->place);
    if (!inserted) {
      table_.fail(value->place, "field '" + value->text + "' is named twice");
      return;
    }
    groups_.by.push_back({value->text, value->place});
  }

  void read_window(const Value& value) {
    TableReader table(value, "'window'", environment_, reporter_);
    table.check_keys(window_keys());
    WindowDeclaration window;
    window.place = value.place;
    read_shape(table, window);
    window.time = table.text("time");
    const bool by_arrival = table.entry("time") == nullptr;
    read_unit(table, window, by_arrival);
    if (const auto lateness = table.duration("lateness")) {
      window.lateness = lateness->value;
      if (by_arrival) {
        table.fail(lateness->place, "'lateness' does nothing without 'time': by arrival, no item is late",
                   "name the field with the time of an item, or leave it out");
      }
    }
    if (const auto idle = positive(table, "idle")) {
      window.idle = idle->value;
      if (by_arrival || table.entry("lateness") == nullptr) {
        table.fail(idle->place,
                   by_arrival ? "'idle' does nothing without 'time': by arrival, windows end by the clock"
                              : "'idle' does nothing without 'lateness': windows end with the input",
                   by_arrival ? "leave it out" : "add lateness = \"<duration>\"");
      }
    }
    if (const auto early = positive(table, "early")) {
      window.early = early->value;
    }
    node_.broken = node_.broken || table.broken();
    groups_.window = std::move(window);
  }

  void read_shape(TableReader& table, WindowDeclaration& window) {
    const auto size = positive(table, "size");
    const auto gap = positive(table, "gap");
    const auto slide = positive(table, "slide");
    window.size = size ? size->value : nanoseconds(0);
    window.gap = gap ? gap->value : nanoseconds(0);
    window.slide = slide ? slide->value : window.size;
    const Entry* const sized = table.entry("size");
    const Entry* const gapped = table.entry("gap");
    if (sized == nullptr && gapped == nullptr) {
      table.fail(window.place, "'window' has neither 'size' nor 'gap'",
                 "add size = \"1m\" for windows of a minute, or gap = \"30m\" for sessions that end after a pause");
    } else if (sized != nullptr && gapped != nullptr) {
      table.fail(gapped->place, "'window' has both 'size' and 'gap'",
                 "a session has no fixed size: it ends 'gap' after its last item");
    } else if (slide && sized == nullptr) {
      table.fail(slide->place, "'slide' does nothing without 'size'", "sessions do not overlap");
    } else if (slide && size && slide->value > size->value) {
      table.fail(slide->place, "'slide' is longer than 'size': items between two windows would belong to none",
                 "for windows that do not overlap, leave 'slide' out");
    } else if (slide && size && (size->value - nanoseconds(1)) / slide->value >= kMostOverlaps) {
      table.fail(slide->place, "each item would belong to more than " + std::to_string(kMostOverlaps) + " windows",
                 "take a longer 'slide'");
    }
  }

  void read_unit(TableReader& table, WindowDeclaration& window, bool by_arrival) {
    const auto unit = table.text("unit");
    if (!unit) {
      return;
    }
    std::vector<std::string> names;
    for (const auto& [name, unit_ns] : time_units()) {
      names.push_back(name);
    }
    if (by_arrival) {
      table.fail(unit->place, "'unit' does nothing without 'time'");
    } else if (std::find(names.begin(), names.end(), unit->value) == names.end()) {
      table.fail(unit->place, "unknown unit '" + unit->value + "'",
                 suggest(unit->value, names, "units are " + list_names(names)));
    } else {
      window.unit = unit;
    }
  }

  static std::optional<Located<nanoseconds>> positive(TableReader& table, std::string_view key) {
    auto duration = table.duration(key);
    if (duration && duration->value.count() == 0) {
      table.fail(duration->place, "'" + std::string(key) + "' is 0", "give a duration, or leave it out");
      return std::nullopt;
    }
    return duration;
  }

  NodeDeclaration& node_;
  TableReader& table_;
  const Environment& environment_;
  Reporter& reporter_;
  GroupsDeclaration groups_;
  std::map<std::string, Place> seen_;
};

}  // namespace

const std::vector<std::string>& window_keys() {
  static const std::vector<std::string> kKeys = {"size", "slide", "gap", "time", "unit", "lateness", "idle", "early"};
  return kKeys;
}

const std::vector<std::pair<std::string, std::int64_t>>& time_units() {
  static const std::vector<std::pair<std::string, std::int64_t>> kUnits = {
      {"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
  return kUnits;
}

void read_groups(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter) {
  GroupsReader(node, table, environment, reporter).read();
}

}  // namespace tenon::internal
