#include "sim/spec/scenario.h"

namespace tollgate {

DeploymentSpec with_engine_defaults(DeploymentSpec d, const EngineSpec& engine,
                                    const HardwareSpec& hardware) {
  const EngineLimits& usual = engine.limits_for(hardware.memory);
  if (d.max_num_seqs == 0) d.max_num_seqs = usual.max_num_seqs;
  if (d.batched_tokens == 0) d.batched_tokens = usual.batched_tokens;
  if (d.memory_utilisation == 0) d.memory_utilisation = engine.memory_utilisation;
  d.memory_utilisation_of = engine.memory_utilisation_of;
  if (d.window_cache == WindowCache::engine_default) {
    d.window_cache = engine.windowed_cache ? WindowCache::window : WindowCache::sequence;
  }
  return d;
}

DeploymentSpec pool_deployment(const DeploymentSpec& whole, const PoolSpec& pool) {
  DeploymentSpec d = whole;
  d.disaggregation.reset();
  const auto on_top = [](int& value, int given) {
    if (given > 0) value = given;
  };
  on_top(d.gpus, pool.gpus);
  on_top(d.tensor, pool.tensor);
  on_top(d.pipeline, pool.pipeline);
  on_top(d.expert, pool.expert);
  on_top(d.data_attention, pool.data_attention);
  on_top(d.max_batch, pool.max_batch);
  on_top(d.max_num_seqs, pool.max_num_seqs);
  on_top(d.batched_tokens, pool.batched_tokens);
  for (const auto& [key, place] : pool.places) d.places[key] = place;
  return d;
}

}  // namespace tollgate
