#include <tenon/argument.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "base/checked.hpp"
#include "host/storage.hpp"
#include "ipc/layout.hpp"

namespace tenon {

namespace {

constexpr std::size_t kAlignment = 16;
constexpr std::size_t kSmallestBlock = 256;

}  // namespace

/// Provides memory to the FlatBufferBuilder: first the block, as long as it can be extended, then a larger one, then
/// private memory if no shared memory is left. All of them are filled from the end.
class ArgumentBuilder::Impl final : public flatbuffers::Allocator {
 public:
  Impl(std::shared_ptr<internal::ArgumentMemory> memory, internal::ArgumentMemory::Block block)
      : memory_(std::move(memory)), block_(std::move(block)) {}

  [[nodiscard]] bool open() const noexcept { return block_.has_value() || heap_ != nullptr; }
  [[nodiscard]] bool building() const noexcept { return builder_.has_value(); }
  [[nodiscard]] MutableBytesView bytes() const noexcept { return block_ ? block_->bytes : MutableBytesView(); }

  flatbuffers::FlatBufferBuilder& builder() {
    if (!builder_) {
      builder_.emplace(bytes().size(), this, false, kAlignment);
    }
    return *builder_;
  }

  Reply finish(flatbuffers::Offset<void> root, const char* file_identifier) {
    // The start is then aligned like the end.
    builder_->TrackMinAlign(kAlignment);
    builder_->Finish(root, file_identifier);
    const BytesView built(builder_->GetBufferPointer(), builder_->GetSize());
    Reply reply = commit(built);
    builder_.reset();
    return reply;
  }

  Reply commit(BytesView built) {
    auto block = std::exchange(block_, std::nullopt);
    if (block && built.size() > internal::kSubmissionInlineBytes && is_aligned(built)) {
      auto stored = memory_->commit(std::move(*block), built);
      return Reply(std::move(stored.storage), stored.bytes);
    }
    // A small argument travels in the slot itself. An argument in private memory is copied into
    // shared memory when the call is dispatched.
    auto copy = internal::copy_to_host(built);
    heap_.reset();
    return Reply(std::move(copy.storage), copy.bytes);
  }

  std::uint8_t* allocate(std::size_t size) override {
    return grow_to(size) || replace_block(size) ? end() - size : private_memory(size);
  }
  void deallocate(std::uint8_t*, std::size_t) override {}
  std::uint8_t* reallocate_downward(std::uint8_t* old, std::size_t old_size, std::size_t new_size,
                                    std::size_t in_use_back, std::size_t in_use_front) override {
    if (grow_to(new_size)) {
      std::memmove(end() - new_size, old, in_use_front);
      return end() - new_size;
    }
    // The old memory stays alive until its content has been copied.
    const auto old_block = block_;
    const auto old_heap = std::move(heap_);
    // Doubles the size, so that growing step by step does not copy each time; untouched memory is
    // not allocated.
    const bool shared =
        old_heap == nullptr && (replace_block(std::max(new_size, 2 * old_size)) || replace_block(new_size));
    std::uint8_t* bytes = shared ? end() - new_size : private_memory(new_size);
    std::memcpy(bytes + (new_size - in_use_back), old + (old_size - in_use_back), in_use_back);
    std::memcpy(bytes, old, in_use_front);
    return bytes;
  }

 private:
  [[nodiscard]] static bool is_aligned(BytesView bytes) noexcept {
    return reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment == 0;
  }
  [[nodiscard]] std::uint8_t* end() const noexcept { return block_->bytes.data() + block_->bytes.size(); }
  /// Whether the block has, or can be extended to, this many bytes.
  [[nodiscard]] bool grow_to(std::size_t size) {
    return block_ && (size <= block_->bytes.size() || memory_->extend(*block_, size));
  }
  [[nodiscard]] bool replace_block(std::size_t size) {
    auto larger = memory_->reserve(size);
    if (larger) {
      block_ = std::move(*larger);
    }
    return larger.has_value();
  }
  std::uint8_t* private_memory(std::size_t size) {
    block_.reset();
    heap_ = std::make_unique_for_overwrite<std::uint8_t[]>(size);
    return heap_.get();
  }

  std::shared_ptr<internal::ArgumentMemory> memory_;
  std::optional<internal::ArgumentMemory::Block> block_;
  std::unique_ptr<std::uint8_t[]> heap_;
  std::optional<flatbuffers::FlatBufferBuilder> builder_;
};

ArgumentBuilder::ArgumentBuilder(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
ArgumentBuilder::ArgumentBuilder(ArgumentBuilder&&) noexcept = default;
ArgumentBuilder& ArgumentBuilder::operator=(ArgumentBuilder&&) noexcept = default;
ArgumentBuilder::~ArgumentBuilder() = default;

Result<ArgumentBuilder> ArgumentBuilder::create(std::shared_ptr<internal::ArgumentMemory> memory,
                                                std::size_t size_hint_bytes) {
  auto block = memory->reserve(std::max(size_hint_bytes, kSmallestBlock));
  if (!block) {
    return fail(std::move(block.error()));
  }
  return ArgumentBuilder(std::make_unique<Impl>(std::move(memory), std::move(*block)));
}

namespace {

tl::unexpected<Error> finished_before() {
  return fail(ErrorCode::kInvalidArgument,
              "this argument has been finished, or moved away; use Runtime::build_argument for the next one");
}

tl::unexpected<Error> no_memory() {
  return fail(ErrorCode::kOutOfMemory, "no memory is left for this argument; let go of other arguments and results");
}

}  // namespace

flatbuffers::FlatBufferBuilder& ArgumentBuilder::flatbuffer() {
  return impl_->builder();
}

Result<Reply> ArgumentBuilder::finish_root(flatbuffers::Offset<void> root, const char* file_identifier) {
  if (impl_ == nullptr || !impl_->open()) {
    return finished_before();
  }
  if (!impl_->building() || root.IsNull()) {
    return fail(ErrorCode::kInvalidArgument, "finish needs a root table that was built with flatbuffer()");
  }
  try {
    return impl_->finish(root, file_identifier);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

MutableBytesView ArgumentBuilder::bytes() noexcept {
  return impl_ == nullptr || impl_->building() ? MutableBytesView() : impl_->bytes();
}

Result<Reply> ArgumentBuilder::commit(std::size_t first, std::size_t size_bytes) {
  if (impl_ == nullptr || !impl_->open()) {
    return finished_before();
  }
  const MutableBytesView all = bytes();
  if (impl_->building()) {
    return fail(ErrorCode::kInvalidArgument, "commit is for bytes(); end what flatbuffer() has built with finish");
  }
  if (first % kAlignment != 0 || !internal::range_fits(first, size_bytes, all.size())) {
    return fail(ErrorCode::kInvalidArgument, "commit of " + std::to_string(size_bytes) + " bytes from " +
                                                 std::to_string(first) + " on: the range must begin at a multiple of " +
                                                 std::to_string(kAlignment) + " and lie inside the " +
                                                 std::to_string(all.size()) + " bytes of the block");
  }
  try {
    return impl_->commit(all.subspan(first, size_bytes));
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

}  // namespace tenon
