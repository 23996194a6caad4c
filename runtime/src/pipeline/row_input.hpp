/// Turns the bytes of standard input into items.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include <tenon/error.hpp>
#include <tenon/pipeline.hpp>
#include <tenon/reply.hpp>

#include "pipeline/item_rules.hpp"
#include "rows/csv_rows.hpp"
#include "rows/json_object.hpp"
#include "rows/record_builder.hpp"
#include "rows/text_window.hpp"

namespace tenon::internal {

/// Reads rows and makes an item of each. Keeps at most a row and a few hundred KiB of text. Not
/// thread-safe.
class RowInput {
 public:
  /// A row that cannot become an item.
  struct Broken {
    std::uint64_t line = 0;  ///< The line at which it starts, from 1.
    Error error;
  };
  struct Batch {
    std::vector<Reply> items;
    std::vector<Broken> broken;
    bool ended = false;          ///< There are no further rows.
    std::optional<Error> error;  ///< The input cannot be read any further.
  };

  /// Both outlive it.
  RowInput(const InputRule& rule, ByteInput& input);

  /// Waits for at least one row and returns those that are there, up to a bound. So a row is an item
  /// as soon as its line end has arrived. Not called again after an end or an error.
  [[nodiscard]] Batch next();

 private:
  /// Throws ReadFailure.
  class Source final : public rows::ByteSource {
   public:
    explicit Source(ByteInput& input) : input_(input) {}
    std::size_t read(std::span<std::uint8_t> buffer) override;

   private:
    ByteInput& input_;
  };

  void take_row(Batch& batch);
  void take_line(Batch& batch);
  void take_object(Batch& batch);
  void take_table_row(Batch& batch);
  void take_blob(Batch& batch);
  /// Reads the header, and so the names of the columns; false at the end of the input.
  bool begin_table(Batch& batch);
  void name_columns(std::vector<std::string> names);
  bool next_line(rows::ScannedLine& line, Batch& batch);
  void skip_byte_order_mark();
  [[nodiscard]] bool has_line();
  template <typename Offset>
  void finish(Offset root, Batch& batch);
  void add_broken(Batch& batch, std::uint64_t line, const std::string& why, ErrorCode code = ErrorCode::kCorrupt) const;

  const InputRule& rule_;
  Source source_;
  rows::TextWindow window_;
  rows::CsvRowReader table_;
  rows::JsonObjectParser objects_;
  rows::RecordBuilder record_;
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<std::string> names_;  ///< Of the columns; empty before the first row.
  std::uint64_t line_ = 0;          ///< Lines so far; of a table, table_ counts them.
  std::uint64_t batch_bytes_ = 0;
};

}  // namespace tenon::internal
