#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "files_generated.h"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::file_at;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

tenon::FileT found_at(const std::filesystem::path& path) {
  tenon::FileT file = file_at(path);
  std::error_code error;
  file.size_bytes = std::filesystem::file_size(path, error);
  return file;
}

files::DuplicatesT unpacked(const tenon::test::Outcome& outcome) {
  INFO(outcome.message);
  REQUIRE(outcome.status == TENON_END);
  files::DuplicatesT duplicates;
  outcome.as<files::Duplicates>().UnPackTo(&duplicates);
  return duplicates;
}

/// Feeds the reduce, from a checkpoint after `cut` files.
files::DuplicatesT find(const std::vector<tenon::FileT>& found, const files::FindDuplicatesParamsT& params = {},
                        std::size_t cut = 0) {
  Worker worker;
  auto first = worker.open("find_duplicates", {}, params);
  for (std::size_t i = 0; i < cut; ++i) {
    REQUIRE(first.take(found[i]).ok());
  }
  auto session = worker.open("find_duplicates", {}, params, first.checkpoint());
  for (std::size_t i = cut; i < found.size(); ++i) {
    REQUIRE(session.take(found[i]).ok());
  }
  return unpacked(session.finish());
}

/// The same by way of digests of all files.
files::DuplicatesT by_digests(const std::vector<tenon::FileT>& found, std::uint64_t min_size_bytes = 0) {
  Worker worker;
  files::DuplicatesParamsT params;
  params.min_size_bytes = min_size_bytes;
  auto session = worker.open("duplicates", {}, params);
  for (const tenon::FileT& file : found) {
    REQUIRE(session.take(worker.call("digest", file).results.front()).ok());
  }
  return unpacked(session.finish());
}

void check_same(const files::DuplicatesT& a, const files::DuplicatesT& b) {
  CHECK(a.algorithm == b.algorithm);
  CHECK(a.total_files == b.total_files);
  CHECK(a.wasted_bytes == b.wasted_bytes);
  REQUIRE(a.groups.size() == b.groups.size());
  for (std::size_t i = 0; i < a.groups.size(); ++i) {
    CHECK(a.groups[i]->digest == b.groups[i]->digest);
    CHECK(a.groups[i]->size_bytes == b.groups[i]->size_bytes);
    CHECK(a.groups[i]->paths == b.groups[i]->paths);
  }
}

/// Files of all kinds: empty, small and large ones, which differ anywhere or nowhere.
std::vector<tenon::FileT> make_tree(const std::filesystem::path& directory) {
  std::vector<tenon::FileT> found;
  const auto add = [&](const std::string& content) {
    const auto path = directory / ("file" + std::to_string(found.size()));
    write_text(path, content);
    found.push_back(found_at(path));
  };
  for (const std::size_t size : {0u, 1u, 4096u, 32768u, 32769u, 100000u, 400000u}) {
    std::string content(size, 'a');
    add(content);
    add(content);
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      if (size > 1) {
        std::string other = content;
        other[at] = 'b';
        add(other);
        if (at != 0) {
          add(other);
        }
      }
    }
  }
  add("the only one of its size");
  return found;
}

}  // namespace

TEST_CASE("FindDuplicates: finds what digests of all files find, in any order and from any checkpoint") {
  const TemporaryDirectory directory;
  auto found = make_tree(directory.path());
  const auto expected = by_digests(found);
  CHECK(expected.groups.size() == 17);
  check_same(find(found), expected);
  std::minstd_rand random(14);
  for (int round = 0; round < 5; ++round) {
    std::shuffle(found.begin(), found.end(), random);
    check_same(find(found, {}, random() % (found.size() + 1)), expected);
  }
  files::FindDuplicatesParamsT params;
  params.min_size_bytes = 4096;
  check_same(find(found, params), by_digests(found, 4096));
}

TEST_CASE("FindDuplicates: no files, one file, and a file that comes twice are no duplicates") {
  const TemporaryDirectory directory;
  write_text(directory / "a", "content");
  write_text(directory / "b", std::string(100000, 'x'));
  CHECK(find({}).groups.empty());
  CHECK(find({found_at(directory / "a")}).total_files == 1);
  const auto twice = find(
      {found_at(directory / "a"), found_at(directory / "b"), found_at(directory / "b"), found_at(directory / "a")});
  CHECK(twice.groups.empty());
  CHECK(twice.total_files == 2);
}

TEST_CASE("FindDuplicates: BLAKE2b gives the same groups with its own digests") {
  const TemporaryDirectory directory;
  const auto found = make_tree(directory.path());
  files::FindDuplicatesParamsT params;
  params.algorithm = files::Algorithm::blake2b;
  const auto duplicates = find(found, params, found.size() / 2);
  const auto expected = by_digests(found);
  CHECK(duplicates.algorithm == "blake2b");
  REQUIRE(duplicates.groups.size() == expected.groups.size());
  CHECK(duplicates.groups[0]->digest.size() == 128);
}

TEST_CASE("FindDuplicates: files that are gone, or no longer what they were, are left out or compared as they are") {
  const TemporaryDirectory directory;
  auto found = make_tree(directory.path());
  const auto before = by_digests(found);
  std::filesystem::remove(found[2].path);
  std::filesystem::remove(found.back().path);
  std::filesystem::remove(found[found.size() - 3].path);
  std::filesystem::create_directory(found[found.size() - 3].path);
  // It was empty when it was found.
  write_text(found[0].path, "no longer empty");
  write_text(found[1].path, "no longer empty");
  Worker worker;
  auto session = worker.open("find_duplicates");
  for (const auto& file : found) {
    REQUIRE(session.take(file).ok());
  }
  const auto duplicates = unpacked(session.finish());
  // Whoever is the only one of its size is not read, so that one is not missed.
  CHECK(duplicates.total_files == found.size() - 2);
  CHECK(worker.logs.size() == 3);
  CHECK(worker.logs.front().find("left out") != std::string::npos);
  bool has_changed_group = false;
  for (const auto& group : duplicates.groups) {
    has_changed_group = has_changed_group || group->size_bytes == 15;
  }
  CHECK(has_changed_group);
}

TEST_CASE("FindDuplicates: too many files, and a broken checkpoint, are errors") {
  const TemporaryDirectory directory;
  const auto found = make_tree(directory.path());
  files::FindDuplicatesParamsT params;
  params.max_files = 1;
  Worker worker;
  auto session = worker.open("find_duplicates", {}, params);
  REQUIRE(session.take(found[0]).ok());
  CHECK(session.take(found[1]).status == TENON_TOO_LARGE);
  files::FoundFilesT broken;
  broken.sizes = {1, 2};
  CHECK_FALSE(worker.open("find_duplicates", {}, {}, broken).opened().ok());
}

TEST_CASE("FindDuplicates: a worker that can open no more files fails instead of leaving files out") {
  const TemporaryDirectory directory;
  const auto found = make_tree(directory.path());
  Worker worker;
  auto session = worker.open("find_duplicates");
  REQUIRE(session.take(found[0]).ok());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int next = ::dup(0);
  REQUIRE(next >= 0);
  ::close(next);
  const rlimit full{static_cast<rlim_t>(next), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &full) == 0);
  tenon::test::Outcome outcome;
  for (std::size_t i = 1; i < found.size() && outcome.status == TENON_OK; ++i) {
    outcome = session.take(found[i]);
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(outcome.status == TENON_UNAVAILABLE);
  CHECK(outcome.message.find("raise 'ulimit -n'") != std::string::npos);
}
