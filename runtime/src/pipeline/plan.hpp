/// The checked graph, which Graph holds and the engine runs. Plain data.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>

#include "pipeline/group_rule.hpp"
#include "pipeline/item_rules.hpp"
#include "pipeline/name_template.hpp"
#include "pipeline/task_directory.hpp"
#include "pipeline/version_pin.hpp"

namespace tenon::internal {

/// The role of a node in the graph.
enum class NodeKind {
  kSource,
  kMap,
  kRoute,
  kBatch,
  kReduce,
  kSink,
  kExpand,
  kGiven,  ///< Gives the items of a test.
  kFilter,
  kProject,
  kSample,
  kLimit,
  kThrottle,
  kDelay,
  kCollect,  ///< Keeps the items that a test is to judge.
};
/// Returns whether the engine itself processes the items, without a task; see ItemStage.
[[nodiscard]] constexpr bool needs_no_task(NodeKind kind) noexcept {
  return kind == NodeKind::kRoute || kind >= NodeKind::kFilter;
}
[[nodiscard]] std::string_view node_kind_name(NodeKind kind) noexcept;

/// The order in which a map passes on its results.
enum class OrderKind {
  kNone,   ///< In the order of completion.
  kInput,  ///< In the order of the items.
  kKey,    ///< Items with the same key one after another.
};

/// What happens to an item whose output file belongs to another item of the same run.
enum class OnConflict {
  kError,    ///< The item fails.
  kNumber,   ///< The item gets the name with a number that is free.
  kReplace,  ///< The item overwrites the file of the other one; no names are remembered.
};

/// Rules for the names of the files that a task writes.
struct OutputNaming {
  std::string directory;        ///< Absolute and without links, as far as it existed when the file
                                ///< was loaded.
  std::string shown_directory;  ///< The text in the file.
  ItemReader name;              ///< The field of the item that names the file.
  ItemReader path;              ///< The field whose last path component replaces an empty name; may
                                ///< be empty.
  NameTemplate pattern;         ///< Empty: keep the item's own name.
  OnConflict on_conflict = OnConflict::kError;
  ItemRenamer rename;
};

/// How often a failed item is tried again. The delay doubles from `backoff` up to `max`.
struct RetryPolicy {
  std::uint32_t attempts = 1;
  std::chrono::nanoseconds backoff{std::chrono::milliseconds(100)};
  std::chrono::nanoseconds max{std::chrono::seconds(30)};
};

/// The limits of one edge.
struct QueueLimits {
  std::uint32_t items = 1024;
  std::uint64_t bytes = std::uint64_t{64} << 20;
};

/// The type of the items on an edge. An empty name is a mixture of types, which only a task that
/// takes tenon.Any accepts.
struct EdgeType {
  std::string plugin;  ///< The plugin whose schema declares it.
  std::string name;    ///< Fully qualified.
  /// What the items carry of the groups that they come from; null if nothing.
  std::shared_ptr<const GroupShape> groups = {};
};

/// The argument type that accepts every edge. As a result type it means the type of the input.
inline constexpr std::string_view kAnyType = "tenon.Any";

struct PlanOutput {
  std::string name;                  ///< Empty for the only output of a node, and for what a filter
                                     ///< lets pass.
  std::vector<std::uint32_t> edges;  ///< Indices; every edge gets every item.
};

struct PlanEdge {
  std::uint32_t from = 0;
  std::uint32_t output = 0;
  std::uint32_t to = 0;
};

struct PlanNode {
  NodeKind kind = NodeKind::kMap;
  std::string name;
  std::string task;       ///< Full name; empty for a node that needs no task.
  bool collects = false;  ///< The task is a reduce.
  bool idempotent = false;
  Buffer params;
  Buffer argument;  ///< Only for a source.
  EdgeType input_type;
  EdgeType output_type;
  std::vector<std::uint32_t> inputs;  ///< Edges, in the order of the file.
  std::vector<PlanOutput> outputs;
  QueueLimits queue;

  std::uint32_t workers = 0;  ///< Calls in flight; 0 for as many as keep every worker busy.
  std::optional<std::chrono::nanoseconds> timeout;
  RetryPolicy retry;
  bool retries = false;  ///< The file sets `retry`.
  OrderKind order = OrderKind::kNone;
  std::string key_field;
  ItemReader key_reader;

  std::string route_field;  ///< Empty for a route by conditions.
  ItemReader route_reader;
  std::unordered_map<std::string, std::uint32_t> cases;  ///< Maps a value to an output.
  std::uint32_t else_output = 0;                         ///< No edges if else_dropped.
  bool else_dropped = false;                             ///< Also set if a filter's `else` is not
                                                         ///< connected.
  ItemRule rule;                                         ///< For nodes that need no task; nothing for
                                                         ///< a route by a field.

  std::optional<OutputNaming> naming;  ///< For maps and plain sinks with a task that writes files.

  std::optional<GroupRule> groups;  ///< For a reduce with `by` or `window`.

  std::uint32_t batch_size = 0;
  std::optional<std::chrono::nanoseconds> batch_wait;

  std::vector<std::string> read_fields;  ///< The fields that conditions and projections read.

  /// Functions that name an item of the input type in messages; empty if the type has no such
  /// field.
  ItemReader identity_name;    ///< A path, origin or name.
  ItemReader identity_number;  ///< A line number or a similar position.
};

/// A version pin in the file.
struct PlanPin {
  VersionPin pin;
  std::string text;   ///< The text in the file.
  std::string place;  ///< "inventory.toml:4:11".
};

}  // namespace tenon::internal

namespace tenon {

namespace internal {
struct TestPlan;
}

struct Graph::Impl {
  std::string name;
  std::string description;
  std::vector<internal::PlanNode> nodes;  ///< In the order of the file.
  std::vector<internal::PlanEdge> edges;
  std::optional<std::uint64_t> give_up_after;  ///< See RunOptions::give_up_after.
  std::map<std::string, Buffer> plugin_settings;
  std::map<std::string, internal::PlanPin> pins;  ///< Indexed by plugin.
  /// Of this file and of the one beside it, in order; see test_plan.hpp.
  std::vector<std::shared_ptr<const internal::TestPlan>> tests;
  Catalog catalog;  ///< The catalog that the graph was checked with.
};

namespace internal {

/// Returns whether a graph has a node with this rule: InputRule or OutputRule.
template <typename Rule>
[[nodiscard]] bool has_rule(const Graph::Impl& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const PlanNode& node) { return std::holds_alternative<Rule>(node.rule); });
}

}  // namespace internal

}  // namespace tenon
