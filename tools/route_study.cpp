#include "tools/route_study.h"

#include "sim/base/error.h"

namespace tollgate {
namespace {

/// Steps of a layer looked at for each size: a P95 over layers and steps needs no more.
constexpr int most_steps = 256;

}  // namespace

RouteAnswer study_route(const RouteQuestion& q, const kernels::RoutingBackend& backend) {
  const RoutingSource source(q.ffn, q.popularity, q.routing, q.seed, backend);
  const WindowRequest served{q.routing.tokens, q.prompt};
  const kernels::RoutedWindow window = source.window(served);
  ExpertPlan contiguous = q.plan, planned = q.plan;
  contiguous.kind = ExpertPlan::Kind::contiguous;
  contiguous.redundant = 0;
  planned.kind = ExpertPlan::Kind::eplb;
  const ExpertPlacer in_blocks(contiguous, source, served);
  const ExpertPlacer by_plan(planned, source, served);
  const ExpertPlacer by_fresh_plan = ExpertPlacer::planned_on(window, planned, source);
  const ExpertPlacer chosen = q.plan.planned() ? by_plan : ExpertPlacer(q.plan, source, served);

  RouteAnswer answer{source.description(), source.layers(), source.top_k(), {}, {}, {}};
  answer.counts =
      kernels::count_experts(window.selections(), source.experts() + window.zero_experts);
  try {
    answer.capacity = study_capacity(q, window, most_steps);
    for (const int ranks : q.ranks) {
      const auto placements = chosen.at(ranks);
      for (const int tokens : q.tokens) {
        kernels::StepLoadOptions loads;
        loads.batch_size = tokens;
        loads.choice = q.choice;
        loads.most_steps = most_steps;
        loads.zero_experts = window.zero_experts;
        kernels::StudyOptions traffic;
        traffic.batch_size = tokens;
        traffic.choice = q.choice;
        traffic.mode = q.mode();
        traffic.most_steps = most_steps;
        traffic.zero_experts = window.zero_experts;
        const auto look = [&](const std::vector<kernels::Placement>& under) {
          return kernels::count_step_loads(window.selections(), under, loads);
        };
        RouteRow row{tokens,
                     ranks,
                     placements.front().slots,
                     look(placements),
                     kernels::study_dispatch(window.selections(), placements, traffic),
                     {}};
        if (ranks > 1) {
          const auto plan = by_plan.at(ranks);
          row.repair = {plan.front().slots, look(in_blocks.at(ranks)), look(plan),
                        look(by_fresh_plan.at(ranks))};
        }
        answer.rows.push_back(std::move(row));
      }
    }
  } catch (const std::invalid_argument& error) {
    throw InputError(std::string("tollgate route: ") + error.what());
  }
  return answer;
}

}  // namespace tollgate
