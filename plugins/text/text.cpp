#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/text_reader.hpp"
#include "text/count.hpp"
#include "text/grep.hpp"
#include "text/lines.hpp"
#include "text/words.hpp"
#include "text_generated.h"

namespace {

using tenon::plugins::Content;
using tenon::plugins::view;

constexpr std::size_t kChunkBytes = 256u << 10;

tenon::plugins::Poll poll_of(const tenon::Call& call) {
  return [&call] { call.check(); };
}

tenon::Source<tenon::Line> lines(tenon::SourceContext& s, const tenon::File& argument,
                                 const text::LinesParams& params) {
  auto& position = s.state<text::LinesPositionT>();
  const auto poll = poll_of(s);
  Content content(argument);
  if (content.is_file()) {
    const std::uint64_t device = content.status().st_dev;
    const std::uint64_t inode = content.status().st_ino;
    // An offset into another file would return wrong lines.
    if (position.inode != 0 && (position.inode != inode || position.device != device)) {
      s.fail(TENON_FAILED, content.path() + ": was replaced by another file after it was read up to offset " +
                               std::to_string(position.offset_bytes) + "; read it from its start");
    }
    position.device = device;
    position.inode = inode;
  }
  tenon::plugins::TextReader reader(content, params.max_size_bytes());
  if (!reader.skip_to(position.offset_bytes, poll)) {
    s.fail(TENON_FAILED, content.path() + ": is shorter than it was when it was read up to offset " +
                             std::to_string(position.offset_bytes) + "; read it from its start");
  }
  text::LineSplitter splitter(reader, content.path(), params.max_line_bytes(), params.long_lines(),
                              position.offset_bytes);
  while (splitter.next(poll)) {
    position.offset_bytes = splitter.offset_bytes();
    ++position.number;
    auto& builder = s.builder(splitter.line().size() + 256);
    const auto line = builder.CreateString(splitter.line().data(), splitter.line().size());
    const auto origin = builder.CreateString(content.path());
    co_yield tenon::CreateLine(builder, line, origin, position.number);
  }
}

text::CountsT count(tenon::Call& call, const tenon::File& argument, const text::CountParams& params) {
  Content content(argument);
  tenon::plugins::TextReader reader(content, params.max_size_bytes());
  text::Counter counter;
  std::vector<std::uint8_t> buffer(kChunkBytes);
  for (;;) {
    call.check();
    const std::size_t size = reader.read(buffer);
    if (size == 0) {
      break;
    }
    counter.add({buffer.data(), size});
  }
  text::CountsT counts = counter.finish();
  counts.path = content.path();
  return counts;
}

text::MatchesT grep(tenon::Call& call, const tenon::File& argument, const text::GrepParams& params) {
  const text::Pattern pattern(view(params.pattern()), params.literal(), params.ignore_case());
  const auto poll = poll_of(call);
  Content content(argument);
  tenon::plugins::TextReader reader(content, params.max_size_bytes());
  text::LineSearch search(reader, pattern, params.max_line_bytes(), params.invert());
  text::MatchesT matches;
  matches.path = content.path();
  while (const auto hit = search.next(poll)) {
    if (++matches.total > params.max_matches()) {
      continue;
    }
    auto match = std::make_unique<text::MatchT>();
    match->number = hit->number;
    match->text = hit->line;
    match->begin = static_cast<std::uint32_t>(hit->range.begin);
    match->end = static_cast<std::uint32_t>(hit->range.end);
    matches.matches.push_back(std::move(match));
  }
  return matches;
}

/// Adds the words of texts to a tally.
class WordAdder {
 public:
  WordAdder(text::WordTally& tally, const text::WordsParams& params)
      : tally_(tally), min_word_bytes_(params.min_word_bytes()), splitter_(params.ignore_case()) {}

  void add(std::string_view text) {
    splitter_.split(text, [this](std::span<const std::string_view> words) {
      if (min_word_bytes_ <= 1) {
        tally_.add(words);
        return;
      }
      for (const std::string_view word : words) {
        if (word.size() >= min_word_bytes_) {
          tally_.add(word);
        }
      }
    });
  }

 private:
  text::WordTally& tally_;
  std::size_t min_word_bytes_;
  text::WordSplitter splitter_;
};

text::WordCountsT words(tenon::Call& call, const tenon::File& argument, const text::WordsParams& params) {
  Content content(argument);
  tenon::plugins::TextReader reader(content, params.max_size_bytes());
  text::WordTally tally;
  tally.set_capacity(params.capacity());
  WordAdder adder(tally, params);
  std::vector<std::uint8_t> buffer(kChunkBytes);
  std::size_t kept = 0;
  for (;;) {
    call.check();
    const std::size_t size = reader.read(std::span(buffer).subspan(kept));
    const std::string_view text(reinterpret_cast<const char*>(buffer.data()), kept + size);
    if (size == 0) {
      adder.add(text);
      return tally.all();
    }
    // Text after the last white space may continue in the next piece; text without white space is
    // cut at the end of the buffer.
    const auto space = text.find_last_of(" \n\t\r");
    const std::size_t whole =
        space != std::string_view::npos ? space + 1 : (text.size() == buffer.size() ? text.size() : 0);
    adder.add(text.substr(0, whole));
    kept = text.size() - whole;
    std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(whole),
              buffer.begin() + static_cast<std::ptrdiff_t>(whole + kept), buffer.begin());
  }
}

tenon::Reduce<text::WordCounts> top(tenon::ReduceContext<text::WordCounts>& s, const text::WordsParams& params) {
  auto& tally = s.state<text::WordTally>();
  tally.set_capacity(params.capacity());
  while (const text::WordCounts* counts = co_await s.next()) {
    tally.merge(*counts);
  }
  co_return tally.top(params.k());
}

tenon::Reduce<text::WordCounts> word_count(tenon::ReduceContext<tenon::Line>& s, const text::WordsParams& params) {
  auto& tally = s.state<text::WordTally>();
  tally.set_capacity(params.capacity());
  WordAdder adder(tally, params);
  while (const tenon::Line* line = co_await s.next()) {
    adder.add(view(line->text()));
  }
  co_return tally.top(params.k());
}

}  // namespace

TENON_PLUGIN(text) {
  plugin.task<lines>("lines");
  plugin.task<count>("count");
  plugin.task<grep>("grep");
  plugin.task<words>("words");
  plugin.task<top>("top");
  plugin.task<word_count>("word_count");
}
