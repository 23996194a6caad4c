#include "book.hpp"

#include <fstream>
#include <utility>

#include "tenon_test/check.hpp"

namespace tenon::chaos {

Outcome outcome_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kFailed:
    case ErrorCode::kOutOfMemory:
      return Outcome::kFailed;
    case ErrorCode::kCancelled:
      return Outcome::kCancelled;
    case ErrorCode::kDeadline:
      return Outcome::kDeadline;
    case ErrorCode::kCrashed:
      return Outcome::kCrashed;
    case ErrorCode::kRejected:
      return Outcome::kRejected;
    default:
      return Outcome::kOther;
  }
}

Book::Book(const std::filesystem::path& file, std::uint64_t calls, std::uint64_t workers)
    : file_(file), entries_(calls) {
  TENON_CHECK(std::ofstream(file).good());
  std::filesystem::resize_file(file, LedgerMap::size_for(calls, workers));
  map_ = std::make_unique<LedgerMap>(file.string());
  map_->header().calls = calls;
  map_->header().workers = workers;
}

std::uint64_t Book::take(std::uint64_t count) {
  const std::uint64_t first = next_.fetch_add(count);
  TENON_CHECK(first + count <= entries_.size());
  return first;
}

void Book::end_well(std::uint64_t sequence, bool right) {
  Entry& entry = entries_[sequence];
  entry.outcome = Outcome::kOk;
  entry.wrong = !right;
  ++entry.ends;
  ++progress;
}

void Book::end_badly(std::uint64_t sequence, const Error& error) {
  Entry& entry = entries_[sequence];
  entry.outcome = outcome_of(error);
  {
    const std::lock_guard lock(mutex_);
    messages_[sequence] = error.to_string();
  }
  ++entry.ends;
  ++progress;
}

std::string Book::message(std::uint64_t sequence) const {
  const std::lock_guard lock(mutex_);
  const auto found = messages_.find(sequence);
  return found == messages_.end() ? std::string() : found->second;
}

void Book::find(std::string what, bool excusable) {
  const std::lock_guard lock(mutex_);
  findings_.push_back({std::move(what), excusable});
}

std::vector<Book::Finding> Book::findings() const {
  const std::lock_guard lock(mutex_);
  return findings_;
}

}  // namespace tenon::chaos
