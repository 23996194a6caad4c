/// worker/result_builder.hpp: the memory in which a running call builds its result.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "ipc/arena.hpp"

namespace tenon::internal {

/// Memory of one committed result, in the worker's result arena or private. Move-only. Private
/// memory frees itself; an arena block goes to the host or is returned through ResultBuilder.
struct ResultBlob {
  std::optional<ArenaBlock> block;
  std::unique_ptr<std::uint8_t[]> heap;
  BytesView bytes;
};

/// Implements reserve, grow_down and commit of one call (see tenon_call_functions_t). Results for
/// the host are built in the result arena, so that they need no copy; those of nested calls in
/// private memory; small ones first in a scratch buffer, because they travel inside the slot. Not
/// thread-safe.
class ResultBuilder {
 public:
  static constexpr std::uint64_t kScratchBytes = 4096;
  /// Memory for small results of top-level calls.
  using Scratch = std::array<std::uint8_t, kScratchBytes>;

  struct Options {
    Arena* arena = nullptr;      ///< Null: private memory.
    Scratch* scratch = nullptr;  ///< Aligned to 16; may be null.
    std::uint64_t limit_bytes = 0;
    /// Maximum number of committed results; each commit adds one. 0: commit replaces the result.
    std::uint32_t max_results = 0;
  };

  explicit ResultBuilder(const Options& options) : options_(options) {}
  ResultBuilder(const ResultBuilder&) = delete;
  ResultBuilder& operator=(const ResultBuilder&) = delete;
  /// Frees everything that was not taken.
  ~ResultBuilder();

  [[nodiscard]] Result<std::uint8_t*> reserve(std::uint64_t size_bytes);
  [[nodiscard]] Result<std::uint8_t*> grow_down(std::uint64_t size_bytes, std::uint64_t used_back_bytes,
                                                std::uint64_t used_front_bytes);
  [[nodiscard]] Result<void> commit(const std::uint8_t* data, std::uint64_t size_bytes);

  [[nodiscard]] std::vector<ResultBlob>& results() noexcept { return results_; }
  /// Frees a blob's arena block.
  void give_back(ResultBlob& blob) noexcept;

 private:
  struct Open {
    ResultBlob blob;
    std::uint8_t* data = nullptr;
    std::uint64_t size_bytes = 0;      ///< The size requested by the plugin.
    std::uint64_t capacity_bytes = 0;  ///< The allocated size.
    bool scratch = false;
  };
  [[nodiscard]] Result<Open> allocate(std::uint64_t size_bytes);
  /// Extends the open block at its front without a copy; false if that is not possible.
  [[nodiscard]] bool extend(std::uint64_t size_bytes);
  void close() noexcept;

  Options options_;
  std::optional<Open> open_;
  std::vector<ResultBlob> results_;
  bool scratch_committed_ = false;  // The one committed result of a plain call lies in the scratch.
};

}  // namespace tenon::internal
