#include "sim/spec/scenario.h"

namespace tollgate {

DeploymentSpec with_engine_defaults(DeploymentSpec d, const EngineSpec& engine,
                                    const HardwareSpec& hardware) {
  const EngineLimits& usual = engine.limits_for(hardware.memory);
  if (d.max_num_seqs == 0) d.max_num_seqs = usual.max_num_seqs;
  if (d.batched_tokens == 0) d.batched_tokens = usual.batched_tokens;
  if (d.memory_utilisation == 0) d.memory_utilisation = engine.memory_utilisation;
  return d;
}

}  // namespace tollgate
