#include "pipeline/version_pin.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>

namespace tenon::internal {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

bool VersionPin::read_version(std::string_view text, Version& version, std::size_t& parts, bool& wildcard) {
  version = {};
  parts = 0;
  wildcard = false;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (part == "*") {
      wildcard = true;
      return dot == std::string_view::npos;
    }
    if (parts == version.size() || part.empty()) {
      return false;
    }
    const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), version[parts]);
    if (code != std::errc() || end != part.data() + part.size()) {
      return false;
    }
    ++parts;
    if (dot == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(dot + 1);
  }
}

Result<VersionPin> VersionPin::parse(std::string_view text) {
  VersionPin pin;
  std::string_view rest = text;
  while (true) {
    const std::size_t comma = rest.find(',');
    std::string_view part = trim(rest.substr(0, comma));
    Term term;
    bool compared = true;
    if (part.starts_with(">=")) {
      term.comparison = Comparison::kGreaterEqual;
    } else if (part.starts_with("<=")) {
      term.comparison = Comparison::kLessEqual;
    } else if (part.starts_with(">")) {
      term.comparison = Comparison::kGreater;
    } else if (part.starts_with("<")) {
      term.comparison = Comparison::kLess;
    } else {
      compared = false;
    }
    part = trim(part.substr(std::min(part.size(), part.find_first_not_of("<>="))));
    bool wildcard = false;
    if (!read_version(part, term.version, term.parts, wildcard) || (compared && wildcard)) {
      return fail(ErrorCode::kInvalidArgument, "'" + std::string(text.substr(0, 64)) +
                                                   "' is not a version pin (write \"1.*\", \"1.2.3\", \">=1.2\" or "
                                                   "\">=1.2, <2\")");
    }
    pin.terms_.push_back(term);
    if (comma == std::string_view::npos) {
      return pin;
    }
    rest.remove_prefix(comma + 1);
  }
}

bool VersionPin::accepts(std::string_view version) const {
  Version actual{};
  std::size_t parts = 0;
  bool wildcard = false;
  const bool readable = read_version(version.substr(0, version.find_first_of("-+")), actual, parts, wildcard);
  for (const Term& term : terms_) {
    if (term.comparison == Comparison::kEqual && term.parts == 0) {
      continue;
    }
    if (!readable || wildcard) {
      return false;
    }
    bool holds = false;
    switch (term.comparison) {
      case Comparison::kEqual:
        holds = std::equal(term.version.begin(), term.version.begin() + static_cast<std::ptrdiff_t>(term.parts),
                           actual.begin());
        break;
      case Comparison::kLess:
        holds = actual < term.version;
        break;
      case Comparison::kLessEqual:
        holds = actual <= term.version;
        break;
      case Comparison::kGreater:
        holds = actual > term.version;
        break;
      case Comparison::kGreaterEqual:
        holds = actual >= term.version;
        break;
    }
    if (!holds) {
      return false;
    }
  }
  return true;
}

}  // namespace tenon::internal
