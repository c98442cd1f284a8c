#include "sim/serving/measured/measured_timer.h"

#include <algorithm>
#include <cmath>

namespace tollgate {

double MeasuredTimer::attention(const RankBatch& b) const {
  if (b.empty()) return 0;
  const auto p = static_cast<double>(b.prefill_tokens),
             before = static_cast<double>(b.prefill_before);
  const auto n = static_cast<double>(b.decode_sequences);
  // The tables are indexed by the mean in whole tokens.
  const double mean =
      b.decode_sequences > 0 ? static_cast<double>(b.decode_context / b.decode_sequences) : 0;
  const double even = tables_.attention(p, before, n, mean);
  const auto longest = static_cast<double>(b.decode_longest);
  if (!model_.uneven_contexts || b.decode_sequences < 2 || longest <= mean) return even;
  const double alpha =
      tables_.skew(p, before, n, longest, mean, static_cast<double>(b.decode_shortest));
  const double all_longest = tables_.attention(p, before, n, longest);
  return all_longest > even ? even + alpha * (all_longest - even) : even;
}

/// Collectives of one layer: two all-reduces (2 (p - 1) / p of the data per direction), or, around
/// experts spread over ranks, the gather of hidden states and router logits and the scatter back.
double MeasuredTimer::between_layers(double tokens) const {
  const double per_us = model_.link_gb_per_s * 1e3;
  double sum = 0;
  if (model_.tensor > 1) {
    const double p = model_.tensor;
    sum += 2 * (model_.collective_us + tokens * model_.hidden * 2 * 2 * (p - 1) / p / per_us);
  }
  if (model_.experts > 0 && model_.expert_ranks > 1) {
    const double share = tokens / model_.expert_ranks;
    sum += 2 * model_.collective_us + share * (2 * model_.hidden + model_.experts) * 2 / per_us;
  }
  return sum;
}

Ticks MeasuredTimer::step(std::span<const RankBatch> ranks) const {
  std::int64_t most_tokens = 1, most_requests = 0;
  double attention_us = 0;
  for (const RankBatch& r : ranks) {
    most_tokens = std::max(most_tokens, r.prefill_tokens + r.decode_sequences);
    most_requests = std::max(most_requests, r.prefill_requests + r.decode_sequences);
    attention_us = std::max(attention_us, attention(r));
  }
  const auto tokens = static_cast<double>(most_tokens);
  double layer = 2 * tables_.dense("layernorm", tokens) + attention_us + between_layers(tokens);
  for (const char* name : {"qkv_proj", "rotary_emb", "qk_norm", "o_proj"}) {
    layer += tables_.dense(name, tokens);
  }
  if (model_.experts == 0) {
    for (const char* name : {"gate_up_proj", "act_fn", "down_proj"}) {
      layer += tables_.dense(name, tokens);
    }
  } else {
    // A balanced gate: a rank meets each token that chooses one of its experts.
    double elsewhere = 1;
    for (int k = 0; k < model_.top_k; ++k) elsewhere *= 1 - 1.0 / model_.expert_ranks;
    const double activated =
        std::min(tokens * model_.top_k, 1.0 * model_.experts) / model_.expert_ranks;
    layer += tables_.experts(tokens * (1 - elsewhere), activated);
  }
  const double us = tables_.dense("embedding", tokens) + model_.layers * layer +
                    tables_.dense("final_layernorm", tokens) +
                    tables_.per_sequence(static_cast<double>(most_requests)) + model_.step_us;
  return std::max<Ticks>(1, std::llround(us * 1e6));
}

}  // namespace tollgate
