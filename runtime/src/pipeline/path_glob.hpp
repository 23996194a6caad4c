/// pipeline/path_glob.hpp: patterns for paths in conditions, as in "glob:**/src/*.{c,h}".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/error.hpp>

namespace tenon::internal {

/// One compiled pattern:
///
///   ?        one character, no slash          *      any characters, no slash
///   **       any number of directories        [a-z]  a character of a set; [!a-z] one outside it
///   {a,b}    either; may be nested            \x     x literally
///
/// A pattern without a slash is matched against the last part of a path, one with a slash (and `**`)
/// against the whole path; each alternative of braces counts by itself. The time is proportional to the length of the
/// text, whatever the pattern and the text are: the pattern is an automaton whose states are bits. Immutable;
/// [any-thread].
class PathGlob {
 public:
  /// Errors: kInvalidArgument, with what is wrong in the pattern.
  [[nodiscard]] static Result<PathGlob> parse(std::string_view pattern);

  /// The bytes of `text` may change meanwhile; the result is then either one.
  [[nodiscard]] bool matches(std::string_view text) const noexcept;
  /// How many texts without braces the pattern stands for.
  [[nodiscard]] std::size_t size() const noexcept { return alternatives_.size(); }

 private:
  /// What a byte does to each state: it leaves state i for state i + 1, or keeps it.
  struct Moves {
    std::uint64_t advance = 0;
    std::uint64_t stay = 0;
    bool operator==(const Moves& other) const noexcept = default;
  };
  /// Up to 64 states. A state in `skip` also leads to the next one without a byte.
  struct Automaton {
    bool whole_path = false;                ///< Otherwise only the last part is compared.
    std::string prefix;                     ///< Compared first; the states are what follows it.
    std::array<std::uint8_t, 256> kinds{};  ///< Bytes of one kind have the same moves.
    std::vector<Moves> moves;               ///< Indexed by the kind of a byte.
    std::uint64_t skip = 0;
    std::uint64_t skip_three = 0;  ///< States that also lead to the third one after them.
    std::uint64_t accept = 0;

    [[nodiscard]] std::uint64_t close(std::uint64_t states) const noexcept;
    [[nodiscard]] bool matches(std::string_view text) const noexcept;
  };
  PathGlob() = default;
  [[nodiscard]] Result<void> add(std::string_view pattern);

  std::vector<Automaton> alternatives_;
};

}  // namespace tenon::internal
