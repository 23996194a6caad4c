/// swap/records.hpp: every version there was, for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
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
  std::filesystem::path file;    ///< In the store, where it was at least once.
  std::filesystem::path source;  ///< What it was staged from.
};

/// Records of generations: of those that are over, the latest kKept of each plugin. [any-thread]
class GenerationRecords {
 public:
  static constexpr std::size_t kKept = 32;
  using Id = std::uint64_t;

  explicit GenerationRecords(std::shared_ptr<Fleet> fleet) : fleet_(std::move(fleet)) {}

  /// A new record; `info.since` is filled in. `stored` is empty when it did not get into the store.
  Id add(GenerationInfo info, const std::filesystem::path& stored);
  /// The fleet's object for it, from which come number and tally.
  void attach(Id id, const GenerationRef& generation);
  void set_version(Id id, const std::string& version);
  void set_state(Id id, GenerationState state, const std::string& reason = {});
  void set_note(Id id, const std::string& note);
  /// Keeps the last tally in place of the generation, whose file may then go.
  void detach(Id id);

  [[nodiscard]] GenerationInfo info(Id id);
  /// All, the newest first.
  [[nodiscard]] std::vector<GenerationInfo> all();
  /// Those of one plugin that were staged, the newest first, each content once.
  [[nodiscard]] std::vector<StoredVersion> stored(const std::string& plugin);

 private:
  struct Record {
    GenerationInfo info;
    std::filesystem::path stored;
    GenerationRef generation;
  };
  using Records = std::map<Id, Record>;  // By age.
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
