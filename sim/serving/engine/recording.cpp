#include "sim/serving/engine/recording.h"

#include <algorithm>

namespace tollgate {

std::vector<LoadSample> total_load(const Recording& recording) {
  std::vector<LoadSample> sum;
  for (const ReplicaRecord& r : recording.replicas) {
    sum.resize(std::max(sum.size(), r.samples.size()));
    for (std::size_t i = 0; i < r.samples.size(); ++i) {
      const LoadSample& s = r.samples[i];
      sum[i].at = s.at;
      sum[i].running += s.running;
      sum[i].waiting += s.waiting;
      sum[i].blocks += s.blocks;
      sum[i].prompt_tokens += s.prompt_tokens;
      sum[i].tokens += s.tokens;
    }
  }
  return sum;
}

}  // namespace tollgate
