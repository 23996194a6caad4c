// The pain: with `spawn`, a program that starts workers outside `if __name__ == '__main__'` imports
// the main module again, and children start more children. Here a runtime starts, and has run a
// call, before main starts; main runs once, in one process.
#include <cstdlib>
#include <string>

#include <tenon/runtime.hpp>

#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"

namespace {

struct StartedBeforeMain {
  StartedBeforeMain() : runtime(TENON_VALUE(tenon::Runtime::start(tenon::test::runtime_options(2)))) {
    const auto reply =
        TENON_VALUE(runtime.call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument("before main")));
    text.assign(reply->data()->begin(), reply->data()->end());
  }
  tenon::Runtime runtime;
  std::string text;
};

StartedBeforeMain started_before_main;
int main_runs = 0;

}  // namespace

int main() {
  ++main_runs;
  TENON_CHECK(started_before_main.text == "before main");
  const auto reply =
      TENON_VALUE(started_before_main.runtime.call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument("in main")));
  TENON_CHECK(reply->data()->size() == 7);
  // The workers are tenon-worker processes: none of them is another instance of this program.
  TENON_CHECK(main_runs == 1);
  TENON_CHECK(tenon::test::stats_of_all_workers(started_before_main.runtime).workers.size() == 2);
  return 0;
}
