#pragma once

#include <vector>

#include "sim/spec/model_spec.h"

namespace tollgate {

/// A deployment with every size decided. World size = tensor x pipeline x data_attention.
struct Deployment {
  int tensor = 1;          ///< attention and dense layers are split over so many ranks
  int pipeline = 1;        ///< layers are split over so many stages
  int expert = 1;          ///< experts are split over so many ranks
  int data_attention = 1;  ///< groups of `tensor` ranks, each with its own sequences

  int gpus() const { return tensor * pipeline * data_attention; }
  int stage_ranks() const { return tensor * data_attention; }
  /// Ranks that share one expert, each holding a slice of its hidden width.
  int expert_tensor() const { return stage_ranks() / expert; }
  /// Tokens of one group meet experts on ranks of another.
  bool exchanges_tokens() const { return data_attention > 1 && expert > 1; }
  bool operator==(const Deployment&) const = default;
};

/// Which entry of PrecisionMap stores a tensor.
enum class TensorClass { attention, dense_ffn, experts, shared_experts, router, embedding };
Precision precision_of(const PrecisionMap& map, TensorClass tensor);

/// One matrix as one rank holds it: `count` matrices of n rows (outputs) by k columns (inputs),
/// used in one batched call. FLOPs per token: 2 count n k.
struct Matrix {
  double n = 0;
  double k = 0;
  double count = 1;
  TensorClass tensor = TensorClass::attention;
  double elements() const { return n * k * count; }
};

/// Matrices of one attention layer on one rank of a tensor-parallel group, in call order; matrices
/// that engines fuse into one call are one entry. Key-value heads are replicated when there are
/// fewer than ranks; MLA's down-projections and sparse indexers are on every rank (vLLM, SGLang).
std::vector<Matrix> attention_matrices(const AttentionSpec& attention, int hidden, int tensor);

/// Matrices of a dense FFN, or of the shared experts of a mixture: gate-and-up fused, then down.
std::vector<Matrix> dense_ffn_matrices(int hidden, double intermediate, bool gated, int tensor,
                                       TensorClass tensor_class);

/// Hidden width of all shared experts of a mixture together.
double shared_width(const FfnSpec& ffn);

/// Elements of one routed expert: two or three matrices between the width the experts work in
/// (`latent` or hidden) and `intermediate`.
double expert_elements(const FfnSpec& ffn, int hidden);

/// Whether a checkpoint that stores such tensors in `stored` is the publisher's: the shipped one,
/// or a release that scales fp8 per block as the shipped ones do. Others scale per tensor.
bool scaled_by_publisher(const LlmSpec& model, TensorClass tensor, Precision stored);

/// Whether slices of fp8 experts with a scale per block of 128 x 128 weights hold whole blocks.
/// Engines refuse to load others: "not divisible by weight quantization block_n" (vLLM, SGLang;
/// TensorRT-LLM pull request 14613).
bool slices_hold_whole_blocks(const LlmSpec& model, const PrecisionMap& precision,
                              const Deployment& deployment);

/// Share of one sequence's KV cache in a layer that one rank holds: gqa max(1, kv_heads / tensor) /
/// kv_heads; MLA and shared-KV caches are not split; linear state is split evenly.
double cache_share(const AttentionSpec& attention, int tensor);

}  // namespace tollgate
