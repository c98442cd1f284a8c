#pragma once
/// Hash routing: experts by token id. The parameters, no code.

#include <cstdint>
#include <vector>

namespace tollgate::kernels {

/// How often a token id occurs.
///   uniform  all alike
///   zipf     in proportion to 1 / (id + 1): Zipf's law (1949) with ids in order of frequency, as
///            byte-pair vocabularies nearly are
enum class UnigramLaw { uniform, zipf };

/// Ids and table of a hash-routed gate (DeepSeek-V4, first layers: vLLM
/// router/fused_topk_bias_router.py, `hash_indices_table`). Every token draws its id from the law,
/// the same at all layers.
///
/// Without a table every id gets top_k different experts at random, by seed and layer, each set
/// equally likely. DeepSeek publishes that the table exists (tid2eid, vocabulary x top_k, in the
/// checkpoint), but not how it was made; if it was balanced by frequency, real layers are flatter.
struct HashSpec {
  int vocabulary = 129280;  ///< token ids; the default is DeepSeek-V3's and V4's
  UnigramLaw law = UnigramLaw::zipf;

  /// Empty, [vocabulary][top_k] (the same at every layer) or [layers][vocabulary][top_k]: expert
  /// ids, different ones within a row. Copied as it stands: the order is the slots' order.
  std::vector<std::uint16_t> table;
};

}  // namespace tollgate::kernels
