// Gives every kind of value back, and returns invalid results, which a host must survive.
#include <string>
#include <vector>

#include <tenon/plugin.hpp>

#include "types_generated.h"

namespace {

tenon::SameAsArgument echo(tenon::Call&, const types::Everything&) {
  return {};
}

tenon::SameAsArgument named(tenon::Call&, const types::Named&) {
  return {};
}

tenon::Offset<types::Greeting> greet(tenon::Call& call, const tenon::Empty&) {
  const auto& settings = call.settings<types::Settings>();
  std::string text;
  for (std::uint32_t i = 0; i < settings.times(); ++i) {
    text += settings.greeting() == nullptr ? "hello" : settings.greeting()->str();
  }
  return types::CreateGreetingDirect(call.builder(), text.c_str());
}

/// An offset where the schema has a string; it points outside the buffer.
tenon::Offset<types::Everything> far_offset(flatbuffers::FlatBufferBuilder& builder) {
  const auto start = builder.StartTable();
  builder.AddElement<std::uint32_t>(types::Everything::VT_TEXT, 0x7ffffff0, 0);
  return {builder.EndTable(start)};
}

tenon::Offset<types::Everything> deep(flatbuffers::FlatBufferBuilder& builder) {
  tenon::Offset<types::Everything> inner = 0;
  for (int i = 0; i < 200; ++i) {
    types::EverythingBuilder table(builder);
    if (inner.o != 0) {
      table.add_self(inner);
    }
    inner = table.Finish();
  }
  return inner;
}

/// One text of 1 MiB, which a vector refers to 100,000 times: valid, but 100 GiB when copied.
tenon::Offset<types::Everything> shared(flatbuffers::FlatBufferBuilder& builder) {
  const auto text = builder.CreateString(std::string(1 << 20, 'x'));
  const auto texts = builder.CreateVector(std::vector<flatbuffers::Offset<flatbuffers::String>>(100'000, text));
  types::EverythingBuilder table(builder);
  table.add_texts(texts);
  return table.Finish();
}

tenon::Offset<types::Everything> lie(tenon::Call& call, const types::LieRequest& request) {
  switch (request.lie()) {
    case types::Lie::far_offset:
      return far_offset(call.builder());
    case types::Lie::deep:
      return deep(call.builder());
    default:
      return shared(call.builder());
  }
}

}  // namespace

TENON_PLUGIN(types) {
  plugin.settings<types::Settings>();
  plugin.task<echo>("echo");
  plugin.task<named>("named");
  plugin.task<greet>("greet");
  plugin.task<lie>("lie");
}
