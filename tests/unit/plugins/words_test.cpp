#include <algorithm>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
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
  text::WordSplitter(true).split(
      text, [&](std::span<const std::string_view> found) { words.insert(words.end(), found.begin(), found.end()); });
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

TEST_CASE("Words: are the same wherever they lie in a block of 64 bytes") {
  struct Unit {
    std::string text;
    bool is_word;
  };
  // Apostrophes are decided by their neighbours.
  const std::vector<Unit> units{{"a", true},
                                {"Z", true},
                                {"_", true},
                                {"7", true},
                                {" ", false},
                                {"\n", false},
                                {"'", false},
                                {"-", false},
                                {"\0", false},
                                {"\xC3\xBC", true},
                                {"\xE6\x97\xA5", true},
                                {"\xE2\x80\x94", false},
                                {"\xFF", false},
                                {"\xC3", false},
                                {"long", true},
                                {"'", false}};
  std::minstd_rand random(14);
  for (int round = 0; round < 3000; ++round) {
    std::vector<Unit> chosen;
    // Some texts are mostly letters, so that words cross many blocks.
    const std::size_t kinds = round % 3 == 0 ? 5 : round % 3 == 1 ? 9 : units.size();
    for (std::size_t i = random() % 200; i != 0; --i) {
      const Unit& unit = round % 4 == 0 && random() % 8 != 0 ? units[random() % 4] : units[random() % kinds];
      // A lone lead byte is one only if no continuation follows.
      chosen.push_back(unit);
    }
    std::string text;
    Words expected;
    std::string word;
    const auto end_word = [&] {
      if (!word.empty()) {
        expected.push_back(word);
      }
      word.clear();
    };
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const Unit& unit = chosen[i];
      const std::string bytes = unit.text.empty() ? std::string(1, '\0') : unit.text;
      text += bytes;
      const bool joins = bytes == "'" && !word.empty() && i + 1 < chosen.size() && chosen[i + 1].is_word;
      if (!unit.is_word && !joins) {
        end_word();
        continue;
      }
      for (const char c : bytes) {
        word += c == 'Z' ? 'z' : c;
      }
    }
    end_word();
    for (auto& each : expected) {
      if (each.size() > text::kMaxWordBytes) {
        each.clear();
      }
    }
    auto found = words_in(text);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!expected[i].empty()) {
        REQUIRE(found[i] == expected[i]);
      }
    }
  }
}

TEST_CASE("WordTable: finds what was inserted, and only that, while it grows and shrinks") {
  text::WordTable table;
  std::map<std::string, std::uint64_t> truth;
  for (int i = 0; i < 20000; ++i) {
    const std::string word = std::string(static_cast<std::size_t>(i % 40), 'x') + std::to_string(i % 7000);
    const auto [entry, is_new] = table.insert(word);
    CHECK(is_new == (truth.count(word) == 0));
    ++entry.count;
    ++truth[word];
  }
  CHECK(table.insert("").second);
  CHECK_FALSE(table.insert("").second);
  CHECK_FALSE(table.insert(std::string_view("\0", 0)).second);
  CHECK(table.insert(std::string_view("\0", 1)).second);
  CHECK(table.size() == truth.size() + 2);
  table.erase_up_to(1);
  std::erase_if(truth, [](const auto& item) { return item.second <= 1; });
  CHECK(table.size() == truth.size());
  std::size_t visited = 0;
  table.for_each([&](const text::WordTable::Entry& entry) {
    ++visited;
    CHECK(truth.at(std::string(entry.word())) == entry.count);
  });
  CHECK(visited == truth.size());
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
