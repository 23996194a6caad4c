/// Log lines of a daemon on standard error, one line each.
#pragma once

#include <memory>
#include <string_view>

#include <tenon/log.hpp>

#include "serve/plugin_labels.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// "2026-03-01T12:00:00.250Z tenon: warning: text 1.0.0 (sha256:ab12cd34ef56): text.count: message". The journal
/// ($JOURNAL_STREAM is set) adds times itself; there each line begins with its level, as "<4>". [any-thread]
class ServiceLog {
 public:
  enum class Format {
    kText,
    kJson  ///< An object for each line, with "time", "level", "message", and "plugin", "task", "worker" of some.
  };
  /// Lines of `least` and above; `world` outlives this and all sinks.
  ServiceLog(const World& world, LogLevel least, Format format);

  void line(LogLevel level, std::string_view message) const;
  /// For a runtime. Plugins are named by `labels`, with version and hash.
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
