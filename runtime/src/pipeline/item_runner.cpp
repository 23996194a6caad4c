#include "pipeline/item_runner.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {

ItemRunner::ItemRunner(RunContext& run, std::uint32_t node)
    : NodeRunner(run, node), stage_(make_item_stage(plan_)), verdicts_(plan_.inputs.size()) {}

void ItemRunner::pump() {
  for (std::size_t i = 0; i < verdicts_.size(); ++i) {
    const bool decided = verdicts_[i].action != ItemVerdict::Action::kOpen;
    stage_->notice(i, run_.flow.edge(plan_.inputs[i]).size() - (decided ? 1 : 0), run_.now);
  }
  // An input whose first item must wait does not stop the others.
  for (std::size_t waiting = 0; waiting < verdicts_.size();) {
    const std::size_t input = next_input_;
    const Passed passed = pass_item(input);
    if (passed == Passed::kLast) {
      // Its output is complete, even in a run that is stopping.
      run_.flow.set_cut(node_, false);
      run_.flow.close_inputs(node_);
      run_.timers.hurry(run_.now, [this](std::uint32_t node) { return run_.flow.unwanted(node); });
      finish();
      return;
    }
    next_input_ = input + 1 < verdicts_.size() ? input + 1 : 0;
    waiting = passed == Passed::kYes ? 0 : waiting + 1;
  }
  if (input_ended()) {
    finish();
  }
}

ItemRunner::Passed ItemRunner::pass_item(std::size_t input) {
  Edge& edge = run_.flow.edge(plan_.inputs[input]);
  ItemVerdict& verdict = verdicts_[input];
  if (edge.empty()) {
    return Passed::kNo;
  }
  if (verdict.action == ItemVerdict::Action::kOpen) {
    Result<ItemVerdict> decided = stage_->decide(input, edge, run_.now);
    if (!decided) {
      fail_item(run_.flow.pop(plan_.inputs[input]), std::move(decided.error()));
      return Passed::kYes;
    }
    if (decided->action == ItemVerdict::Action::kWait) {
      wait_until(decided->until);
      return Passed::kNo;
    }
    verdict = *decided;
  }
  if (verdict.action == ItemVerdict::Action::kDrop) {
    ++report_.dropped;
    static_cast<void>(run_.flow.pop(plan_.inputs[input]));
  } else {
    const PlanOutput& output = plan_.outputs[verdict.output];
    if (!run_.flow.has_room(output, edge.front().bytes())) {
      return Passed::kNo;
    }
    ++report_.items_out;
    run_.flow.push(output, run_.flow.pop(plan_.inputs[input]));
  }
  verdict.action = ItemVerdict::Action::kOpen;
  // An item of another input may have been admitted, and wait for room.
  const bool admitted = std::any_of(verdicts_.begin(), verdicts_.end(),
                                    [](const ItemVerdict& one) { return one.action == ItemVerdict::Action::kPass; });
  return stage_->complete() && !admitted ? Passed::kLast : Passed::kYes;
}

void ItemRunner::wait_until(TimePoint at) {
  // An earlier timer also wakes the node, but then it sets another one.
  if (wakes_at_ <= run_.now || at < wakes_at_) {
    wakes_at_ = at;
    wake_at(at);
  }
}

void ItemRunner::fill_report() {
  NodeRunner::fill_report();
  // Items may be dropped after the end: those that arrive at a limit that has been reached.
  if (run_.flow.finished(node_) && report_.dropped > 0) {
    report_.note = stage_->explain(report_.dropped);
  }
}

}  // namespace tenon::internal
