/// host/session.hpp: sessions as their users hold them.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <tenon/future.hpp>
#include <tenon/runtime.hpp>

#include "host/call.hpp"
#include "host/pool.hpp"

namespace tenon::internal {

/// An open session; its end closes it in the worker. [any-thread], one operation at a time.
class SessionHandle {
 public:
  SessionHandle(std::shared_ptr<Pool> pool, std::shared_ptr<SessionRecord> record)
      : pool_(std::move(pool)), record_(std::move(record)) {}
  SessionHandle(const SessionHandle&) = delete;
  SessionHandle& operator=(const SessionHandle&) = delete;
  ~SessionHandle();

  [[nodiscard]] Future<Session::Batch> next(std::uint32_t max_results);
  [[nodiscard]] Future<void> feed(const std::vector<Reply>& arguments);
  [[nodiscard]] Future<Reply> finish();
  [[nodiscard]] Future<Reply> checkpoint();

 private:
  [[nodiscard]] Result<void> check_kind(TaskKind kind, std::string_view operation) const;
  [[nodiscard]] Future<Reply> submit(CallRef call);

  std::shared_ptr<Pool> pool_;
  std::shared_ptr<SessionRecord> record_;
};

[[nodiscard]] Future<std::shared_ptr<SessionHandle>> open_session(const std::shared_ptr<Pool>& pool,
                                                                  std::string_view task, const SessionOptions& options);

}  // namespace tenon::internal

namespace tenon {

class Session::Impl {
 public:
  explicit Impl(std::shared_ptr<internal::SessionHandle> session) : handle(std::move(session)) {}
  std::shared_ptr<internal::SessionHandle> handle;
};

}  // namespace tenon
