#include "pipeline/output_names.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "host/storage.hpp"

namespace tenon::internal {
namespace {

/// Returns the path without redundant parts: "a//./b" becomes "a/b". A ".." stays; the task refuses
/// it.
std::string normal(std::string_view name) {
  std::string out;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (!part.empty() && part != ".") {
      out += (out.empty() ? "" : "/") + std::string(part);
    }
    begin = end + 1;
  }
  return out;
}

/// Returns the name that the task gives the file by default.
Result<std::string> own_name(const OutputNaming& naming, BytesView item) {
  Result<std::string> name = naming.name(item);
  if (!name || !name->empty() || !naming.path) {
    return name;
  }
  Result<std::string> path = naming.path(item);
  if (path) {
    path->erase(0, path->rfind('/') + 1);
  }
  return path;
}

std::string numbered(std::string_view name, std::uint64_t number) {
  const NameParts parts = split_name(name);
  return std::string(parts.parent) + std::string(parts.stem) + "-" + std::to_string(number) +
         std::string(parts.extension);
}

}  // namespace

Result<std::string> OutputNames::claim(const OutputNaming& naming, std::string_view stage, std::string_view who,
                                       Item& item) {
  const BytesView bytes = item.reply.bytes();
  Result<std::string> own = own_name(naming, bytes);
  if (!own) {
    return own;
  }
  Result<std::string> name = naming.pattern.render(*own, item.index + 1, bytes);
  if (!name) {
    return name;
  }
  std::string claimed;
  // The task itself refuses an empty name.
  if (naming.on_conflict != OnConflict::kReplace && !normal(*name).empty()) {
    claimed = naming.directory + "/" + normal(*name);
    const auto [found, is_new] = claims_.try_emplace(claimed, Claim{std::string(who), item.index});
    Claim& other = found->second;
    if (!is_new && naming.on_conflict == OnConflict::kError) {
      return fail(ErrorCode::kInvalidArgument,
                  "the file " + printable(naming.shown_directory + "/" + normal(*name)) + " already belongs to item " +
                      std::to_string(other.index + 1) + " of this run (" + printable(other.who) + "); this is item " +
                      std::to_string(item.index + 1) + "; in '" + std::string(stage) +
                      "' set on_conflict = \"number\" or \"replace\", or give each item a name of its own, as in "
                      "output_name = \"{parent}{stem}-{index}{extension}\"");
    }
    for (bool taken = !is_new; taken;) {
      const std::string next = numbered(*name, other.next++);
      claimed = naming.directory + "/" + normal(next);
      taken = !claims_.try_emplace(claimed, Claim{std::string(who), item.index}).second;
      if (!taken) {
        name = next;
      }
    }
  }
  if (*name != *own) {
    Result<Buffer> renamed = naming.rename(bytes, *name);
    if (!renamed) {
      release(claimed);
      return fail(std::move(renamed.error()));
    }
    StoredBytes stored = copy_to_host(*renamed);
    item.reply = Reply(std::move(stored.storage), stored.bytes);
  }
  return claimed;
}

}  // namespace tenon::internal
