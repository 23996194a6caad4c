#include <cstdint>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <tenon/plugin.hpp>

#include "probe_generated.h"

namespace probe {
namespace {

struct State {
  explicit State(const tenon::WorkerContext& worker) : count(worker.settings<Settings>().offset()) {
    if (count < 0) {
      throw tenon::TaskError(TENON_INVALID_ARGUMENT, "offset is negative");
    }
  }
  std::int64_t count;
};

tenon::Offset<Item> offset(tenon::Call& call, const Item& item) {
  return CreateItemDirect(call.builder(), item.value() + 1, "offset");
}

ItemT native(tenon::Call&, const Item& item) noexcept {
  ItemT result;
  result.value = item.value() + 2;
  return result;
}

tenon::SameAsArgument same(tenon::Call&, const Item&) {
  return {};
}

tenon::Offset<Item> scaled(tenon::Call& call, const Item& item, const Params& params) {
  return CreateItem(call.builder(), item.value() * params.factor());
}

tenon::Offset<Item> strict(tenon::Call& call, const Item& item, const StrictParams& params) {
  return CreateItemDirect(call.builder(), item.value(), params.name()->c_str());
}

tenon::Offset<tenon::Bytes> large(tenon::Call& call, const Item& item) {
  auto& builder = call.builder(16);
  const std::vector<std::uint8_t> data(static_cast<std::size_t>(item.value()), 7);
  const auto bytes = builder.CreateVector(data);
  const auto origin = builder.CreateString("grown");
  return tenon::CreateBytes(builder, bytes, origin);
}

tenon::Offset<Item> throws(tenon::Call& call, const Item& item) {
  const std::string what = item.text()->str();
  if (what == "task_error") {
    call.fail(TENON_NOT_FOUND, "nothing there");
  }
  if (what == "no_code") {
    call.fail(TENON_OK, "not a code");
  }
  if (what == "bad_alloc") {
    throw std::bad_alloc();
  }
  if (what == "exception") {
    throw std::logic_error("it went wrong");
  }
  if (what == "number") {
    throw 7;
  }
  return {};
}

tenon::Offset<Item> polls(tenon::Call& call, const Item&) {
  for (std::uint64_t done = 0;; ++done) {
    call.check();
    call.progress(done);
  }
}

tenon::Offset<Item> nested(tenon::Call& call, const Item& item) {
  ItemT inner;
  inner.value = item.value();
  call.log(TENON_LOG_INFO, "calling " + item.text()->str());
  const auto result = call.invoke<Item>(item.text()->str(), inner);
  return CreateItem(call.builder(), result->value() * 10);
}

tenon::Offset<Item> counted(tenon::Call& call, const Item& item) {
  auto& state = call.state<State>();
  state.count += item.value();
  return CreateItem(call.builder(), state.count + call.settings<Settings>().offset() * 1000);
}

tenon::Source<Item> count_to(tenon::SourceContext& s, const Item& item, const Params& params) {
  auto& at = s.state<PositionT>();
  while (at.next < item.value()) {
    const std::int64_t value = at.next++;
    if (item.text() != nullptr && item.text()->str() == "throw" && value == 2) {
      throw std::runtime_error("thrown at 2");
    }
    if (value % 2 == 0) {
      co_yield CreateItem(s.builder(), value * params.factor());
    } else {
      ItemT native;
      native.value = value * params.factor();
      co_yield native;
    }
  }
}

tenon::Source<Item> pausing(tenon::SourceContext& s, const Item& item) {
  for (std::int64_t value = 0; value < item.value(); ++value) {
    co_await s.pause();
    co_yield CreateItem(s.builder(), value);
  }
}

tenon::Reduce<Item> total(tenon::ReduceContext<Item>& s, const Params& params) {
  auto& sum = s.state<ItemT>();
  while (const Item* item = co_await s.next()) {
    if (item->value() < 0) {
      s.fail(TENON_INVALID_ARGUMENT, "a negative value");
    }
    sum.value += item->value() * params.factor();
  }
  ItemT result;
  result.value = sum.value;
  result.text = std::to_string(s.taken());
  co_return result;
}

/// Serialises itself.
struct Text {
  std::string text;
  [[nodiscard]] std::vector<std::uint8_t> save() const { return {text.begin(), text.end()}; }
  static Text load(std::span<const std::uint8_t> bytes) { return {{bytes.begin(), bytes.end()}}; }
};

tenon::Reduce<Item> joined(tenon::ReduceContext<Item>& s) {
  auto& all = s.state<Text>();
  while (const Item* item = co_await s.next()) {
    all.text += item->text() == nullptr ? "-" : item->text()->str();
  }
  co_return CreateItemDirect(s.builder(), 0, all.text.c_str());
}

}  // namespace
}  // namespace probe

TENON_PLUGIN(probe) {
  plugin.settings<probe::Settings>().state<probe::State>();
  plugin.task<probe::offset>("offset").task<probe::native>("native").task<probe::same>("same");
  plugin.task<probe::scaled>("scaled").task<probe::strict>("strict").task<probe::large>("large");
  plugin.task<probe::throws>("throws").task<probe::polls>("polls").task<probe::nested>("nested");
  plugin.task<probe::counted>("counted");
  plugin.task<probe::count_to>("count_to").task<probe::pausing>("pausing");
  plugin.task<probe::total>("total").task<probe::joined>("joined");
}
