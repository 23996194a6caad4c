/// Threads that call a runtime in every form until a given number of calls have been made, and
/// record requests and outcomes in the book.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include <tenon/runtime.hpp>

#include "book.hpp"
#include "mix.hpp"

namespace tenon::chaos {

/// Returns a bit for each form of a call.
[[nodiscard]] constexpr std::uint32_t bit(Kind kind) {
  return std::uint32_t{1} << static_cast<unsigned>(kind);
}
inline constexpr std::uint32_t kAllForms = (std::uint32_t{1} << kKindNames.size()) - 1 - bit(Kind::kUnused);

struct LoadOptions {
  std::uint64_t calls = 0;
  unsigned threads = 3;
  std::uint64_t seed = 1;
  Mix mix;
  std::uint32_t forms = kAllForms;
};

/// State that all threads of a load share.
struct LoadState {
  Runtime& runtime;
  Book& book;
  const LoadOptions options;
  std::atomic<std::int64_t> left;  ///< The calls still to be made.
};

/// Ways of calls that only a time limit ends. Streams and maps have no time limit, so they do not
/// use these.
inline constexpr std::uint64_t kWaysWithDeadline =
    bit(Way::kThreadExit) | bit(Way::kStopSelf) | bit(Way::kBusy) | bit(Way::kExecSleep);

class Load {
 public:
  Load(Runtime& runtime, Book& book, const LoadOptions& options);
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() { wait(); }

  /// Returns after all calls have ended.
  void wait();
  /// Returns how many sequence numbers `calls` calls may use.
  [[nodiscard]] static std::uint64_t sequences_for(std::uint64_t calls) { return calls * 4 + 100'000; }

 private:
  LoadState state_;
  std::vector<std::thread> threads_;
};

using Random = std::mt19937_64;

/// Single calls, futures and maps of one thread (load_calls.cpp).
class CallLoad {
 public:
  CallLoad(LoadState& state, Random& random) : state_(state), random_(random) {}
  /// Each makes some calls, waits until they end, and returns how many.
  std::uint64_t calls();
  std::uint64_t futures();
  std::uint64_t map();

 private:
  struct Asked;
  Asked ask(Kind kind, std::uint64_t ways, std::size_t largest_bytes);
  [[nodiscard]] BytesView build(const Asked& asked);
  [[nodiscard]] CallOptions options(const Asked& asked) const;
  [[nodiscard]] std::size_t payload_bytes(std::size_t largest_bytes);
  void end(const Asked& asked, const Result<Reply>& reply);

  LoadState& state_;
  Random& random_;
  flatbuffers::FlatBufferBuilder builder_;
};

/// Sessions and pipelines of one thread (load_streams.cpp).
class StreamLoad {
 public:
  StreamLoad(LoadState& state, Random& random) : state_(state), random_(random) {}
  /// Connects a source to a reduce directly; each is opened again from its last checkpoint if its
  /// worker dies.
  std::uint64_t sessions();
  /// Runs the same as a pipeline, with two maps in between.
  std::uint64_t pipeline();

 private:
  struct Stream;
  Stream begin(Kind kind, std::uint64_t count);

  LoadState& state_;
  Random& random_;
};

}  // namespace tenon::chaos
