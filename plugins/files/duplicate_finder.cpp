#include "files/duplicate_finder.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "files/collection.hpp"

namespace files {
namespace {

using tenon::TaskError;
using tenon::plugins::Content;
using tenon::plugins::view;

/// A file up to this size is read as a whole at once: opening it takes longer than its digest.
constexpr std::uint64_t kSmallBytes = 32u << 10;
/// How much of the start and of the end of a large file is compared first.
constexpr std::size_t kEndBytes = 4u << 10;

/// Reads until `buffer` is full or the content ends; returns the number of bytes.
std::size_t read_fully(Content& content, std::span<std::uint8_t> buffer) {
  std::size_t size = 0;
  while (size < buffer.size()) {
    const std::size_t count = content.read(buffer.subspan(size));
    if (count == 0) {
      break;
    }
    size += count;
  }
  return size;
}

}  // namespace

DuplicateFinder::Found* DuplicateFinder::note(std::size_t index) {
  const auto [first, is_new] = first_of_size_.try_emplace(files_[index].size_bytes, index);
  if (is_new) {
    return nullptr;
  }
  const std::size_t other = std::exchange(first->second, kSeveral);
  return other == kSeveral ? nullptr : &files_[other];
}

void DuplicateFinder::add(const tenon::File& file, const Options& options) {
  if (file.size_bytes() < options.min_size_bytes) {
    return;
  }
  if (files_.size() >= options.max_files) {
    throw TaskError(TENON_TOO_LARGE,
                    "more than " + std::to_string(options.max_files) +
                        " files; raise `max_files` (about 200 bytes of memory each), or walk fewer files");
  }
  Found& found = files_.emplace_back();
  found.path = view(file.path());
  found.size_bytes = file.size_bytes();
  if (Found* other = note(files_.size() - 1)) {
    examine(*other, options);
  }
  if (first_of_size_.at(found.size_bytes) == kSeveral) {
    examine(found, options);
  }
}

void DuplicateFinder::guarded(Found& file, const Options& options, const std::function<void()>& read) {
  options.poll();
  try {
    read();
  } catch (const TaskError& error) {
    if (error.code() != TENON_NOT_FOUND && error.code() != TENON_IO && error.code() != TENON_INVALID_ARGUMENT &&
        error.code() != TENON_FAILED) {
      throw;
    }
    file.known = Known::kUnreadable;
    ++unreadable_;
    options.warn(std::string(error.what()) + "; left out");
  }
}

void DuplicateFinder::examine(Found& file, const Options& options) {
  guarded(file, options, [&] {
    if (file.size_bytes <= kSmallBytes) {
      read_whole(file, options);
    } else {
      read_ends(file);
    }
  });
}

void DuplicateFinder::read_ends(Found& file) {
  Content content(file.path);
  buffer_.resize(2 * kEndBytes);
  std::size_t size = read_fully(content, std::span(buffer_).first(kEndBytes));
  content.seek(file.size_bytes - kEndBytes);
  size += read_fully(content, std::span(buffer_).subspan(size, kEndBytes));
  file.ends = XXH3_64bits(buffer_.data(), size);
  file.known = Known::kEnds;
}

void DuplicateFinder::read_whole(Found& file, const Options& options) {
  Content content(file.path);
  constexpr bool kDetectChanges = true;
  const ContentDigest digest = digester_->digest(content, options.algorithm, kDetectChanges, options.poll);
  file.read_bytes = digest.size_bytes;
  file.digest = digest.value;
  file.known = Known::kDigest;
}

void DuplicateFinder::read_candidates(const Options& options) {
  std::vector<Found*> large;
  for (Found& file : files_) {
    if (file.known == Known::kEnds) {
      large.push_back(&file);
    }
  }
  const auto key = [](const Found* file) { return std::tie(file->size_bytes, file->ends); };
  std::sort(large.begin(), large.end(), [&](const Found* a, const Found* b) { return key(a) < key(b); });
  for (std::size_t begin = 0, end = 0; begin < large.size(); begin = end) {
    while (end < large.size() && key(large[end]) == key(large[begin])) {
      ++end;
    }
    if (end - begin < 2) {
      continue;
    }
    for (std::size_t i = begin; i < end; ++i) {
      guarded(*large[i], options, [&] { read_whole(*large[i], options); });
    }
  }
}

DuplicatesT DuplicateFinder::take(const Options& options) {
  // A file may be delivered twice.
  std::stable_sort(files_.begin(), files_.end(), [](const Found& a, const Found& b) { return a.path < b.path; });
  files_.erase(
      std::unique(files_.begin(), files_.end(), [](const Found& a, const Found& b) { return a.path == b.path; }),
      files_.end());
  read_candidates(options);
  std::uint64_t readable = 0;
  std::vector<EntryT> entries;
  for (Found& file : files_) {
    readable += file.known == Known::kUnreadable ? 0 : 1;
    if (file.known == Known::kDigest && file.read_bytes >= options.min_size_bytes) {
      EntryT& entry = entries.emplace_back();
      entry.path = std::move(file.path);
      entry.size_bytes = file.read_bytes;
      entry.digest = to_hex(file.digest.bytes());
    }
  }
  files_.clear();
  first_of_size_.clear();
  DuplicatesT duplicates = find_duplicates(entries, EnumNameAlgorithm(options.algorithm), options.min_size_bytes);
  duplicates.total_files = readable;
  return duplicates;
}

std::vector<std::uint8_t> DuplicateFinder::save() const {
  std::size_t path_bytes = 0;
  std::size_t digest_bytes = 0;
  for (const Found& file : files_) {
    path_bytes += file.path.size();
    digest_bytes += file.digest.bytes().size();
  }
  // Few long vectors are written much faster than a table for each file; a builder that is large
  // enough at once copies nothing while it grows.
  constexpr std::size_t kBytesPerFile = 5 * sizeof(std::uint64_t) + 1;
  flatbuffers::FlatBufferBuilder builder(1024 + files_.size() * kBytesPerFile + path_bytes + digest_bytes);
  const auto column = [&](auto value_of) {
    std::uint64_t* values = nullptr;
    const auto offset = builder.CreateUninitializedVector<std::uint64_t>(files_.size(), &values);
    for (const Found& file : files_) {
      *values++ = value_of(file);
    }
    return offset;
  };
  const auto bytes = [&](std::size_t size, const auto& append) {
    std::uint8_t* values = nullptr;
    const auto offset = builder.CreateUninitializedVector<std::uint8_t>(size, &values);
    for (const Found& file : files_) {
      values = append(file, values);
    }
    return offset;
  };
  const auto paths = bytes(path_bytes, [](const Found& file, std::uint8_t* to) {
    return std::copy(file.path.begin(), file.path.end(), to);
  });
  const auto digests = bytes(digest_bytes, [](const Found& file, std::uint8_t* to) {
    const auto digest = file.digest.bytes();
    return std::copy(digest.begin(), digest.end(), to);
  });
  const auto known = bytes(files_.size(), [](const Found& file, std::uint8_t* to) {
    *to = static_cast<std::uint8_t>(file.known);
    return to + 1;
  });
  const auto path_ends =
      column([end = std::uint64_t{0}](const Found& file) mutable { return end += file.path.size(); });
  const auto digest_ends =
      column([end = std::uint64_t{0}](const Found& file) mutable { return end += file.digest.bytes().size(); });
  const auto sizes = column([](const Found& file) { return file.size_bytes; });
  const auto ends = column([](const Found& file) { return file.ends; });
  const auto read_bytes = column([](const Found& file) { return file.read_bytes; });
  FoundFilesBuilder saved(builder);
  saved.add_paths(paths);
  saved.add_path_ends(path_ends);
  saved.add_sizes(sizes);
  saved.add_known(known);
  saved.add_ends(ends);
  saved.add_read_bytes(read_bytes);
  saved.add_digests(digests);
  saved.add_digest_ends(digest_ends);
  saved.add_unreadable(unreadable_);
  builder.Finish(saved.Finish());
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

DuplicateFinder DuplicateFinder::load(std::span<const std::uint8_t> bytes) {
  FoundFilesT saved;
  tenon::internal::verified_root<FoundFiles>(bytes, "checkpoint").UnPackTo(&saved);
  const auto require = [](bool valid) {
    if (!valid) {
      throw TaskError(TENON_CORRUPT, "the checkpoint of files.find_duplicates is corrupt");
    }
  };
  const std::size_t count = saved.sizes.size();
  require(saved.path_ends.size() == count && saved.known.size() == count && saved.ends.size() == count &&
          saved.read_bytes.size() == count && saved.digest_ends.size() == count);
  DuplicateFinder finder;
  finder.unreadable_ = saved.unreadable;
  finder.files_.resize(count);
  std::size_t path = 0;
  std::size_t digest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Found& file = finder.files_[i];
    const std::uint64_t path_end = saved.path_ends[i];
    const std::uint64_t digest_end = saved.digest_ends[i];
    require(path_end >= path && path_end <= saved.paths.size() && digest_end >= digest &&
            digest_end <= saved.digests.size() && digest_end - digest <= DigestValue::kMaxBytes &&
            saved.known[i] <= static_cast<std::uint8_t>(Known::kUnreadable));
    file.path.assign(saved.paths.begin() + static_cast<std::ptrdiff_t>(path),
                     saved.paths.begin() + static_cast<std::ptrdiff_t>(path_end));
    file.size_bytes = saved.sizes[i];
    file.known = static_cast<Known>(saved.known[i]);
    file.ends = saved.ends[i];
    file.read_bytes = saved.read_bytes[i];
    file.digest = DigestValue(digest_end - digest);
    std::copy_n(saved.digests.begin() + static_cast<std::ptrdiff_t>(digest), digest_end - digest,
                file.digest.bytes().begin());
    path = path_end;
    digest = digest_end;
    // Two files of the same size have both been read.
    finder.first_of_size_[file.size_bytes] = file.known == Known::kNothing ? i : kSeveral;
  }
  return finder;
}

}  // namespace files
