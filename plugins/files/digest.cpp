#include "files/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <new>

#include <tenon/plugin.hpp>

#include "common/utf8.hpp"

namespace files {
namespace {

/// Fits into the second-level cache of a core, so that the hash does not fetch from memory what
/// `read` has just copied.
constexpr std::size_t kChunkBytes = 256u << 10;
constexpr std::size_t kSha256Bytes = 32;
constexpr std::size_t kBlake2bBytes = 64;

struct FreeDigest {
  void operator()(EVP_MD* digest) const noexcept { ::EVP_MD_free(digest); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { ::EVP_MD_CTX_free(context); }
};

}  // namespace

/// SHA-256 comes from OpenSSL, which uses the processor's SHA instructions; BLAKE2b from libsodium,
/// which uses vector instructions for it and OpenSSL does not.
class Digester::Hash {
 public:
  void start(Algorithm algorithm) {
    algorithm_ = algorithm;
    if (algorithm == Algorithm::sha256) {
      if (!sha256_) {
        prepare_sha256();
      }
      require(::EVP_DigestInit_ex2(context_.get(), sha256_.get(), nullptr));
    } else if (algorithm == Algorithm::blake2b) {
      ::crypto_generichash_init(&blake2b_, nullptr, 0, kBlake2bBytes);
    } else {
      throw tenon::TaskError(TENON_INVALID_ARGUMENT, "algorithm " + std::to_string(static_cast<unsigned>(algorithm)) +
                                                         " is not known; use sha256 or blake2b");
    }
  }

  void update(std::span<const std::uint8_t> bytes) {
    if (algorithm_ == Algorithm::sha256) {
      require(::EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
    } else {
      ::crypto_generichash_update(&blake2b_, bytes.data(), bytes.size());
    }
  }

  DigestValue finish() {
    if (algorithm_ == Algorithm::sha256) {
      DigestValue value(kSha256Bytes);
      require(::EVP_DigestFinal_ex(context_.get(), value.bytes().data(), nullptr));
      return value;
    }
    DigestValue value(kBlake2bBytes);
    ::crypto_generichash_final(&blake2b_, value.bytes().data(), kBlake2bBytes);
    return value;
  }

 private:
  /// Fetched once: a lookup for each file takes longer than the digest of a small one.
  void prepare_sha256() {
    // A plugin does not depend on how the machine's OpenSSL is configured.
    ::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    context_.reset(::EVP_MD_CTX_new());
    if (!context_) {
      throw std::bad_alloc();
    }
    sha256_.reset(::EVP_MD_fetch(nullptr, "SHA256", nullptr));
    if (!sha256_) {
      throw tenon::TaskError(TENON_UNAVAILABLE,
                             "the OpenSSL library of this machine offers no SHA-256; "
                             "set `algorithm` to blake2b");
    }
  }

  static void require(int success) {
    if (success != 1) {
      throw tenon::TaskError(TENON_INTERNAL, "OpenSSL failed to compute a SHA-256");
    }
  }

  Algorithm algorithm_ = Algorithm::sha256;
  std::unique_ptr<EVP_MD, FreeDigest> sha256_;
  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
  crypto_generichash_state blake2b_{};
};

Digester::Digester() : hash_(std::make_unique<Hash>()) {}
Digester::~Digester() = default;

ContentDigest Digester::digest(tenon::plugins::Content& content, Algorithm algorithm, bool detect_changes,
                               const tenon::plugins::Poll& poll) {
  if (!buffer_) {
    buffer_ = std::make_unique_for_overwrite<std::uint8_t[]>(kChunkBytes);
  }
  hash_->start(algorithm);
  ContentDigest result;
  bool changed = false;
  for (;;) {
    poll();
    const std::size_t count = content.read({buffer_.get(), kChunkBytes});
    hash_->update({buffer_.get(), count});
    result.size_bytes += count;
    const bool at_size = result.size_bytes == content.size_bytes();
    // A file that has its old size and time ends here; no further read has to find its end.
    if (count == 0 || (at_size && detect_changes)) {
      changed = detect_changes && content.has_changed();
      if (count == 0 || !changed) {
        break;
      }
    }
  }
  if (changed) {
    throw tenon::TaskError(TENON_FAILED, tenon::plugins::quote(content.path()) +
                                             ": changed while it was read; try again when no program writes to it");
  }
  result.value = hash_->finish();
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
