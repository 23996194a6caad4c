/// Writes records as JSON objects, one on each line.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/plugin.hpp>

#include "common/poll.hpp"
#include "common/row_output.hpp"
#include "jsonl_generated.h"

namespace jsonl {

/// The state of a session of `write`, which is also its checkpoint. Functions throw TaskError: as
/// RowOutput; TENON_INVALID_ARGUMENT for params, and for a record that cannot be an object. Not
/// thread-safe.
class ObjectWriter {
 public:
  /// Opens the file, or continues where the checkpoint was taken. Called once, first. Borrows both
  /// for the life of the session.
  void open(const tenon::Call& call, const WriteParams& params);
  /// Writes an object. `item` is its number, from 1, for messages.
  void add(const tenon::Record& record, std::uint64_t item);
  tenon::FileT finish();

  /// Saves the checkpoint, after writing what it counts.
  [[nodiscard]] std::vector<std::uint8_t> save() const;
  static ObjectWriter load(std::span<const std::uint8_t> bytes);

 private:
  struct Field {
    std::string_view name;
    const tenon::RecordField* value;
  };

  /// These return what is wrong; empty if nothing is.
  std::string append(const tenon::Record& record);
  std::string append_flat(std::span<const Field> fields);
  std::string append_nested(std::span<const Field> fields, unsigned depth);
  std::string append_value(const tenon::RecordField& field);

  const tenon::Call* call_ = nullptr;
  const WriteParams* params_ = nullptr;
  tenon::plugins::Poll poll_;
  std::unique_ptr<tenon::plugins::RowOutput> output_;
  /// The part of the state that is saved; its position in the file is that of the last load.
  std::unique_ptr<WritePositionT> state_ = std::make_unique<WritePositionT>();
};

}  // namespace jsonl
