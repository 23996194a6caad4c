/// Loads pipeline texts with the fake directory.
#pragma once

#include <string>
#include <string_view>

#include "fake_directory.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/resolve.hpp"

namespace tenon::test {

/// The result of loading a text. The environment holds ROOT=/data, LEVEL=7 and WORD=word.
struct Loaded {
  std::optional<Graph::Impl> graph;
  Diagnostics diagnostics;
  /// Only the messages, as "line:column: error: text", with hints as "  = text".
  std::string messages;
};

inline Loaded load(std::string_view text, std::vector<std::pair<std::string, std::string>> overrides = {}) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : overrides) {
    texts.push_back(key + "=" + value);
  }
  LoadOptions options;
  options.overrides = std::move(overrides);
  options.standard_streams = true;
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "ROOT") {
      return "/data";
    }
    if (name == "LEVEL") {
      return "7";
    }
    if (name == "WORD") {
      return "word";
    }
    return std::nullopt;
  };
  internal::Reporter reporter("p.toml", text, texts);
  Loaded out;
  out.graph = internal::load_graph({text, "p"}, FakeDirectory(), options, reporter);
  reporter.move_to(out.diagnostics);
  for (const Diagnostic& item : out.diagnostics.items) {
    out.messages += item.line > 0 ? std::to_string(item.line) + ":" + std::to_string(item.column) : item.file;
    out.messages += item.severity == Severity::kError     ? ": error: "
                    : item.severity == Severity::kWarning ? ": warning: "
                                                          : ": note: ";
    out.messages += item.message + "\n";
    if (!item.hint.empty()) {
      out.messages += "  = " + item.hint + "\n";
    }
  }
  return out;
}

}  // namespace tenon::test
