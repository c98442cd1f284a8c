#pragma once

#include <span>

#include "sim/operators/curve.h"

namespace tollgate {

/// Collectives: columns ranks, bytes. `bytes` is the full tensor: what every rank holds after an
/// all_gather, before a reduce_scatter, and on both sides of an all_reduce and an all_to_all.
///
/// Inside one scale-up domain, with V the bytes that leave a rank, B the link's bandwidth, n ranks
/// and d = log2(n / 2):
///
///   t = launch + per_rank (n - 2) + (n > 2: ring)
///     + min(V / (B early gain_early^d),
///           gain_switch^d step + V / (B middle gain_late^d),
///           gain_switch^d switch + V / (B late gain_late^d))
///
/// V = (n - 1) / n bytes, twice that for an all_reduce (ring; Patarasuk and Yuan, 2009). The first
/// term of the min is the protocol of small messages (NCCL's LL, one-shot all-reduce: for it
/// gain_early is 1/2, since n - 1 whole copies leave a rank), the second one between (NCCL's
/// LL128), the third that of large ones (Simple), whose
/// bandwidth rises with ranks where the switch adds up (NVLS) and falls where links are shared;
/// beyond 8 ranks `gain_late` is held. The floor grows linearly with ranks: NCCL on H200
/// takes 6.1, 9.5, 16 us on 2, 4, 8 ranks, on B200 10.3, 15.1, 25.1 us. Two ranks exchange
/// directly; more need a ring or a second hop, `ring` (over PCIe the engines' own all-reduce is for
/// two only, vLLM custom_all_reduce.py, and more take NCCL's ring).
///
/// Across domains of m ranks, D domains: the collective inside a domain, and between them
/// V' / (0.9 B') + log2(D) x the network's latency, V' = 2 (D - 1) / D bytes / m for an all_reduce,
/// (D - 1) / D bytes / m for the two halves of one, (n - m) / n bytes for an all_to_all
/// (hierarchical all-reduce). 0.9 as in docs/method.md.
std::span<const OperatorCurve* const> collective_curves();

/// Exchanges of tokens between expert-parallel ranks; tokens are those of one rank.
///
/// dispatch, combine (DeepEP normal mode, TensorRT-LLM's NVLink kernels): columns ranks, tokens,
/// hidden, topk, processors (streaming multiprocessors given to it, 0 = all it wants). A token goes
/// once to each distinct rank: c = n (1 - (1 - 1/n)^topk) copies, (n - 1) / n of them over the
/// link.
///   t = launch + per_rank log2 n + tokens (token + c copy) / s + V / (B share s')
/// with s = processors / 20 (20 is DeepEP's default) or 1, s' = min(1, s / saturation),
/// V = tokens c (n - 1) / n x row.
///
/// dispatch_low_latency, combine_low_latency (DeepEP): columns ranks, tokens, hidden, topk,
/// experts. One copy per choice; one group of warps serves one pair of expert and source rank:
///   t = launch + per_expert experts + V / (B share) + (tokens topk / experts) row / pair
/// with V = tokens topk (n - 1) / n x row.
///
/// A row is hidden elements of the format (fp8: with a float scale per 128), combine 2 bytes each.
/// Across domains the remote part goes over the network: + V' / (0.9 B') + its latency, with V' the
/// copies for ranks of other domains, once per domain in normal mode, once per choice in low
/// latency (DeepEP README).
std::span<const OperatorCurve* const> expert_exchange_curves();

/// elementwise: columns bytes (read and written). t = launch + bytes / (W share), share = `memory`,
/// or `cached` while the bytes fit half the last-level cache.
std::span<const OperatorCurve* const> elementwise_curves();

}  // namespace tollgate
