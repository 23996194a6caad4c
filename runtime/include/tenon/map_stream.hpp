/// tenon/map_stream.hpp: the results of Runtime::map. Part of tenon/runtime.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <tenon/error.hpp>
#include <tenon/reply.hpp>

namespace tenon {

/// Results of Runtime::map, one at a time. Move-only; one thread at a time. The destructor cancels
/// queued calls.
class MapStream {
 public:
  struct Item {
    std::uint64_t index = 0;  ///< Index of the argument, from 0.
    Result<Reply> reply;
  };
  MapStream(MapStream&&) noexcept;
  MapStream& operator=(MapStream&&) noexcept;
  ~MapStream();
  /// The next result; nullopt after the last. Blocks.
  [[nodiscard]] std::optional<Item> next();

  class Impl;

 private:
  friend class Runtime;
  explicit MapStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
