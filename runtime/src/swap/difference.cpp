#include "swap/difference.hpp"

#include "base/short_hash.hpp"
#include "base/text.hpp"
#include "swap/event_log.hpp"

namespace tenon::internal {

std::string difference_text(const Candidates& candidates, const std::string& plugin, const std::filesystem::path& file,
                            const std::string& file_sha256, const ServedVersion& current, const std::string& why,
                            const std::optional<std::string>& refusal) {
  constexpr std::size_t kMaxPathBytes = 1024;
  std::string text = "'" + printable(file.string(), kMaxPathBytes) +
                     "' holds another content (sha256:" + short_hash(file_sha256) + ")";
  if (const auto bad = candidates.quarantined(file_sha256)) {
    text += ", which is in quarantine since " + date_text(bad->since) + ": " + bad->reason;
  } else if (const auto back = candidates.host().rolled_back(file_sha256, file)) {
    text += ", which was rolled back from on " + date_text(back->since) + ": " + back->reason;
  } else if (refusal) {
    text += ", which was refused: " + *refusal;
  } else {
    text += "; 'tenon swap " + plugin + "' makes it current";
  }
  text += "; " + describe_version(plugin, current.version, current.sha256) + " is served";
  if (current.source != file) {
    text += " from '" + printable(current.source.string(), kMaxPathBytes) + "'";
  }
  return text + (why.empty() ? "" : ": " + why);
}

}  // namespace tenon::internal
