/// pipeline/name_template.hpp: names of output files, made from a template such as "{stem}-{index}{extension}".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// The parts of a relative path: "a/b/photo.tar.gz" is "a/b/", "photo.tar" and ".gz". A name such as ".profile" or
/// "name." has no extension.
struct NameParts {
  std::string_view parent;  ///< With its slash; empty when there is none.
  std::string_view stem;
  std::string_view extension;  ///< With its dot; empty when there is none.
};
/// Valid as long as `path`.
[[nodiscard]] NameParts split_name(std::string_view path) noexcept;

/// A template: text with {parent}, {stem}, {extension} and {name} of the name that the item has without it, {index}
/// (the number of the item at its source, from 1), and fields of the item as {hex} or {file.path}. "{{" and "}}" stand
/// for braces. Immutable; [any-thread].
class NameTemplate {
 public:
  using MakeReader = std::function<Result<ItemReader>(const std::string& field)>;
  /// Nothing but the name that the item has.
  NameTemplate() = default;
  /// Errors: kInvalidArgument, for a brace without its partner; those of `make_reader` for a field.
  [[nodiscard]] static Result<NameTemplate> parse(std::string_view text, const MakeReader& make_reader);

  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
  /// The name of one item; `own` is the one that it has without the template. Errors: those of the fields' readers.
  [[nodiscard]] Result<std::string> render(std::string_view own, std::uint64_t index, BytesView item) const;

 private:
  enum class Kind { kText, kParent, kStem, kExtension, kName, kIndex, kField };
  struct Piece {
    Kind kind = Kind::kText;
    std::string text;
    ItemReader reader;
  };
  std::vector<Piece> pieces_;
};

}  // namespace tenon::internal
