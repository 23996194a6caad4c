/// tenon/reply.hpp: the result of a call, or an argument that has been built.
#pragma once

#include <cstdint>
#include <utility>

#include <flatbuffers/flatbuffers.h>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/internal/shared_object.hpp>

namespace tenon {

struct PluginInfo;

namespace internal {

class SharedSegment;

/// Keeps bytes alive for replies and for calls whose argument they are; gives a block back with the last handle.
class ReplyStorage : public SharedObject {
 public:
  /// The segment the bytes lie in, valid as long as this; null when they are private to the host.
  [[nodiscard]] virtual const SharedSegment* segment() const noexcept { return nullptr; }
  /// What made the bytes, valid as long as this; null when the host did.
  [[nodiscard]] virtual const PluginInfo* origin() const noexcept { return nullptr; }
};

}  // namespace internal

/// A result where it lies: in memory of the host when it is small, in the worker's result memory (mapped
/// read-only) when it is large. Copies share the bytes. Outlives the runtime and the worker. [any-thread] for
/// different copies. Not verified: TypedReply is.
class Reply {
 public:
  Reply() = default;
  explicit Reply(internal::Shared<const internal::ReplyStorage> storage, BytesView bytes) noexcept
      : storage_(std::move(storage)), bytes_(bytes) {}

  /// The FlatBuffer, aligned to 16. Valid as long as any copy of this reply.
  [[nodiscard]] BytesView bytes() const noexcept { return bytes_; }
  /// The plugin that made it, with version and hash (tenon/catalog.hpp). Valid as long as any copy of this reply. Null
  /// for an argument that the host has built, and for a result without bytes.
  [[nodiscard]] const PluginInfo* plugin() const noexcept { return storage_ ? storage_->origin() : nullptr; }
  /// The storage, for handing the result to another call without a copy.
  [[nodiscard]] const internal::Shared<const internal::ReplyStorage>& storage() const noexcept { return storage_; }
  /// For the runtime: hands over the reference to the storage.
  [[nodiscard]] const internal::ReplyStorage* take_storage() && noexcept { return storage_.take(); }

 private:
  internal::Shared<const internal::ReplyStorage> storage_;
  BytesView bytes_;
};

/// A verified result of type T (a generated table). Copies share the bytes.
template <typename T>
class TypedReply {
 public:
  /// Verifies. Errors: kCorrupt.
  [[nodiscard]] static Result<TypedReply> verify(Reply reply) {
    flatbuffers::Verifier verifier(reply.bytes().data(), reply.bytes().size());
    if (!verifier.VerifyBuffer<T>(nullptr)) {
      return fail(ErrorCode::kCorrupt, "the result does not verify as its type");
    }
    return TypedReply(std::move(reply));
  }
  /// Valid as long as any copy of this reply.
  [[nodiscard]] const T& operator*() const noexcept { return *value_; }
  [[nodiscard]] const T* operator->() const noexcept { return value_; }
  [[nodiscard]] const Reply& reply() const noexcept { return reply_; }

 private:
  explicit TypedReply(Reply reply) : reply_(std::move(reply)), value_(flatbuffers::GetRoot<T>(reply_.bytes().data())) {}
  Reply reply_;
  const T* value_;
};

}  // namespace tenon
