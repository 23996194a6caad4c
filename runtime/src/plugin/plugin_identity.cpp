#include "plugin/plugin_identity.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

#include "base/try.hpp"
#include "platform/file.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/quarantine.hpp"

namespace tenon::internal {
namespace {

// WIRE: a list is `kFirstLine`, a line for each library, and a last line of `kLastLineBytes`: the size of everything
// before it in ten digits, and `kMark`. Its bytes are part of each identity, so a change of the format changes the
// identity of every plugin with own libraries.
constexpr std::string_view kFirstLine = "\ntenon libraries 1\n";
constexpr std::string_view kMark = " bytes of tenon libraries\n";
constexpr std::size_t kDigits = 10;
constexpr std::size_t kLastLineBytes = kDigits + kMark.size();
constexpr std::uint64_t kMaxListBytes = std::uint64_t{1} << 20;
constexpr std::size_t kHashDigits = 64;
/// Precedes the path of a library that cannot be replaced by a copy.
constexpr char kFixed = '=';

Result<std::string> read_text(const FileDescriptor& file, std::uint64_t offset, std::uint64_t size_bytes) {
  std::string text(size_bytes, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    TENON_ASSIGN(auto read,
                 read_some_at(file, offset + done,
                              std::span(reinterpret_cast<std::uint8_t*>(text.data()) + done, text.size() - done)));
    if (read == 0) {
      return std::string();  // The file has become shorter.
    }
    done += read;
  }
  return text;
}

/// The libraries of a list without its last line; nullopt if it is damaged.
std::optional<std::vector<ListedLibrary>> parse(std::string_view text) {
  if (!text.starts_with(kFirstLine)) {
    return std::nullopt;
  }
  text.remove_prefix(kFirstLine.size());
  std::vector<ListedLibrary> libraries;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() == text.size() || line.size() < kHashDigits + 2 || line[kHashDigits] != ' ') {
      return std::nullopt;
    }
    text.remove_prefix(line.size() + 1);
    ListedLibrary library;
    library.sha256 = line.substr(0, kHashDigits);
    const std::string_view name = line.substr(kHashDigits + 1);
    if (name.front() == kFixed) {
      library.fixed_path = name.substr(1);
      library.name = library.fixed_path.substr(library.fixed_path.rfind('/') + 1);
    } else {
      library.name = name;
    }
    const bool is_name = !library.name.empty() && library.name != "." && library.name != ".." &&
                         library.name.find('/') == std::string::npos;
    if (!is_sha256(library.sha256) || !is_name) {
      return std::nullopt;
    }
    libraries.push_back(std::move(library));
  }
  return libraries;
}

}  // namespace

std::string library_list(const std::vector<ListedLibrary>& libraries) {
  if (libraries.empty()) {
    return {};
  }
  std::string text(kFirstLine);
  for (const ListedLibrary& library : libraries) {
    text += library.sha256 + ' ';
    text += library.fixed_path.empty() ? library.name : kFixed + library.fixed_path;
    text += '\n';
  }
  std::string size = std::to_string(text.size());
  size.insert(0, kDigits - std::min(kDigits, size.size()), '0');
  return text + size + std::string(kMark);
}

std::string library_list(const std::vector<PluginLibrary>& libraries) {
  std::vector<ListedLibrary> listed;
  listed.reserve(libraries.size());
  for (const PluginLibrary& library : libraries) {
    listed.push_back({library.sha256, library.name, library.fixed ? library.file.string() : std::string()});
  }
  return library_list(listed);
}

Result<ListedContent> read_library_list(const FileDescriptor& file) {
  TENON_ASSIGN(const auto identity, file_identity(file));
  ListedContent none{identity.size_bytes, {}};
  if (identity.size_bytes < kLastLineBytes) {
    return none;
  }
  TENON_ASSIGN(const auto last, read_text(file, identity.size_bytes - kLastLineBytes, kLastLineBytes));
  std::uint64_t size_bytes = 0;
  if (!last.ends_with(kMark) ||
      std::from_chars(last.data(), last.data() + kDigits, size_bytes).ptr != last.data() + kDigits ||
      size_bytes > kMaxListBytes || size_bytes > identity.size_bytes - kLastLineBytes) {
    return none;
  }
  const std::uint64_t content_bytes = identity.size_bytes - kLastLineBytes - size_bytes;
  TENON_ASSIGN(const auto text, read_text(file, content_bytes, size_bytes));
  auto libraries = parse(text);
  return libraries ? ListedContent{content_bytes, std::move(*libraries)} : none;
}

Result<std::string> plugin_identity(const FileDescriptor& file, std::string_view list) {
  TENON_ASSIGN(const auto content, read_library_list(file));
  return sha256_of_file(file, content.content_bytes, list);
}

}  // namespace tenon::internal
