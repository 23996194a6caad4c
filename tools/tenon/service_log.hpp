/// Writes log lines of a daemon to standard error.
#pragma once

#include <memory>
#include <string_view>

#include <tenon/log.hpp>

#include "serve/plugin_labels.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Writes "2026-03-01T12:00:00.250Z tenon: warning: text 1.0.0 (sha256:ab12cd34ef56): text.count:
/// message". The journal ($JOURNAL_STREAM is set) adds times itself; there each line starts with
/// its level, as in "<4>". [any-thread]
class ServiceLog {
 public:
  enum class Format {
    kText,
    kJson  ///< One object for each line, with "time", "level", "message", and sometimes "plugin",
           ///< "task", "worker".
  };
  /// Writes lines at level `least` and above; `world` must outlive this object and all sinks.
  ServiceLog(const World& world, LogLevel least, Format format);

  void line(LogLevel level, std::string_view message) const;
  /// Returns a sink for a runtime. `labels` names plugins with version and hash.
  [[nodiscard]] LogSink sink() const;
  [[nodiscard]] const std::shared_ptr<internal::PluginLabels>& labels() const noexcept { return labels_; }

 private:
  struct Parts;
  void write(LogLevel level, const Parts& parts) const;

  const World& world_;
  LogLevel least_;
  Format format_;
  bool journal_;
  std::shared_ptr<internal::PluginLabels> labels_ = std::make_shared<internal::PluginLabels>();
};

}  // namespace tenon::cli
