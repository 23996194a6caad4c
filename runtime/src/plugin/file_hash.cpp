#include "plugin/file_hash.hpp"

#include <array>
#include <utility>

#include <sodium.h>

#include "base/text.hpp"
#include "platform/file.hpp"

namespace tenon::internal {
namespace {

// libsodium's SHA-256 needs no sodium_init(): that only picks random numbers and faster code for other functions.
using Digest = std::array<std::uint8_t, crypto_hash_sha256_BYTES>;

}  // namespace

Result<std::string> sha256_of_file(const FileDescriptor& descriptor) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  Buffer chunk(std::size_t{256} << 10);
  for (std::uint64_t offset_bytes = 0;;) {
    auto size_bytes = read_some_at(descriptor, offset_bytes, chunk);
    if (!size_bytes) {
      return fail(std::move(size_bytes.error()));
    }
    if (*size_bytes == 0) {
      break;
    }
    crypto_hash_sha256_update(&state, chunk.data(), *size_bytes);
    offset_bytes += *size_bytes;
  }
  Digest digest;
  crypto_hash_sha256_final(&state, digest.data());
  return to_hex(digest);
}

Result<std::string> sha256_of_file(const std::filesystem::path& file) {
  auto descriptor = open_for_reading(file);
  if (!descriptor) {
    return fail(std::move(descriptor.error()));
  }
  return sha256_of_file(*descriptor);
}

std::string sha256_of_bytes(BytesView bytes) {
  Digest digest;
  crypto_hash_sha256(digest.data(), bytes.data(), bytes.size());
  return to_hex(digest);
}

}  // namespace tenon::internal
