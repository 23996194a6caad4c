#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "files/json.hpp"
#include "files/report.hpp"
#include "files_generated.h"
#include "rows/json_text.hpp"
#include "tenon_test/catch.hpp"

using tenon::test::Block;
using tenon::test::Worker;

namespace {

const std::vector<std::string> kNames{"/t/plain.txt", "/t/<b>&amp;\"quoted'.html", "/t/new\nline",
                                      "/t/bad-\xFF\xFE.txt", "/t/\xC3\xBC.txt"};

/// Returns an inventory of files that all have the same content.
Block inventory_block(const std::vector<std::string>& names) {
  Worker worker;
  files::InventoryParamsT params;
  params.title = "T <script>";
  auto session = worker.open("inventory", {}, params);
  for (const std::string& name : names) {
    tenon::DigestT digest;
    digest.file = std::make_unique<tenon::FileT>();
    digest.file->path = name;
    digest.file->size_bytes = 2000;
    digest.file->extension = name.find(".txt") != std::string::npos ? "txt" : "<x>";
    digest.algorithm = "sha256";
    digest.value = {1};
    digest.hex = "0123";
    REQUIRE(session.take(digest).ok());
  }
  return session.finish().results.front();
}

std::string content_of(const tenon::test::Outcome& outcome) {
  const auto& file = outcome.as<tenon::File>();
  return {file.data()->begin(), file.data()->end()};
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) {
    ++found;
  }
  return found;
}

/// Returns whether all elements that this page uses are closed in order.
bool is_balanced(const std::string& html) {
  std::vector<std::string> open;
  for (auto at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const auto end = html.find('>', at);
    if (end == std::string::npos) {
      return false;
    }
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (name == "!DOCTYPE" || name == "meta" || tag.back() == '/') {
      continue;
    }
    if (name.front() != '/') {
      open.push_back(name);
    } else if (open.empty() || open.back() != name.substr(1)) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}

}  // namespace

TEST_CASE("InventoryJson: is valid for names of any bytes and lists all files") {
  Worker worker;
  const auto outcome = worker.call("inventory_json", inventory_block(kNames));
  CHECK(outcome.as<tenon::File>().path()->str() == "inventory.json");
  CHECK(outcome.as<tenon::File>().relative_path()->str() == "inventory.json");
  const auto json = nlohmann::json::parse(content_of(outcome));
  CHECK(json["total_files"] == 5);
  CHECK(json["algorithm"] == "sha256");
  REQUIRE(json["files"].size() == 5);
  std::size_t exact = 0;
  for (const auto& file : json["files"]) {
    CHECK(file["sha256"] == "0123");
    CHECK(file["size_bytes"] == 2000);
    if (file.contains("path_base64")) {
      CHECK(file["path"] == "/t/bad-\xEF\xBF\xBD\xEF\xBF\xBD.txt");
      CHECK(file["path_base64"] == "L3QvYmFkLf/+LnR4dA==");
    } else {
      ++exact;
      CHECK(std::find(kNames.begin(), kNames.end(), file["path"].get<std::string>()) != kNames.end());
    }
  }
  CHECK(exact == 4);
  REQUIRE(json["duplicates"]["groups"].size() == 1);
  CHECK(json["duplicates"]["groups"][0]["files"].size() == 5);
  CHECK(json["duplicates"]["groups"][0]["wasted_bytes"] == 8000);
}

TEST_CASE("InventoryJson: an empty inventory, and one without its files") {
  Worker worker;
  const auto empty = nlohmann::json::parse(content_of(worker.call("inventory_json", inventory_block({}))));
  CHECK(empty["files"].empty());
  files::JsonParamsT params;
  params.files = false;
  params.name = "short.json";
  const auto outcome = worker.call("inventory_json", inventory_block(kNames), params);
  CHECK(outcome.as<tenon::File>().path()->str() == "short.json");
  CHECK_FALSE(nlohmann::json::parse(content_of(outcome)).contains("files"));
}

