#include <string>

#include <tenon/plugin.hpp>

#include "hello_generated.h"

tenon::Offset<hello::Greeting> greet(tenon::Call& call, const hello::Name& name) {
  return hello::CreateGreetingDirect(call.builder(), ("Hello, " + name.text()->str()).c_str());
}

TENON_PLUGIN(hello) {
  plugin.task<greet>("greet");
}
