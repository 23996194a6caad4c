#include "plugin/file_hash.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <utility>

#include <sodium.h>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/file.hpp"

namespace tenon::internal {
namespace {

// libsodium's SHA-256 needs no sodium_init(): that only picks random numbers and faster code for other functions.
using Digest = std::array<std::uint8_t, crypto_hash_sha256_BYTES>;

}  // namespace

Result<std::string> sha256_of_file(const FileDescriptor& descriptor) {
  return sha256_of_file(descriptor, std::numeric_limits<std::uint64_t>::max(), {});
}

Result<std::string> sha256_of_file(const FileDescriptor& descriptor, std::uint64_t size_bytes,
                                   std::string_view suffix) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  Buffer chunk(std::size_t{256} << 10);
  for (std::uint64_t offset_bytes = 0; offset_bytes < size_bytes;) {
    const std::uint64_t wanted = std::min<std::uint64_t>(chunk.size(), size_bytes - offset_bytes);
    TENON_ASSIGN(auto read, read_some_at(descriptor, offset_bytes, std::span(chunk).first(wanted)));
    if (read == 0) {
      break;
    }
    crypto_hash_sha256_update(&state, chunk.data(), read);
    offset_bytes += read;
  }
  crypto_hash_sha256_update(&state, reinterpret_cast<const unsigned char*>(suffix.data()), suffix.size());
  Digest digest;
  crypto_hash_sha256_final(&state, digest.data());
  return to_hex(digest);
}

Result<std::string> sha256_of_file(const std::filesystem::path& file) {
  TENON_ASSIGN(auto descriptor, open_for_reading(file));
  return sha256_of_file(descriptor);
}

std::string sha256_of_bytes(BytesView bytes) {
  Digest digest;
  crypto_hash_sha256(digest.data(), bytes.data(), bytes.size());
  return to_hex(digest);
}

}  // namespace tenon::internal