TEST_CASE("DuplicatesJson: lists the groups") {
  Worker worker;
  const auto inventory = inventory_block(kNames);
  files::DuplicatesT duplicates;
  inventory.as<files::Inventory>().duplicates()->UnPackTo(&duplicates);
  const auto json = nlohmann::json::parse(content_of(worker.call("duplicates_json", duplicates)));
  CHECK(json["groups"][0]["sha256"] == "0123");
  CHECK(json["wasted_bytes"] == 8000);
}

TEST_CASE("InventoryJson: every byte makes a valid string") {
  std::string all;
  for (int c = 0; c < 256; ++c) {
    all += static_cast<char>(c);
  }
  CHECK_NOTHROW(nlohmann::json::parse(tenon::rows::json_string(all)));
}

TEST_CASE("Report: is a whole page with charts, tables and groups, and all names escaped") {
  Worker worker;
  const auto outcome = worker.call("report", inventory_block(kNames));
  const std::string html = content_of(outcome);
  CHECK(outcome.as<tenon::File>().path()->str() == "inventory.html");
  CHECK(outcome.as<tenon::File>().extension()->str() == "html");
  CHECK(html.rfind("<!DOCTYPE html>", 0) == 0);
  CHECK(is_balanced(html));
  CHECK(count(html, "<svg ") == 2);
  CHECK(count(html, "<details") == 1);
  CHECK(count(html, "<script>") == 0);
  CHECK(count(html, "T &lt;script&gt;") == 2);
  CHECK(count(html, "/t/&lt;b&gt;&amp;amp;&quot;quoted&#39;.html") == 2);
  CHECK(count(html, "/t/new\xE2\x90\x8Aline") == 2);
  CHECK(count(html, "/t/bad-\xEF\xBF\xBD\xEF\xBF\xBD.txt") == 2);
  CHECK(count(html, ".&lt;x&gt;") >= 1);
  CHECK(count(html, "http") == 0);
}

TEST_CASE("Report: an empty inventory has a page that says so, without charts") {
  Worker worker;
  const std::string html = content_of(worker.call("report", inventory_block({})));
  CHECK(is_balanced(html));
  CHECK(count(html, "No files.") == 1);
  CHECK(count(html, "<svg") == 0);
  CHECK(count(html, "<h1>T &lt;script&gt;</h1>") == 1);
}

TEST_CASE("Report: says which tree, and when") {
  Worker worker;
  files::ReportParamsT params;
  params.made_s = 1'772'373'900;
  const std::string html = content_of(worker.call("report", inventory_block(kNames), params));
  CHECK(count(html, "<p class=\"path tree\">/t</p>") == 1);
  CHECK(count(html, "<title>T &lt;script&gt;: /t</title>") == 1);
  CHECK(count(html, "5 files, compared by sha256, 2026-03-01 14:05 UTC") == 1);
  CHECK(content_of(worker.call("report", inventory_block(kNames), params)) == html);
  CHECK(count(content_of(worker.call("report", inventory_block(kNames))), " UTC</p>") == 1);
}

TEST_CASE("Report: one of a thing is not called by its plural, and no extension is none") {
  Worker worker;
  const std::string html = content_of(worker.call("report", inventory_block({"/t/a.txt"})));
  CHECK(count(html, "1 file, compared") == 1);
  CHECK(count(html, "<b>1</b><span class=\"soft\">file</span>") == 1);
  CHECK(count(html, "<b>1</b><span class=\"soft\">extension</span>") == 1);
  files::InventoryT inventory;
  inventory_block({"/t/a.txt"}).as<files::Inventory>().UnPackTo(&inventory);
  inventory.extensions.front()->extension.clear();
  const std::string without = content_of(worker.call("report", inventory));
  CHECK(count(without, "<b>0</b><span class=\"soft\">extensions</span>") == 1);
  CHECK(count(without, "no extension") == 2);
}

