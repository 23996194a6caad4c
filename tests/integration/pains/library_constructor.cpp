// A library that starts a runtime when it is loaded, and runs a call at once.
#include <string>

#include <tenon/runtime.hpp>

#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"

namespace {

std::size_t echoed_bytes = 0;

__attribute__((constructor)) void start_when_loaded() {
  auto runtime = TENON_VALUE(tenon::Runtime::start(tenon::test::runtime_options(1)));
  const auto reply = TENON_VALUE(runtime.call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument("library")));
  echoed_bytes = reply->data()->size();
}

}  // namespace

extern "C" __attribute__((visibility("default"))) std::size_t bytes_echoed_by_the_constructor() {
  return echoed_bytes;
}
