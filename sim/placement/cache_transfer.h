#pragma once

#include <string>

#include "sim/placement/memory_plan.h"

namespace tollgate {

/// Sending the cache of a prompt from an engine that computed it to one that goes on from there.
struct CacheTransfer {
  double latency = 0;                 ///< seconds per prompt, recurrent state included
  double per_token = 0;               ///< seconds per prompt token, cached ones included
  double bytes_per_token = 0;         ///< on the busiest link
  double senders = 1, receivers = 1;  ///< of an engine; each handles one prompt at a time
  std::string over;                   ///< name of the link
};

/// An engine of a pool and its memory plan for a sequence of the mean prompt's length.
struct TransferEnd {
  Deployment deployment;
  MemoryPlan memory;
};

/// Every accelerator of a data-parallel group sends or receives what it holds of a prompt over its
/// own link, and the fullest one decides: heads that are split over tensor ranks go over as many
/// links, a latent cache goes to each rank whole (vLLM's NIXL connector: every decode rank reads
/// from the prefill ranks that have its part, docs/features/nixl_connector_usage.md). The link is
/// the fast one where all `gpus` of both pools are in one domain, else the network card of each
/// accelerator, at its full bandwidth, unless the scenario says otherwise. `prompt` is the mean
/// prompt in tokens. Micro-batches of a pipeline share the links of their stages.
CacheTransfer plan_transfer(const HardwareSpec& hardware, const TransferSpec& spec,
                            const TransferEnd& sender, const TransferEnd& receiver, double prompt,
                            int gpus);

}  // namespace tollgate
