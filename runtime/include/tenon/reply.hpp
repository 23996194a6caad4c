/// tenon/reply.hpp: the result of a call, or a built argument.
#pragma once

#include <cstddef>
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

/// Keeps bytes alive for replies and for calls that use them as their argument; releases the block
/// with the last handle.
class ReplyStorage : public SharedObject {
 public:
  /// The same bytes in memory that no worker can write, valid as long as this object: bytes in a
  /// worker's result memory are copied to private memory at the first use. Empty if there is no
  /// memory for the copy. [any-thread]
  [[nodiscard]] virtual BytesView unchangeable(BytesView bytes) const noexcept { return bytes; }
  /// The segment that holds the bytes, valid as long as this object; null if they are private to
  /// the host.
  [[nodiscard]] virtual const SharedSegment* segment() const noexcept { return nullptr; }
  /// The plugin that produced the bytes, valid as long as this object; null if the host did.
  [[nodiscard]] virtual const PluginInfo* origin() const noexcept { return nullptr; }
};

}  // namespace internal

/// A result in its original location: host memory if it is small, the worker's result memory
/// (mapped read-only) if it is large. Copies share the bytes. Outlives the runtime and the worker.
/// [any-thread] for different copies. A Reply is not verified; a TypedReply is.
///
/// A worker can write its result memory at any time, even after its reply. `bytes` therefore copies
/// a large result into host memory at its first use, so that verified bytes cannot change. A result
/// that is only passed to another call is never copied.
class Reply {
 public:
  Reply() = default;
  explicit Reply(internal::Shared<const internal::ReplyStorage> storage, BytesView bytes) noexcept
      : storage_(std::move(storage)), bytes_(bytes) {}

  /// The FlatBuffer, aligned to 16, immutable. Valid as long as any copy of this reply. The first
  /// use copies a result that lies in a worker's memory; the view is empty if there is no memory
  /// for the copy.
  [[nodiscard]] BytesView bytes() const noexcept { return storage_ ? storage_->unchangeable(bytes_) : bytes_; }
  /// The same bytes without a copy, for callers that trust the plugin: its worker may change the
  /// bytes while they are read, so they can differ from what was verified.
  [[nodiscard]] BytesView bytes_in_place() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_.size(); }
  /// The plugin that produced the result, with version and hash (tenon/catalog.hpp). Valid as long
  /// as any copy of this reply. Null for an argument built by the host and for a result without
  /// bytes.
  [[nodiscard]] const PluginInfo* plugin() const noexcept { return storage_ ? storage_->origin() : nullptr; }
  /// The storage, for passing the result to another call without a copy.
  [[nodiscard]] const internal::Shared<const internal::ReplyStorage>& storage() const noexcept { return storage_; }
  /// For the runtime: releases the reference to the storage.
  [[nodiscard]] const internal::ReplyStorage* take_storage() && noexcept { return storage_.take(); }

 private:
  internal::Shared<const internal::ReplyStorage> storage_;
  BytesView bytes_;
};

/// A verified result of type T (a generated table). Copies share the bytes.
template <typename T>
class TypedReply {
 public:
  /// Verifies the bytes of Reply::bytes, which cannot change afterwards. Errors: kCorrupt.
  [[nodiscard]] static Result<TypedReply> verify(Reply reply) {
    const BytesView bytes = reply.bytes();
    return checked(std::move(reply), bytes);
  }
  /// Verifies Reply::bytes_in_place, without a copy, for callers that trust the plugin: a worker
  /// that changes its result afterwards can crash this process. Errors: kCorrupt.
  [[nodiscard]] static Result<TypedReply> verify_in_place(Reply reply) {
    const BytesView bytes = reply.bytes_in_place();
    return checked(std::move(reply), bytes);
  }
  /// Valid as long as any copy of this reply.
  [[nodiscard]] const T& operator*() const noexcept { return *value_; }
  [[nodiscard]] const T* operator->() const noexcept { return value_; }
  [[nodiscard]] const Reply& reply() const noexcept { return reply_; }

 private:
  TypedReply(Reply reply, BytesView bytes) : reply_(std::move(reply)), value_(flatbuffers::GetRoot<T>(bytes.data())) {}
  [[nodiscard]] static Result<TypedReply> checked(Reply reply, BytesView bytes) {
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());
    if (!verifier.VerifyBuffer<T>(nullptr)) {
      return fail(ErrorCode::kCorrupt, "the result does not verify as its type");
    }
    return TypedReply(std::move(reply), bytes);
  }
  Reply reply_;
  const T* value_;
};

}  // namespace tenon