TEST_CASE("Report: charts group their digits as the rest of the page") {
  Worker worker;
  files::InventoryT inventory;
  inventory_block({"/t/a.txt"}).as<files::Inventory>().UnPackTo(&inventory);
  for (auto& range : inventory.sizes) {
    range->files = 1'234'567;
  }
  inventory.total_files = 12345;
  const std::string html = content_of(worker.call("report", inventory));
  CHECK(count(html, "1234567") == 0);
  CHECK(count(html,
              "1\xE2\x80\xAF"
              "234\xE2\x80\xAF"
              "567</text>") == inventory.sizes.size());
  CHECK(count(html,
              "<b>12\xE2\x80\xAF"
              "345</b>") == 1);
}

TEST_CASE("Report: the tree is what was walked, else the deepest directory of all files") {
  using Files = std::vector<std::pair<std::string, std::string>>;
  const auto tree = [](const Files& names) {
    files::InventoryT inventory;
    inventory.duplicates = std::make_unique<files::DuplicatesT>();
    for (const auto& [path, relative_path] : names) {
      inventory.files.push_back(std::make_unique<files::EntryT>());
      inventory.files.back()->path = path;
      inventory.files.back()->relative_path = relative_path;
    }
    const Block block(inventory);
    return std::string(files::tree_of(block.as<files::Inventory>()));
  };
  CHECK(tree({}).empty());
  CHECK(tree({{"name", "name"}}).empty());
  CHECK(tree({{"/a/b/c/x", "b/c/x"}, {"/a/b/c/y", "b/c/y"}}) == "/a");
  CHECK(tree({{"./x", "x"}}) == ".");
  CHECK(tree({{"/x", "x"}}) == "/");
  CHECK(tree({{"/a/b/x", ""}, {"/a/bc/y", ""}}) == "/a");
  CHECK(tree({{"/a/b/x", ""}, {"/a/b/c/y", ""}}) == "/a/b");
  CHECK(tree({{"/a/x", ""}, {"/b/y", ""}}) == "/");
  CHECK(tree({{"/a/x", "x"}, {"/a/b/y", "y"}}) == "/a");
  CHECK(tree({{"a/x", ""}, {"/b/y", ""}}).empty());
}

TEST_CASE("Report: shows as many groups as asked for") {
  Worker worker;
  files::ReportParamsT params;
  params.max_groups = 0;
  const std::string html = content_of(worker.call("report", inventory_block(kNames), params));
  CHECK(count(html, "<details") == 0);
  CHECK(count(html, "and 1 more group, ") == 1);
}

TEST_CASE("Report: sizes for people") {
  CHECK(files::human_size(0) == "0 B");
  CHECK(files::human_size(1023) == "1023 B");
  CHECK(files::human_size(1024) == "1 KiB");
  CHECK(files::human_size(1536) == "1.5 KiB");
  CHECK(files::human_size(1ull << 40) == "1 TiB");
}

TEST_CASE("Report: counts, shares and times for people") {
  CHECK(files::human_count(999) == "999");
  CHECK(files::human_count(1000, "file", "files") ==
        "1\xE2\x80\xAF"
        "000 files");
  CHECK(files::human_share(1, 7) == "14.3 %");
  CHECK(files::human_share(1999, 2000) == "100.0 %");
  CHECK(files::human_share(5, 5) == "100.0 %");
  CHECK(files::human_share(0, 0) == "0.0 %");
  CHECK(files::human_time(0) == "1970-01-01 00:00 UTC");
  CHECK(files::human_time(1'772'373'900) == "2026-03-01 14:05 UTC");
  CHECK(files::human_time(INT64_MIN) == "0000-01-01 00:00 UTC");
  CHECK(files::human_time(INT64_MAX) == "9999-12-31 23:59 UTC");
}
