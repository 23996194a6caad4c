/// swap/records.hpp: every version of each plugin, for status and reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <tenon/swap.hpp>

#include "base/guarded.hpp"
#include "swap/fleet.hpp"

namespace tenon::internal {

/// A version that may still have its file in the store.
struct StoredVersion {
  std::string version;
  std::string sha256;
  std::filesystem::path file;    ///< Its path in the store; it may have been removed there.
  std::filesystem::path source;  ///< The file that it was staged from.
};

/// Records of generations. Of those that have ended, the latest kKept of each plugin are kept.
/// [any-thread]
class GenerationRecords {
 public:
  static constexpr std::size_t kKept = 32;
  using Id = std::uint64_t;

  explicit GenerationRecords(std::shared_ptr<Fleet> fleet) : fleet_(std::move(fleet)) {}

  /// Adds a record; `info.since` is filled in. `stored` is empty if the content is not in the
  /// store.
  Id add(GenerationInfo info, const std::filesystem::path& stored);
  /// Sets the fleet's object for it, which has its number and tally.
  void attach(Id id, const GenerationRef& generation);
  void set_version(Id id, const std::string& version);
  void set_state(Id id, GenerationState state, const std::string& reason = {});
  /// Sets what GenerationInfo::note is from now on. `note` is called whenever the record is read, by
  /// any thread, because what it tells may change outside this process; empty for no note.
  void set_note(Id id, std::function<std::string()> note);
  /// Keeps the last tally instead of the generation, whose file may then be removed.
  void detach(Id id);

  [[nodiscard]] GenerationInfo info(Id id);
  /// All records, newest first.
  [[nodiscard]] std::vector<GenerationInfo> all();
  /// The staged versions of one plugin, newest first, each content once.
  [[nodiscard]] std::vector<StoredVersion> stored(const std::string& plugin);

 private:
  struct Record {
    GenerationInfo info;
    std::filesystem::path stored;
    GenerationRef generation;
    std::function<std::string()> note;
  };
  using Records = std::map<Id, Record>;  // Sorted by age.
  [[nodiscard]] GenerationInfo with_tally(const Record& record) const;
  static void trim(Records& records, const std::string& plugin);

  const std::shared_ptr<Fleet> fleet_;
  struct State {
    Records records;
    Id next = 1;
  };
  Guarded<State> state_;
};

}  // namespace tenon::internal
