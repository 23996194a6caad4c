#include "sql/waiting_rows.hpp"

#include <array>
#include <cstdio>
#include <random>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "sql_generated.h"

namespace sql {
namespace {

/// The alignment of a finished table.
constexpr std::size_t kAlignment = 16;

std::string random_name() {
  std::random_device random;
  std::string name;
  for (int i = 0; i < 4; ++i) {
    std::array<char, 9> part;
    std::snprintf(part.data(), part.size(), "%08x", random());
    name += part.data();
  }
  return name;
}

}  // namespace

void WaitingRows::add(std::span<const std::uint8_t> record) {
  const std::size_t begin = (bytes_.size() + kAlignment - 1) / kAlignment * kAlignment;
  spans_.push_back({begin, record.size()});
  bytes_.resize(begin);
  bytes_.insert(bytes_.end(), record.begin(), record.end());
}

void WaitingRows::clear() noexcept {
  bytes_.clear();
  spans_.clear();
}

InsertState::InsertState() : session_(random_name()) {}

std::vector<std::uint8_t> InsertState::save() const {
  if (!has_begun()) {
    ++early_checkpoints_;
  }
  if (kind_ == Kind::kNew) {
    kind_ = has_begun() ? Kind::kOneTransaction : Kind::kContinued;
  } else if (kind_ == Kind::kUnknown) {
    // Only a session that lasts is asked for a second checkpoint.
    kind_ = Kind::kContinued;
  }
  flatbuffers::FlatBufferBuilder builder(1024 + rows.size_bytes() + 16 * rows.size());
  std::vector<flatbuffers::Offset<WaitingRow>> waiting;
  waiting.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto bytes = rows.bytes(i);
    builder.ForceVectorAlignment(bytes.size(), 1, kAlignment);
    waiting.push_back(CreateWaitingRow(builder, builder.CreateVector(bytes.data(), bytes.size())));
  }
  const auto session = builder.CreateString(session_);
  const auto all = builder.CreateVector(waiting);
  builder.Finish(CreateInsertPosition(builder, session, progress.done, progress.kept, progress.broken, all,
                                      kind_ == Kind::kOneTransaction, early_checkpoints_));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

InsertState InsertState::load(std::span<const std::uint8_t> bytes) {
  const auto& saved = tenon::internal::verified_root<InsertPosition>(bytes, "checkpoint");
  InsertState state;
  state.session_ = tenon::plugins::view(saved.session());
  state.progress = {saved.done(), saved.kept(), saved.broken()};
  if (saved.waiting() != nullptr) {
    for (const WaitingRow* row : *saved.waiting()) {
      const std::span<const std::uint8_t> record(row->record()->data(), row->record()->size());
      static_cast<void>(tenon::internal::verified_root<tenon::Record>(record, "row of the checkpoint"));
      state.rows.add(record);
    }
  }
  state.early_checkpoints_ = saved.early_checkpoints();
  state.kind_ = saved.one_transaction()                               ? Kind::kOneTransaction
                : !state.has_begun() && state.early_checkpoints_ == 1 ? Kind::kUnknown
                                                                      : Kind::kContinued;
  return state;
}

}  // namespace sql
