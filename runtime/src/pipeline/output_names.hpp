/// pipeline/output_names.hpp: ensures that no two items of a run write the same file.
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

/// Maps each output file to an item of the run, over all of its stages. An item claims its name
/// once, when its stage takes it, so that further attempts of its call may write again. Memory:
/// about 200 bytes and the path for each file; none for stages with OnConflict::kReplace. Not
/// thread-safe.
class OutputNames {
 public:
  /// Claims the name of `item` by the rules of its stage. If the item gets a name other than its
  /// own, it is replaced by a copy with that name. Returns the argument for `release`, which is
  /// empty if nothing was claimed. Errors: kInvalidArgument if another item has the name, with
  /// advice; kCorrupt for an item that does not verify; kTooLarge for an item that cannot be
  /// renamed. `who` names the item in messages about later items.
  [[nodiscard]] Result<std::string> claim(const OutputNaming& naming, std::string_view stage, std::string_view who,
                                          Item& item);
  /// Releases the name of an item that has failed.
  void release(const std::string& claimed) { claims_.erase(claimed); }

 private:
  struct Claim {
    std::string who;
    std::uint64_t index = 0;
    std::uint64_t next = 2;  ///< For OnConflict::kNumber: the first number that may be free.
  };

  std::unordered_map<std::string, Claim> claims_;  ///< Indexed by path.
};

}  // namespace tenon::internal
