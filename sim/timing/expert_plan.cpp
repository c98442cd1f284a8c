#include "sim/timing/expert_plan.h"

#include "kernels/placement/eplb.h"
#include "sim/base/error.h"

namespace tollgate {

kernels::RankGrid ExpertPlan::grid(int ranks) const {
  return {ranks, ranks % ranks_per_node == 0 ? ranks_per_node : ranks};
}

ExpertPlacer::ExpertPlacer(const ExpertPlan& plan, const RoutingSource& source)
    : plan_(plan), experts_(source.experts()), layers_(source.layers()), groups_(source.groups()) {}

ExpertPlacer::ExpertPlacer(const ExpertPlan& plan, const RoutingSource& source,
                           const WindowRequest& served)
    : ExpertPlacer(plan, source) {
  if (!plan.planned()) return;
  WindowRequest earlier = served;
  earlier.stream = served.stream + 1;
  if (plan.plan_domains > 0) earlier.domains = plan.plan_domains;
  counts_ = kernels::count_experts(source.window(earlier).selections(), experts_);
}

ExpertPlacer ExpertPlacer::planned_on(const kernels::RoutedWindow& window, const ExpertPlan& plan,
                                      const RoutingSource& source) {
  ExpertPlacer placer(plan, source);
  placer.counts_ = kernels::count_experts(window.selections(), placer.experts_);
  return placer;
}

std::vector<kernels::Placement> ExpertPlacer::at(int ranks) const {
  const kernels::RankGrid grid = plan_.grid(ranks);
  try {
    const int slots = kernels::slots_for(experts_, plan_.redundant, ranks);
    switch (plan_.kind) {
      case ExpertPlan::Kind::contiguous:
        return {kernels::contiguous_placement(experts_, slots, grid)};
      case ExpertPlan::Kind::striped:
        return {kernels::striped_placement(experts_, slots, grid)};
      case ExpertPlan::Kind::eplb:
        break;
    }
    return kernels::eplb_placements(counts_, layers_, {slots, groups_, grid, plan_.mode});
  } catch (const std::invalid_argument& error) {
    throw InputError(error.what());
  }
}

}  // namespace tollgate
