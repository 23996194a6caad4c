#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>
#include <utility>

#include "base/utf8.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kMaxCompared = 256;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& letter : result) {
    if (letter >= 'A' && letter <= 'Z') {
      letter = static_cast<char>(letter - 'A' + 'a');
    }
  }
  return result;
}

template <typename Text>
std::vector<std::string_view> nearest(std::string_view word, std::span<const Text> candidates, std::size_t max) {
  const std::string wanted = lower(word);
  std::vector<std::pair<std::size_t, std::string_view>> found;
  for (const Text& candidate : candidates) {
    const std::string_view name = candidate;
    const std::string other = lower(name);
    std::size_t distance = edit_distance(wanted, other);
    const std::size_t allowed = std::max<std::size_t>(1, std::max(wanted.size(), other.size()) / 3);
    const std::size_t shorter = std::min(wanted.size(), other.size());
    const bool beginning = shorter >= 3 && (wanted.starts_with(other) || other.starts_with(wanted));
    if (distance > allowed && !beginning) {
      continue;
    }
    if (distance > allowed) {
      distance = allowed + 1;  // A prefix ranks after all names that differ by a typo.
    }
    if (shorter > 0 && distance < std::max(wanted.size(), other.size())) {
      found.emplace_back(distance, name);
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (found.size() > max) {
    found.resize(max);
  }
  std::vector<std::string_view> names;
  names.reserve(found.size());
  for (const auto& entry : found) {
    names.push_back(entry.second);
  }
  return names;
}

std::string question(const std::vector<std::string_view>& names) {
  if (names.empty()) {
    return {};
  }
  std::string text = "did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i != 0) {
      text += i + 1 == names.size() ? " or " : ", ";
    }
    text += '\'';
    text += names[i];
    text += '\'';
  }
  return text + '?';
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  if (a.size() > kMaxCompared || b.size() > kMaxCompared) {
    return a == b ? 0 : std::max(a.size(), b.size());
  }
  // Optimal string alignment: three rows are enough to detect a swap of adjacent characters.
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

std::vector<std::string_view> nearest_names(std::string_view word, std::span<const std::string> candidates,
                                            std::size_t max) {
  return nearest(word, candidates, max);
}

std::vector<std::string_view> nearest_names(std::string_view word, std::span<const std::string_view> candidates,
                                            std::size_t max) {
  return nearest(word, candidates, max);
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates, std::size_t max) {
  return question(nearest(word, candidates, max));
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates, std::size_t max) {
  return question(nearest(word, candidates, max));
}

std::string count_of(std::uint64_t count, std::string_view singular, std::string_view plural) {
  return std::to_string(count) + ' ' + std::string(count == 1 ? singular : plural);
}

std::string format_size(std::uint64_t size_bytes) {
  if (size_bytes < 1024) {
    return count_of(size_bytes, "byte", "bytes");
  }
  static constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(size_bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  const bool whole = value == static_cast<double>(static_cast<std::uint64_t>(value));
  std::snprintf(text.data(), text.size(), whole ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string printable(std::string_view text, std::size_t max_bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  while (!text.empty()) {
    std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    // C1 control characters take two bytes, c2 80 to c2 9f; terminals interpret them too.
    const bool control =
        first < 0x20 || first == 0x7f || (first == 0xc2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xa0);
    std::string piece;
    if (length == 0 || control) {
      length = length == 0 ? 1 : length;
      for (std::size_t i = 0; i < length; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        piece += "\\x";
        piece += kDigits[byte >> 4];
        piece += kDigits[byte & 15u];
      }
    } else {
      piece = text.substr(0, length);
    }
    if (result.size() + piece.size() > max_bytes) {
      return result + "...";
    }
    result += piece;
    text.remove_prefix(length);
  }
  return result;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15u];
  }
  return text;
}

}  // namespace tenon::internal
