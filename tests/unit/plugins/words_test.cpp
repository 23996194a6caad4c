#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "text/words.hpp"
#include "text_generated.h"

using tenon::test::Block;
using tenon::test::file_with;
using tenon::test::Worker;

namespace {

std::vector<std::string> words_in(const std::string& text) {
  std::vector<std::string> words;
  text::for_each_word(text, true, [&](const std::string& word) { words.push_back(word); });
  return words;
}

using Words = std::vector<std::string>;

Block line_of(const std::string& text) {
  tenon::LineT line;
  line.text = text;
  return line;
}

text::WordsParamsT params_with(std::uint32_t k, std::uint32_t capacity) {
  text::WordsParamsT params;
  params.k = k;
  params.capacity = capacity;
  return params;
}

/// Returns a text in which word i of `count` occurs more often the smaller i is, in mixed order.
std::vector<std::string> skewed_words(std::size_t count) {
  std::vector<std::string> words;
  for (std::size_t round = 0; round < count; ++round) {
    for (std::size_t i = 0; i * i <= count - round; ++i) {
      words.push_back("w" + std::to_string(i));
    }
    words.push_back("rare" + std::to_string(round));
  }
  return words;
}

}  // namespace

TEST_CASE("Words: what a word is") {
  CHECK(words_in("The cat's 2 hats_x, don't!") == Words{"the", "cat's", "2", "hats_x", "don't"});
  CHECK(words_in("'quoted' x'") == Words{"quoted", "x"});
  CHECK(words_in("\xC3\xBC"
                 "ber \xE2\x80\x9C"
                 "a\xE2\x80\x9D\xE2\x80\x94z") == Words{"\xC3\xBC"
                                                        "ber",
                                                        "a", "z"});
  CHECK(words_in("a\xFF"
                 "b") == Words{"a", "b"});
  CHECK(words_in("").empty());
  REQUIRE(words_in(std::string(5000, 'x')).size() == 1);
  CHECK(words_in(std::string(5000, 'x')).front().size() == text::kMaxWordBytes);
}

TEST_CASE("WordTally: exact below its capacity") {
  text::WordTally tally;
  tally.set_capacity(3);
  for (const char* word : {"b", "a", "b", "c", "b", "a"}) {
    tally.add(word);
  }
  const auto top = tally.top(2);
  CHECK(top.exact);
  CHECK(top.total == 6);
  REQUIRE(top.words.size() == 2);
  CHECK(top.words[0]->word == "b");
  CHECK(top.words[0]->count == 3);
  CHECK(top.words[0]->error == 0);
  CHECK(top.words[1]->word == "a");
  CHECK(top.missed_at_most == 1);
}

TEST_CASE("WordTally: beyond its capacity every true count lies in its bounds") {
  const auto words = skewed_words(2000);
  std::map<std::string, std::uint64_t> truth;
  text::WordTally tally;
  tally.set_capacity(100);
  for (const auto& word : words) {
    tally.add(word);
    ++truth[word];
  }
  const auto all = tally.all();
  CHECK_FALSE(all.exact);
  CHECK(all.total == words.size());
  CHECK(all.words.size() <= 100);
  CHECK(all.missed_at_most <= 2 * words.size() / 100 + 1);
  for (const auto& word : all.words) {
    const auto count = truth.at(word->word);
    CHECK(word->count <= count);
    CHECK(count <= word->count + word->error);
    truth.erase(word->word);
  }
  for (const auto& [word, count] : truth) {
    CHECK(count <= all.missed_at_most);
  }
  CHECK(all.words.front()->word == "w0");
}

TEST_CASE("WordTally: merged parts keep the bounds") {
  const auto words = skewed_words(2000);
  std::map<std::string, std::uint64_t> truth;
  text::WordTally merged;
  merged.set_capacity(80);
  for (std::size_t part = 0; part < 10; ++part) {
    text::WordTally tally;
    tally.set_capacity(90);
    for (std::size_t i = part * words.size() / 10; i < (part + 1) * words.size() / 10; ++i) {
      tally.add(words[i]);
      ++truth[words[i]];
    }
    const Block block(tally.all());
    merged.merge(block.as<text::WordCounts>());
  }
  const auto all = merged.all();
  CHECK(all.total == words.size());
  CHECK(all.words.size() <= 80);
  for (const auto& word : all.words) {
    CHECK(word->count <= truth.at(word->word));
    CHECK(truth.at(word->word) <= word->count + word->error);
    truth.erase(word->word);
  }
  for (const auto& [word, count] : truth) {
    CHECK(count <= all.missed_at_most);
  }
}

TEST_CASE("Words: those of files add up to those of lines") {
  Worker worker;
  const std::vector<std::string> texts{"a b c a\n", "b a\nd", "", "e e e e e"};
  auto top = worker.open("top", {}, params_with(2, 1000));
  auto lines = worker.open("word_count", {}, params_with(2, 1000));
  for (const auto& text : texts) {
    if (!text.empty()) {
      REQUIRE(top.take(worker.call("words", file_with("f", text)).results.front()).ok());
    }
    REQUIRE(lines.take(line_of(text)).ok());
  }
  for (auto* session : {&top, &lines}) {
    const auto outcome = session->finish();
    const auto& counts = outcome.as<text::WordCounts>();
    CHECK(counts.total() == 12);
    CHECK(counts.exact());
    REQUIRE(counts.words()->size() == 2);
    CHECK(counts.words()->Get(0)->word()->str() == "e");
    CHECK(counts.words()->Get(0)->count() == 5);
    CHECK(counts.words()->Get(1)->word()->str() == "a");
  }
}

TEST_CASE("Words: pieces of a long file do not cut words") {
  std::string text;
  for (int i = 0; i < 120000; ++i) {
    text += "wordy ";
  }
  Worker worker;
  const auto outcome = worker.call("words", file_with("f", text));
  const auto& counts = outcome.as<text::WordCounts>();
  CHECK(counts.words()->size() == 1);
  CHECK(counts.total() == 120000);
}

TEST_CASE("Words: short words can be left out, and files without white space end") {
  Worker worker;
  auto params = params_with(10, 10);
  params.min_word_bytes = 3;
  CHECK(worker.call("words", file_with("f", "a bb ccc dddd"), params).as<text::WordCounts>().total() == 2);
  CHECK(worker.call("words", file_with("f", std::string(1000000, 'x'))).ok());
}

TEST_CASE("Words: the reduces go on from a checkpoint") {
  Worker worker;
  const auto words = skewed_words(300);
  auto whole = worker.open("word_count", {}, params_with(1000, 50));
  auto first = worker.open("word_count", {}, params_with(1000, 50));
  for (std::size_t i = 0; i < words.size() / 2; ++i) {
    REQUIRE(whole.take(line_of(words[i])).ok());
    REQUIRE(first.take(line_of(words[i])).ok());
  }
  auto second = worker.open("word_count", {}, params_with(1000, 50), first.checkpoint());
  for (std::size_t i = words.size() / 2; i < words.size(); ++i) {
    REQUIRE(whole.take(line_of(words[i])).ok());
    REQUIRE(second.take(line_of(words[i])).ok());
  }
  const auto a = whole.finish();
  const auto b = second.finish();
  const auto left = a.results.front().span();
  const auto right = b.results.front().span();
  CHECK(std::equal(left.begin(), left.end(), right.begin(), right.end()));
}
