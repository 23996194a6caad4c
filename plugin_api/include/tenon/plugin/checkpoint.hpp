/// tenon/plugin/checkpoint.hpp: a session's state as bytes.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include <tenon/plugin.h>
#include <tenon/plugin/error.hpp>
#include <tenon/plugin/table.hpp>

namespace tenon::internal {

/// A state with its own format: `std::vector<std::uint8_t> save() const`, `static T load(span)`.
template <typename T>
concept SavableState = requires(const T& state, std::span<const std::uint8_t> bytes) {
  { state.save() } -> std::convertible_to<std::vector<std::uint8_t>>;
  { T::load(bytes) } -> std::convertible_to<T>;
};

/// Header of a checkpoint; `state_size_bytes` bytes of state follow.
/// WIRE: stored in journals and read by later versions of a plugin. Append fields before the state
/// and raise `version`.
struct CheckpointHeader {
  char magic[8];
  std::uint32_t version;
  /// 1 if a state follows.
  std::uint32_t has_state;
  std::uint64_t emitted;
  std::uint64_t taken;
  std::uint64_t state_size_bytes;
  std::uint64_t reserved;
};
static_assert(sizeof(CheckpointHeader) == 48, "the state after it is aligned to 16");

inline constexpr char kCheckpointMagic[8] = {'T', 'N', 'C', 'H', 'E', 'C', 'K', '\0'};
inline constexpr std::uint32_t kCheckpointVersion = 1;

/// The state of one session: an object of the author's type, created at the first use, from the
/// checkpoint if the session continues an earlier one.
class SessionState {
 public:
  explicit SessionState(tenon_bytes_t checkpoint) : restored_(checkpoint) {
    if (checkpoint.data == nullptr) {
      return;
    }
    CheckpointHeader header{};
    const std::span<const std::uint8_t> bytes = restored_.span();
    if (bytes.size() >= sizeof(header)) {
      std::memcpy(&header, bytes.data(), sizeof(header));
    }
    if (std::memcmp(header.magic, kCheckpointMagic, sizeof(kCheckpointMagic)) != 0 ||
        header.state_size_bytes != bytes.size() - sizeof(header)) {
      throw TaskError(TENON_CORRUPT, "the checkpoint (" + std::to_string(bytes.size()) + " bytes) is malformed");
    }
    if (header.version != kCheckpointVersion) {
      throw TaskError(TENON_INCOMPATIBLE, "the checkpoint has version " + std::to_string(header.version) +
                                              "; this plugin reads version " + std::to_string(kCheckpointVersion));
    }
    emitted_ = header.emitted;
    taken_ = header.taken;
    unclaimed_ = header.has_state != 0;
  }

  [[nodiscard]] std::uint64_t emitted() const noexcept { return emitted_; }
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  void count_emitted() noexcept { ++emitted_; }
  void count_taken() noexcept { ++taken_; }
  void mark_begun() noexcept { begun_ = true; }

  template <typename T>
  T& get() {
    static_assert(NativeTable<T> || SavableState<T>,
                  "s.state<T>(): T is the object form of a table (`PositionT`), or has "
                  "`std::vector<std::uint8_t> save() const` and `static T load(std::span<const std::uint8_t>)`");
    if (!object_) {
      object_ = std::shared_ptr<void>(new T(restore<T>()), [](void* object) { delete static_cast<T*>(object); });
      tag_ = &kTypeTag<T>;
      save_ = [](const void* object) { return save(*static_cast<const T*>(object)); };
      unclaimed_ = false;
    } else if (tag_ != &kTypeTag<T>) {
      throw TaskError(TENON_INTERNAL, "the session requests states of two types; it can have only one");
    }
    return *static_cast<T*>(object_.get());
  }

  /// A session that was given a state must request it before it continues; otherwise it would
  /// silently start from scratch.
  void require_claimed() const {
    if (unclaimed_) {
      throw TaskError(TENON_INCOMPATIBLE,
                      "the checkpoint contains a state, but the task no longer requests one with s.state<T>()");
    }
  }

  /// Commits the checkpoint. Returns TENON_UNSUPPORTED for a session that keeps no state.
  tenon_status_t commit(tenon_call_t* call) const {
    const tenon_call_functions_t& functions = *call->functions;
    std::vector<std::uint8_t> state;
    CheckpointHeader header{};
    std::memcpy(header.magic, kCheckpointMagic, sizeof(kCheckpointMagic));
    header.version = kCheckpointVersion;
    header.emitted = emitted_;
    header.taken = taken_;
    if (object_) {
      state = save_(object_.get());
      header.has_state = 1;
    } else if (!begun_ && unclaimed_) {
      const auto bytes = restored_.span().subspan(sizeof(header));
      state.assign(bytes.begin(), bytes.end());
      header.has_state = 1;
    } else if (begun_) {
      return functions.fail(call, TENON_UNSUPPORTED,
                            "the session keeps no state (s.state<T>()), so it has no checkpoint");
    }
    header.state_size_bytes = state.size();
    std::uint8_t* buffer = nullptr;
    const std::uint64_t size_bytes = sizeof(header) + state.size();
    tenon_status_t status = functions.reserve(call, size_bytes, &buffer);
    if (status == TENON_OK) {
      std::memcpy(buffer, &header, sizeof(header));
      if (!state.empty()) {
        std::memcpy(buffer + sizeof(header), state.data(), state.size());
      }
      status = functions.commit(call, buffer, size_bytes);
    }
    return status == TENON_OK ? status : functions.fail(call, status, functions.last_error(call));
  }

 private:
  template <typename T>
  T restore() const {
    if (!unclaimed_) {
      return T();
    }
    const auto bytes = restored_.span().subspan(sizeof(CheckpointHeader));
    if constexpr (NativeTable<T>) {
      T native;
      verified_root<typename T::TableType>(bytes, "checkpoint").UnPackTo(&native);
      return native;
    } else {
      return T::load(bytes);
    }
  }
  template <typename T>
  static std::vector<std::uint8_t> save(const T& object) {
    if constexpr (NativeTable<T>) {
      flatbuffers::FlatBufferBuilder builder;
      builder.Finish(T::TableType::Pack(builder, &object));
      return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
    } else {
      return object.save();
    }
  }

  AlignedBytes restored_;
  std::shared_ptr<void> object_;
  const char* tag_ = nullptr;
  std::vector<std::uint8_t> (*save_)(const void*) = nullptr;
  std::uint64_t emitted_ = 0;
  std::uint64_t taken_ = 0;
  bool unclaimed_ = false;
  bool begun_ = false;
};

}  // namespace tenon::internal
