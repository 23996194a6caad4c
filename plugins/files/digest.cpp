#include "files/digest.hpp"

#include <sodium.h>

#include <variant>

#include <tenon/plugin.hpp>

#include "common/utf8.hpp"

namespace files {
namespace {

constexpr std::size_t kChunkBytes = 1u << 20;
constexpr std::size_t kBlake2bBytes = 64;

}  // namespace

struct Hasher::State {
  std::variant<crypto_hash_sha256_state, crypto_generichash_state> hash;
};

Hasher::Hasher(Algorithm algorithm) : state_(std::make_unique<State>()) {
  if (algorithm == Algorithm::sha256) {
    crypto_hash_sha256_init(&state_->hash.emplace<crypto_hash_sha256_state>());
  } else if (algorithm == Algorithm::blake2b) {
    crypto_generichash_init(&state_->hash.emplace<crypto_generichash_state>(), nullptr, 0, kBlake2bBytes);
  } else {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT, "algorithm " + std::to_string(static_cast<unsigned>(algorithm)) +
                                                       " is not known; use sha256 or blake2b");
  }
}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::span<const std::uint8_t> bytes) {
  if (auto* sha256 = std::get_if<crypto_hash_sha256_state>(&state_->hash)) {
    crypto_hash_sha256_update(sha256, bytes.data(), bytes.size());
  } else {
    crypto_generichash_update(&std::get<crypto_generichash_state>(state_->hash), bytes.data(), bytes.size());
  }
}

std::vector<std::uint8_t> Hasher::finish() {
  std::vector<std::uint8_t> value;
  if (auto* sha256 = std::get_if<crypto_hash_sha256_state>(&state_->hash)) {
    value.resize(crypto_hash_sha256_BYTES);
    crypto_hash_sha256_final(sha256, value.data());
  } else {
    value.resize(kBlake2bBytes);
    crypto_generichash_final(&std::get<crypto_generichash_state>(state_->hash), value.data(), value.size());
  }
  return value;
}

ContentDigest digest_content(tenon::plugins::Content& content, Algorithm algorithm, bool detect_changes,
                             const tenon::plugins::Poll& poll) {
  Hasher hasher(algorithm);
  ContentDigest result;
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kChunkBytes);
  for (;;) {
    poll();
    const std::size_t count = content.read({buffer.get(), kChunkBytes});
    if (count == 0) {
      break;
    }
    hasher.update({buffer.get(), count});
    result.size_bytes += count;
  }
  if (detect_changes && content.has_changed()) {
    throw tenon::TaskError(TENON_FAILED, tenon::plugins::quote(content.path()) +
                                             ": changed while it was read; try again when no program writes to it");
  }
  result.value = hasher.finish();
  return result;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace files
