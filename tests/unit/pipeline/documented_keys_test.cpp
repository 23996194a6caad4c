// The page PIPELINES.md and the parser know the same keys.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/declaration.hpp"
#include "pipeline/declaration_groups.hpp"
#include "pipeline/test_declaration.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

namespace tenon::test {

TEST_CASE("PIPELINES.md: every kind of stage and every key is described") {
  std::ifstream file(source_dir() / "runtime/src/pipeline/PIPELINES.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  REQUIRE_FALSE(page.empty());
  using internal::NodeKind;
  for (const NodeKind kind : {NodeKind::kSource, NodeKind::kMap, NodeKind::kExpand, NodeKind::kRoute, NodeKind::kBatch,
                              NodeKind::kReduce, NodeKind::kSink, NodeKind::kFilter, NodeKind::kProject,
                              NodeKind::kSample, NodeKind::kLimit, NodeKind::kThrottle, NodeKind::kDelay}) {
    const std::string name(internal::node_kind_name(kind));
    if (kind != NodeKind::kSource && kind != NodeKind::kSink) {
      INFO(name);
      CHECK(page.find("`\"" + name + "\"`") != std::string::npos);
    }
    for (const std::string& key : internal::keys_of(kind)) {
      INFO(name << ": " << key);
      // A row of a table that describes it.
      CHECK((page.find("`" + key + "`") != std::string::npos));
    }
  }
}

TEST_CASE("PIPELINES.md: the keys of tests and windows are those that the parser takes") {
  std::ifstream file(source_dir() / "runtime/src/pipeline/PIPELINES.md");
  const std::vector<std::pair<std::string, const std::vector<std::string>*>> tables = {
      {"| key of a test ", &internal::test_keys()},
      {"| key of an expectation ", &internal::expectation_keys()},
      {"| key of a failure ", &internal::failure_keys()},
      {"| key of a window ", &internal::window_keys()}};
  std::vector<std::vector<std::string>> described(tables.size());
  std::size_t table = tables.size();
  for (std::string line; std::getline(file, line);) {
    for (std::size_t i = 0; i < tables.size(); ++i) {
      table = line.starts_with(tables[i].first) ? i : table;
    }
    table = line.starts_with("|") ? table : tables.size();
    if (table < tables.size() && line.starts_with("| `")) {
      described[table].push_back(line.substr(3, line.find_first_of(".`", 3) - 3));
    }
  }
  for (std::size_t i = 0; i < tables.size(); ++i) {
    std::vector<std::string> known = *tables[i].second;
    std::sort(known.begin(), known.end());
    std::sort(described[i].begin(), described[i].end());
    CHECK(described[i] == known);
  }
}

TEST_CASE("PIPELINES.md: the keys of standard input and output are those that the parser takes") {
  for (const internal::Section section : {internal::Section::kSource, internal::Section::kSink}) {
    const std::string start = section == internal::Section::kSource ? "| key of `stdin` " : "| key of `stdout` ";
    std::ifstream file(source_dir() / "runtime/src/pipeline/PIPELINES.md");
    std::vector<std::string> described;
    bool table = false;
    for (std::string line; std::getline(file, line);) {
      table = line.starts_with(start) || (table && line.starts_with("|"));
      if (!table || !line.starts_with("| `")) {
        continue;
      }
      // One row may describe several keys.
      const std::string cell = line.substr(0, line.find('|', 1));
      for (std::size_t at = cell.find('`'); at != std::string::npos; at = cell.find('`', at + 1)) {
        const std::size_t end = cell.find('`', at + 1);
        described.push_back(cell.substr(at + 1, end - at - 1));
        at = end;
      }
    }
    std::vector<std::string> known = internal::stream_keys_of(section);
    std::sort(known.begin(), known.end());
    std::sort(described.begin(), described.end());
    CHECK(described == known);
  }
}

TEST_CASE("PIPELINES.md: every key in the tables of stages is one that a kind takes") {
  std::ifstream file(source_dir() / "runtime/src/pipeline/PIPELINES.md");
  std::vector<std::string> known;
  for (int kind = 0; kind <= static_cast<int>(internal::NodeKind::kDelay); ++kind) {
    const std::vector<std::string>& keys = internal::keys_of(static_cast<internal::NodeKind>(kind));
    known.insert(known.end(), keys.begin(), keys.end());
  }
  std::string line;
  bool table = false;
  int rows = 0;
  while (std::getline(file, line)) {
    table = line.starts_with("| key | map") || line.starts_with("| kind | key") || (table && line.starts_with("|"));
    if (!table || line.find('`') == std::string::npos) {
      continue;
    }
    // The first cells, up to the one that describes the keys, name them.
    const bool kinds = line.starts_with("| `filter`") || line.starts_with("| `project`") ||
                       line.starts_with("| `sample`") || line.starts_with("| `limit`") ||
                       line.starts_with("| `throttle`") || line.starts_with("| `delay`");
    const std::size_t begin = line.find('|', kinds || line.starts_with("| |") ? 1 : 0);
    std::string cell = line.substr(begin + 1, line.find('|', begin + 1) - begin - 1);
    while (cell.find('`') != std::string::npos) {
      const std::size_t open = cell.find('`');
      const std::size_t close = cell.find('`', open + 1);
      const std::string key = cell.substr(open + 1, close - open - 1);
      INFO(key);
      CHECK(std::find(known.begin(), known.end(), key) != known.end());
      cell.erase(0, close + 1);
      ++rows;
    }
  }
  CHECK(rows > 20);
}

}  // namespace tenon::test
