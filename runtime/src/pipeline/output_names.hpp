/// pipeline/output_names.hpp: the files that a run writes, so that no two items write one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/plan.hpp"

namespace tenon::internal {

/// Which item of a run has which output file, over all of its stages. An item claims its name when its stage takes it,
/// once, so that further attempts of its call may write again. Memory: some 200 bytes and the path for each file; none
/// for stages with OnConflict::kReplace. Not thread-safe.
class OutputNames {
 public:
  /// Claims the name of `item`, by the rules of its stage. An item that is to have another name than its own is
  /// replaced by a copy with that name. Returns what `release` takes; empty when nothing was claimed. Errors:
  /// kInvalidArgument when another item has the name, with what to do; kCorrupt for an item that does not verify;
  /// kTooLarge for one that cannot be renamed. `who` names the item in messages about later ones.
  [[nodiscard]] Result<std::string> claim(const OutputNaming& naming, std::string_view stage, std::string_view who,
                                          Item& item);
  /// Gives up the name of an item that has failed.
  void release(const std::string& claimed) { claims_.erase(claimed); }

 private:
  struct Claim {
    std::string who;
    std::uint64_t index = 0;
    std::uint64_t next = 2;  ///< Of OnConflict::kNumber: the first number that may be free.
  };

  std::unordered_map<std::string, Claim> claims_;  ///< By path.
};

}  // namespace tenon::internal
