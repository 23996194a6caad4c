#include "pipeline/name_template.hpp"

#include <array>
#include <utility>

#include "base/try.hpp"

namespace tenon::internal {

NameParts split_name(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  const std::string_view name = path.substr(begin);
  const std::size_t dot = name.rfind('.');
  const bool has_extension =
      dot != std::string_view::npos && dot + 1 < name.size() && name.find_first_not_of('.') < dot;
  const std::size_t stem = has_extension ? dot : name.size();
  return {path.substr(0, begin), name.substr(0, stem), name.substr(stem)};
}

Result<NameTemplate> NameTemplate::parse(std::string_view text, const MakeReader& make_reader) {
  static constexpr std::array<std::pair<std::string_view, Kind>, 5> kKnown = {{{"parent", Kind::kParent},
                                                                               {"stem", Kind::kStem},
                                                                               {"extension", Kind::kExtension},
                                                                               {"name", Kind::kName},
                                                                               {"index", Kind::kIndex}}};
  NameTemplate made;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) {
      made.pieces_.push_back({Kind::kText, std::exchange(literal, {}), {}});
    }
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      literal += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      literal += c;
      ++i;
      continue;
    }
    const std::size_t end = c == '{' ? text.find('}', i) : std::string_view::npos;
    if (end == std::string_view::npos || end == i + 1) {
      return fail(ErrorCode::kInvalidArgument,
                  end == i + 1 ? std::string("{} names nothing; write a name in the braces, as in {stem}")
                               : std::string("a '") + c + "' has no partner; write it twice for the character itself");
    }
    end_literal();
    const std::string name(text.substr(i + 1, end - i - 1));
    i = end;
    Piece piece{Kind::kField, name, {}};
    for (const auto& [known, kind] : kKnown) {
      piece.kind = known == name ? kind : piece.kind;
    }
    if (piece.kind == Kind::kField) {
      TENON_ASSIGN(piece.reader, make_reader(name));
    }
    made.pieces_.push_back(std::move(piece));
  }
  end_literal();
  return made;
}

Result<std::string> NameTemplate::render(std::string_view own, std::uint64_t index, BytesView item) const {
  if (pieces_.empty()) {
    return std::string(own);
  }
  const NameParts parts = split_name(own);
  std::string out;
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Kind::kText:
        out += piece.text;
        break;
      case Kind::kParent:
        out += parts.parent;
        break;
      case Kind::kStem:
        out += parts.stem;
        break;
      case Kind::kExtension:
        out += parts.extension;
        break;
      case Kind::kName:
        out += own.substr(parts.parent.size());
        break;
      case Kind::kIndex:
        out += std::to_string(index);
        break;
      case Kind::kField: {
        TENON_ASSIGN(const auto value, piece.reader(item));
        out += value;
        break;
      }
    }
  }
  return out;
}

}  // namespace tenon::internal
