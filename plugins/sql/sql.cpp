#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "rows/record_builder.hpp"
#include "sql/query.hpp"
#include "sql/table_writer.hpp"
#include "sql/waiting_rows.hpp"
#include "sql_generated.h"

namespace {

using Clock = std::chrono::steady_clock;

/// After so many rows that are skipped, the worker does other work.
constexpr std::uint64_t kRowsPerPause = 1000;
/// Waiting rows with more bytes are committed.
constexpr std::size_t kTransactionBytes = std::size_t{16} << 20;
/// Maximum size of the rows of a session that is one transaction, such as a batch.
constexpr std::size_t kBatchBytes = std::size_t{256} << 20;
/// Rows that come later than this after the one before are not those of a batch.
constexpr std::chrono::milliseconds kPauseOfStream{1000};

tenon::Source<tenon::Record> query(tenon::SourceContext& s, const tenon::Record& argument,
                                   const sql::QueryParams& params) {
  sql::Query rows(s, argument, params, s.state<sql::QueryPositionT>());
  while (!rows.repeat(kRowsPerPause)) {
    co_await s.pause();
  }
  tenon::rows::RecordBuilder record;
  while (const sql::Row* row = rows.next()) {
    record.start(s.builder(rows.size_bytes(*row)));
    rows.build(*row, record);
    co_yield record.finish();
  }
}

tenon::Reduce<sql::Inserted> insert_rows(tenon::ReduceContext<tenon::Record>& s, const sql::InsertParams& params,
                                         sql::InsertState& state) {
  sql::TableWriter writer(s, params);
  const std::chrono::milliseconds longest(params.transaction_ms());
  std::optional<Clock::time_point> oldest;
  if (state.may_continue() && writer.has_committed(state.session())) {
    state.continues();
  }
  for (;;) {
    const Clock::time_point began = Clock::now();
    if (co_await s.next() == nullptr) {
      break;
    }
    // A batch has all its rows at its start; those of a stream may be far apart.
    if (state.may_continue() && !state.rows.empty() && Clock::now() - began >= std::max(longest, kPauseOfStream)) {
      state.continues();
    }
    state.rows.add(s.argument_bytes());
    if (!state.can_continue()) {
      if (state.rows.size_bytes() > kBatchBytes) {
        s.fail(TENON_TOO_LARGE, "the batch has more than " + std::to_string(kBatchBytes >> 20) + " MiB, after " +
                                    std::to_string(state.rows.size()) + " rows; set a smaller `size` of the stage");
      }
      continue;
    }
    const Clock::time_point now = Clock::now();
    oldest = oldest.value_or(now);
    // The columns of a new table must not depend on the time.
    if (state.rows.size() >= params.transaction_rows() || state.rows.size_bytes() >= kTransactionBytes ||
        (writer.has_table() && now - *oldest >= longest)) {
      writer.write(state);
      oldest.reset();
      s.progress(state.progress.done);
    }
  }
  writer.write(state);
  writer.require_table();
  const sql::Progress& progress = state.progress;
  if (progress.broken > 0) {
    s.log(TENON_LOG_WARNING, tenon::plugins::quote(tenon::plugins::view(params.database())) + ": " +
                                 std::to_string(progress.broken) +
                                 (progress.broken == 1 ? " broken row was skipped" : " broken rows were skipped"));
  }
  auto& builder = s.builder();
  const auto into = builder.CreateString(tenon::plugins::view(params.into()).data(), params.into()->size());
  co_return sql::CreateInserted(builder, into, progress.done - progress.kept - progress.broken, progress.kept,
                                progress.broken);
}

/// Makes the state when the session is opened, so that even its first checkpoint has the session's name: rows that are
/// committed under it are not written again.
tenon::Reduce<sql::Inserted> insert(tenon::ReduceContext<tenon::Record>& s, const sql::InsertParams& params) {
  return insert_rows(s, params, s.state<sql::InsertState>());
}

}  // namespace

TENON_PLUGIN(sql) {
  plugin.task<query>("query");
  plugin.task<insert>("insert");
}
