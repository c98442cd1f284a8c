#pragma once
/// SGLang's expert distribution recorder, and counts that are written the same way.

#include "kernels/trace/record.h"
#include "kernels/trace/torch_file.h"

namespace tollgate::kernels {

/// Reads what /dump_expert_distribution_record saves (sgl-project/sglang 02295fe5,
/// python/sglang/srt/eplb/expert_distribution.py):
///
///   stat, stat_approx  {"rank", "logical_count": [buffered step][layer][logical expert], ...};
///                      the steps are summed. [layer][expert] is read too.
///   per_pass           {"records": [{"forward_pass_id", "rank", "global_physical_count": [layer]
///                      [physical expert], ...}, ...], "last_physical_to_logical_map": [layer]
///                      [physical expert]}; counts of one rank's file, translated and summed.
///   per_token          the same records with "topk_ids_of_layer": [layer][token][8], physical ids,
///                      -1 where nothing is, and "extend_seq_lens", by which a prefill pass is
///                      split into sequences. The recorder writes no request ids, so every token of
///                      a decode pass is a sequence of its own. It keeps 8 choices whatever the
///                      model, so models with more cannot be recorded that way.
///
/// Throws std::invalid_argument as read_record says, also for any other dictionary.
RoutingRecord read_sglang_record(const TorchFile& file, int experts, int top_k);

/// Whether the file is a dictionary of the recorder.
bool is_sglang_record(const TorchFile& file);

}  // namespace tollgate::kernels
