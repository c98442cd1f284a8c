#include "sim/placement/cache_transfer.h"

#include <algorithm>

namespace tollgate {

CacheTransfer plan_transfer(const HardwareSpec& hardware, const TransferSpec& spec,
                            const TransferEnd& sender, const TransferEnd& receiver, double prompt,
                            int gpus) {
  const LinkSpec& link = gpus <= hardware.per_domain ? hardware.scale_up : hardware.scale_out;
  const double bandwidth = spec.bandwidth > 0 ? spec.bandwidth : link.bandwidth;
  CacheTransfer t;
  t.over = spec.bandwidth > 0 ? "the scenario's link" : link.name;
  double state = 0, seconds = 0;
  for (const TransferEnd* end : {&sender, &receiver}) {
    const double stages = end->deployment.pipeline;
    const double bytes = end->memory.kv_per_sequence / prompt;
    t.bytes_per_token = std::max(t.bytes_per_token, bytes);
    seconds = std::max(seconds, stages * bytes / bandwidth);
    state = std::max(state, stages * end->memory.state_per_sequence / bandwidth);
  }
  t.per_token = seconds;
  t.latency = (spec.places.count("latency") ? spec.latency : link.latency) + state;
  t.senders = sender.deployment.data_attention * sender.deployment.pipeline;
  t.receivers = receiver.deployment.data_attention * receiver.deployment.pipeline;
  return t;
}

}  // namespace tollgate
