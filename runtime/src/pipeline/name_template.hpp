/// pipeline/name_template.hpp: makes names of output files from a template such as
/// "{stem}-{index}{extension}".
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

/// The parts of a relative path: "a/b/photo.tar.gz" has the parts "a/b/", "photo.tar" and ".gz". A
/// name such as ".profile" or "name." has no extension.
struct NameParts {
  std::string_view parent;  ///< With its slash; empty if there is none.
  std::string_view stem;
  std::string_view extension;  ///< With its dot; empty if there is none.
};
/// The result is valid as long as `path`.
[[nodiscard]] NameParts split_name(std::string_view path) noexcept;

/// A text with placeholders: {parent}, {stem}, {extension} and {name} of the item's own name,
/// {index} (the number of the item at its source, from 1), and fields of the item, such as {hex} or
/// {file.path}. "{{" and "}}" stand for braces. Immutable; [any-thread].
class NameTemplate {
 public:
  using MakeReader = std::function<Result<ItemReader>(const std::string& field)>;
  /// Creates a template that keeps the item's own name.
  NameTemplate() = default;
  /// Errors: kInvalidArgument for an unmatched brace; the errors of `make_reader` for a field.
  [[nodiscard]] static Result<NameTemplate> parse(std::string_view text, const MakeReader& make_reader);

  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
  /// Returns the name for one item; `own` is its name without the template. Errors: the errors of
  /// the field readers.
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
