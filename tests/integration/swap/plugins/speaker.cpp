// The plugin "speaker" or, with SINGER, the plugin "singer": their text is in a library that their
// own library uses.
#include <unistd.h>

#include <chrono>
#include <thread>

#include <tenon/plugin.hpp>

#if defined(SINGER)
#include "singer_generated.h"
namespace own = singer;
#else
#include "speaker_generated.h"
namespace own = speaker;
#endif

extern "C" const char* speech();

namespace {

tenon::Offset<own::Words> say(tenon::Call& call, const own::Ask& ask) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ask.wait_ms()));
  return own::CreateWordsDirect(call.builder(128), speech(), ::getpid());
}

}  // namespace

#if defined(SINGER)
TENON_PLUGIN(singer) {
#else
TENON_PLUGIN(speaker) {
#endif
  plugin.task<say>("say");
}
