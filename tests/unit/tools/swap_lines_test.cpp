#include "tools/tenon/swap_lines.hpp"

#include <string>

#include "tenon_test/catch.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)

namespace {

SwapEvent event(SwapEvent::Kind kind, std::string message) {
  SwapEvent made;
  made.kind = kind;
  made.plugin = "files";
  made.version = "1.3.0";
  made.sha256 = "ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12";
  made.message = std::move(message);
  return made;
}

/// Returns whether a logged line passes.
bool passes(const LogRecord& record) {
  bool came = false;
  without_swap_lines([&came](const LogRecord&) { came = true; })(record);
  return came;
}

}  // namespace

TEST_CASE("swap_line: a switch names both versions and the new hash") {
  CHECK(swap_line(event(SwapEvent::Kind::kSwitched, "in the place of files 1.2.0"), "1.2.0") ==
        "tenon: files 1.2.0 -> 1.3.0 (sha256 ab12cd34ef56): switched\n");
  CHECK(swap_line(event(SwapEvent::Kind::kSwitched, "the first version"), "") ==
        "tenon: files 1.3.0 (sha256 ab12cd34ef56): switched: the first version\n");
}

TEST_CASE("swap_line: what was refused, rolled back or put away says why and what to do") {
  CHECK(swap_line(event(SwapEvent::Kind::kRefused, "no such task\nno such field"), "1.2.0") ==
        "tenon: files 1.3.0 (sha256 ab12cd34ef56): refused: no such task; no such field; the file is tried again when "
        "it changes\n");
  CHECK(swap_line(event(SwapEvent::Kind::kRolledBack, "calls crash"), "1.4.0") ==
        "tenon: files 1.4.0 -> 1.3.0 (sha256 ab12cd34ef56): rolled back: calls crash\n");
  CHECK(swap_line(event(SwapEvent::Kind::kQuarantined, "this content will not be loaded again"), "1.2.0") ==
        "tenon: files 1.3.0 (sha256 ab12cd34ef56): quarantined: this content will not be loaded again; only a file "
        "with another content is tried\n");
}

TEST_CASE("swap_line: foreign text does not move the cursor; the watch has no plugin") {
  CHECK(swap_line(event(SwapEvent::Kind::kRefused, "\x1b[2J"), "").find('\x1b') == std::string::npos);
  SwapEvent watch;
  watch.kind = SwapEvent::Kind::kWatch;
  watch.message = "plugin directory 'plugins' is there again";
  CHECK(swap_line(watch, "") == "tenon: watch: plugin directory 'plugins' is there again\n");
}

TEST_CASE("is_reported: ends, not the steps between them") {
  CHECK(is_reported(SwapEvent::Kind::kSwitched));
  CHECK(is_reported(SwapEvent::Kind::kRefused));
  CHECK(is_reported(SwapEvent::Kind::kRolledBack));
  CHECK(is_reported(SwapEvent::Kind::kWatch));
  CHECK_FALSE(is_reported(SwapEvent::Kind::kDetected));
  CHECK_FALSE(is_reported(SwapEvent::Kind::kStaged));
  CHECK_FALSE(is_reported(SwapEvent::Kind::kDrained));
}

TEST_CASE("without_swap_lines: holds back the runtime's lines of told events alone") {
  LogRecord record;
  record.plugin = "files";
  record.message = "swap: refused: files 1.3.0: no such task";
  CHECK_FALSE(passes(record));
  record.message = "swap: staged: files";
  CHECK(passes(record));
  record.message = "something else";
  CHECK(passes(record));
  record.message = "swap: refused";
  record.worker_id = 1;  // A plugin wrote this line.
  CHECK(passes(record));
}
