#include "files/charts.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/file_name.hpp"
#include "files/report.hpp"

namespace files {
namespace {

using tenon::plugins::view;

/// Width of both drawings. The page shows them at between two thirds of this width (on a phone) and
/// slightly more than all of it, so the text stays close to the page's own size.
constexpr double kWidth = 430;
constexpr std::size_t kMaxBars = 12;
constexpr std::size_t kMaxLabelCharacters = 14;

struct Bar {
  std::string label;
  std::string value;
  std::string tip;
  double share = 0;
};

/// Formats units of the drawing; the page scales them.
std::string px(double value) {
  const auto tenths = static_cast<std::int64_t>(value * 10 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

/// Cuts the text after some characters, never inside one.
std::string shorten(std::string_view text) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (begins && ++characters > kMaxLabelCharacters) {
      return std::string(text.substr(0, i)) + "\xE2\x80\xA6";
    }
  }
  return std::string(text);
}

std::string open_svg(double width, double height, const std::string& label) {
  return "<svg viewBox=\"0 0 " + px(width) + " " + px(height) + "\" role=\"img\" aria-label=\"" + html_escape(label) +
         "\">\n";
}

std::string text_at(double x, double y, const char* css_class, const std::string& text) {
  return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" class=\"" + css_class + "\">" + html_escape(text) + "</text>\n";
}

}  // namespace

std::string extension_chart(const Inventory& inventory) {
  const auto& totals = *inventory.extensions();
  std::uint64_t largest = 1;
  std::uint64_t other_bytes = 0;
  std::uint64_t other_files = 0;
  std::uint64_t other_extensions = 0;
  // A single remaining extension gets its own bar instead of being called "others".
  const std::size_t shown = totals.size() <= kMaxBars + 1 ? totals.size() : kMaxBars;
  for (flatbuffers::uoffset_t i = 0; i < totals.size(); ++i) {
    const ExtensionTotal& total = *totals.Get(i);
    if (i < shown) {
      largest = std::max(largest, total.size_bytes());
    } else {
      other_bytes += total.size_bytes();
      other_files += total.files();
      ++other_extensions;
    }
  }
  largest = std::max(largest, other_bytes);
  std::vector<Bar> bars;
  const auto add = [&](const std::string& label, std::uint64_t size_bytes, std::uint64_t files) {
    bars.push_back({shorten(label), human_size(size_bytes),
                    label + ": " + human_size(size_bytes) + " in " + human_count(files, "file", "files"),
                    static_cast<double>(size_bytes) / static_cast<double>(largest)});
  };
  for (std::size_t i = 0; i < shown; ++i) {
    const ExtensionTotal& total = *totals.Get(static_cast<flatbuffers::uoffset_t>(i));
    const auto extension = view(total.extension());
    add(extension.empty() ? "no extension" : "." + std::string(extension), total.size_bytes(), total.files());
  }
  if (other_extensions != 0) {
    add(human_count(other_extensions) + " others", other_bytes, other_files);
  }

  constexpr double kRow = 28;
  constexpr double kLeft = 112;
  constexpr double kBar = 242;
  std::string svg =
      open_svg(kWidth, kRow * static_cast<double>(std::max<std::size_t>(bars.size(), 1)), "Bytes by extension");
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const Bar& bar = bars[i];
    const double top = kRow * static_cast<double>(i);
    const double width = std::max(2.0, kBar * bar.share);
    svg += "<g><title>" + html_escape(bar.tip) + "</title>\n";
    svg += text_at(kLeft - 10, top + 19, "label end", bar.label);
    svg += "<rect class=\"track\" x=\"" + px(kLeft) + "\" y=\"" + px(top + 5) + "\" width=\"" + px(kBar) +
           "\" height=\"18\" rx=\"4\"/>\n";
    svg += "<rect class=\"bar\" x=\"" + px(kLeft) + "\" y=\"" + px(top + 5) + "\" width=\"" + px(width) +
           "\" height=\"18\" rx=\"" + px(std::min(4.0, width / 2)) + "\"/>\n";
    svg += text_at(kLeft + kBar + 10, top + 19, "value", bar.value) + "</g>\n";
  }
  return svg + "</svg>\n";
}

std::string size_chart(const Inventory& inventory) {
  const auto& ranges = *inventory.sizes();
  std::uint64_t largest = 1;
  for (const SizeRange* range : ranges) {
    largest = std::max(largest, range->files());
  }
  constexpr double kTop = 24;
  constexpr double kHeight = 230;
  constexpr double kBottom = 54;
  const double column = kWidth / static_cast<double>(std::max<flatbuffers::uoffset_t>(ranges.size(), 1));
  std::string svg = open_svg(kWidth, kTop + kHeight + kBottom, "Files by size");
  for (flatbuffers::uoffset_t i = 0; i < ranges.size(); ++i) {
    const SizeRange& range = *ranges.Get(i);
    const bool empty_files = range.below_bytes() == 1;
    const std::string bound = human_size(range.below_bytes() == 0 ? range.from_bytes() : range.below_bytes());
    const std::string words = empty_files ? "empty" : (range.below_bytes() == 0 ? "from " : "below ") + bound;
    const double share = static_cast<double>(range.files()) / static_cast<double>(largest);
    const double height = range.files() == 0 ? 0 : std::max(2.0, kHeight * share);
    const double left = column * static_cast<double>(i);
    const double middle = left + column / 2;
    svg += "<g><title>" +
           html_escape(words + ": " + human_count(range.files(), "file", "files") + ", " +
                       human_size(range.size_bytes())) +
           "</title>\n";
    svg += "<rect class=\"bar\" x=\"" + px(left + 4) + "\" y=\"" + px(kTop + kHeight - height) + "\" width=\"" +
           px(column - 8) + "\" height=\"" + px(height) + "\" rx=\"" + px(std::min(4.0, height / 2)) + "\"/>\n";
    if (range.files() != 0) {
      // From a million on, a column is too narrow for the usual text size.
      svg += text_at(middle, kTop + kHeight - height - 7,
                     range.files() < 1'000'000 ? "value middle" : "value middle small", human_count(range.files()));
    }
    // One line per word, because the columns are narrow.
    double baseline = kTop + kHeight;
    for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
      end = words.find(' ', begin);
      svg += text_at(middle, baseline += 16, "label middle", words.substr(begin, end - begin));
    }
    svg += "</g>\n";
  }
  svg += "<line class=\"axis\" x1=\"0\" y1=\"" + px(kTop + kHeight) + "\" x2=\"" + px(kWidth) + "\" y2=\"" +
         px(kTop + kHeight) + "\"/>\n";
  return svg + "</svg>\n";
}

}  // namespace files
