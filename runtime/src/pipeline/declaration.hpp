/// Reads the declarations of a pipeline file key by key. Names are not resolved yet.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/condition.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"
#include "pipeline/plan.hpp"

namespace tenon::internal {

/// A file with more sources, stages and sinks than this is refused.
constexpr std::size_t kMaxNodes = 1000;

enum class Section { kSource, kStage, kSink };
/// A node with more inputs than this, or a route with more cases, is refused.
constexpr std::size_t kMaxNamesInList = 1000;

/// Returns "source", "stage" or "sink".
[[nodiscard]] std::string_view section_name(Section section) noexcept;

/// A value and its location in the file.
template <typename T>
struct Located {
  T value{};
  Place place;
};

/// One entry of `inputs`.
struct InputDeclaration {
  std::string node;
  std::string output;  ///< Empty if the file names no output.
  Place place;
};

/// One value of a route's case.
struct CaseValue {
  std::string value;  ///< The text that items have in this field.
  Place place;
  Value::Kind kind = Value::Kind::kString;  ///< The kind in which the file writes it.
};

struct CaseDeclaration {
  std::string name;
  Place place;
  std::vector<CaseValue> values;
  std::optional<Condition> condition;  ///< Instead of values, in a route without a field.
};

/// One field of a projection.
struct FieldDeclaration {
  std::string name;             ///< Its name in the record.
  Located<std::string> source;  ///< The field of the item, dotted.
  RecordValue otherwise;        ///< The value for items without it.
};

/// A window of a reduce, as the file writes it.
struct WindowDeclaration {
  Place place;
  std::optional<Located<std::string>> time;
  std::optional<Located<std::string>> unit;  ///< One of time_units().
  std::chrono::nanoseconds size{0};
  std::chrono::nanoseconds slide{0};
  std::chrono::nanoseconds gap{0};
  std::optional<std::chrono::nanoseconds> lateness;
  std::optional<std::chrono::nanoseconds> idle;
  std::optional<std::chrono::nanoseconds> early;
};

/// The groups of a reduce.
struct GroupsDeclaration {
  std::vector<Located<std::string>> by;
  std::optional<WindowDeclaration> window;
  std::optional<std::uint64_t> most_groups;
  std::optional<std::uint64_t> memory_bytes;
};

struct NodeDeclaration {
  Section section = Section::kStage;
  NodeKind kind = NodeKind::kMap;
  bool kind_given = false;  ///< The file names the kind; otherwise a stage's task decides.
  std::string name;
  Place place;  ///< Location of the name.
  std::optional<Located<std::string>> task;
  const Entry* args = nullptr;  ///< Points into the document.
  const Entry* params = nullptr;
  std::vector<InputDeclaration> inputs;
  bool inputs_given = false;
  std::optional<Located<std::uint32_t>> workers;  ///< 0 means "auto".
  std::optional<Located<std::chrono::nanoseconds>> timeout;
  std::optional<RetryPolicy> retry;
  std::optional<Located<std::string>> output_name;
  std::optional<Located<OnConflict>> on_conflict;
  OrderKind order = OrderKind::kNone;
  std::optional<Located<std::string>> order_field;
  QueueLimits queue;
  std::optional<Located<std::string>> field;
  std::vector<CaseDeclaration> cases;
  bool else_dropped = false;
  Place else_place;
  std::uint32_t batch_size = 0;
  std::optional<std::chrono::nanoseconds> batch_wait;
  std::optional<GroupsDeclaration> groups;            ///< For a reduce with `by` or `window`.
  std::optional<Condition> where;                     ///< The conditions of a filter.
  std::vector<FieldDeclaration> fields;               ///< The fields of a projection.
  ItemRule rule;                                      ///< The rule of a sample, limit, throttle, delay, or of a
                                                      ///< standard stream.
  std::vector<Located<std::string>> columns;          ///< The columns of standard output.
  std::optional<Located<std::string>> text_template;  ///< Of standard output.
  /// Set if a part of it could not be read; errors that follow from that are not reported again.
  bool broken = false;
};

struct PluginDeclaration {
  std::string name;
  Place place;
  std::optional<Located<std::string>> version;
  const Entry* settings = nullptr;  ///< Points into the document.
};

struct PipelineDeclaration {
  std::string name;
  std::string description;
  std::optional<std::uint64_t> give_up_after;
  std::vector<PluginDeclaration> plugins;
  std::vector<NodeDeclaration> nodes;
  bool complete = true;  ///< False if there are more than kMaxNodes; edges cannot be checked then.
};

/// Reads all declarations. The result points into `document`, which must outlive it.
[[nodiscard]] PipelineDeclaration read_declarations(const Value& document, const Environment& environment,
                                                    Reporter& reporter);

/// Returns the keys that a node of this kind takes. The result is valid for the life of the process.
[[nodiscard]] const std::vector<std::string>& keys_of(NodeKind kind);

/// Returns the keys of a source that reads standard input, or of a sink that writes standard output.
[[nodiscard]] const std::vector<std::string>& stream_keys_of(Section section);
/// Returns whether a node is such a source or sink.
[[nodiscard]] bool uses_stream(const NodeDeclaration& node) noexcept;

/// Reads one [sources.x], [stages.x] or [sinks.x].
[[nodiscard]] NodeDeclaration read_node(Section section, const Entry& entry, const QueueLimits& queue,
                                        const Environment& environment, Reporter& reporter);

/// Reads the scalars of one table by key and checks their kinds.
class TableReader {
 public:
  /// `what` names the table in messages, as in "stage 'digest'".
  TableReader(const Value& table, std::string what, const Environment& environment, Reporter& reporter);

  /// Reports every key that is not in `known`. `elsewhere` returns where a key belongs, or an empty
  /// text if it belongs nowhere.
  void check_keys(const std::vector<std::string>& known,
                  const std::function<std::string(const std::string&)>& elsewhere = {});
  [[nodiscard]] const Entry* entry(std::string_view key) const { return table_.find(key); }
  /// Returns nullopt if the value is absent or broken. A broken value has been reported.
  [[nodiscard]] std::optional<Located<std::string>> text(std::string_view key);
  [[nodiscard]] std::optional<Located<std::int64_t>> integer(std::string_view key, std::int64_t least,
                                                             std::int64_t most);
  [[nodiscard]] std::optional<Located<std::chrono::nanoseconds>> duration(std::string_view key);
  [[nodiscard]] std::optional<Located<std::uint64_t>> size(std::string_view key);
  /// Returns the value after following an environment reference.
  [[nodiscard]] std::optional<Value> settled(std::string_view key);
  /// Returns the table below a key.
  [[nodiscard]] const Value* table(std::string_view key);

  [[nodiscard]] bool broken() const noexcept { return broken_; }
  void fail(const Place& place, std::string message, std::string hint = {});

 private:
  const Value& table_;
  std::string what_;
  const Environment& environment_;
  Reporter& reporter_;
  bool broken_ = false;
};

/// Reads `{ items = ..., bytes = ... }` over the defaults in `limits`.
void read_queue(TableReader& parent, const Environment& environment, Reporter& reporter, QueueLimits& limits);

}  // namespace tenon::internal
