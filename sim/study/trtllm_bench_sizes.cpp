#include "sim/study/trtllm_bench_sizes.h"

#include <algorithm>
#include <cmath>

#include "sim/spec/architecture.h"

namespace tollgate {
namespace {

/// What the benchmark counts as bytes of an element.
double bench_bytes(Precision format) {
  return format == Precision::nvfp4 ? 0.5 : format == Precision::fp8 ? 1 : 2;
}

/// Elements of a checkpoint's tensors by parameter: NVFP4 packs two into one and has a scale for
/// every sixteen.
double stored(Precision format) { return format == Precision::nvfp4 ? 1 / 2.0 + 1 / 16.0 : 1; }

double checkpoint_elements(const LlmSpec& model, const PrecisionMap& p) {
  const ParameterCount n = count_parameters(model);
  return n.embedding + n.lm_head + n.norms + n.router + n.mtp + n.other +
         n.attention * stored(p.attention) + n.dense_ffn * stored(p.dense_ffn) +
         n.experts * stored(p.experts) + n.shared_experts * stored(p.shared_experts);
}

double rounded_up(double value, double step) { return step * std::ceil(value / step); }

}  // namespace

BenchSizes trtllm_bench_sizes(const LlmSpec& model, const HardwareSpec& hardware,
                              const Deployment& ranks, const PrecisionMap& precision, double input,
                              double output, double memory_share) {
  const Precision format = model.has_experts() ? precision.experts : precision.dense_ffn;
  // Hybrids have branches of their own, which are left out.
  const bool hybrid =
      model.attentions.empty() ||
      std::any_of(model.attentions.begin(), model.attentions.end(),
                  [](const AttentionSpec& a) { return a.kind == AttentionKind::linear; });
  const bool tuned = !hybrid && (format == Precision::nvfp4 || format == Precision::fp8 ||
                                 format == Precision::bf16);
  double most = 2048, tokens = 8192;
  if (tuned) {
    // The first attention stands for all; latent attention is counted by its heads.
    const AttentionSpec& a = model.attentions.front();
    const bool latent = a.kind == AttentionKind::mla;
    const double heads = latent ? a.heads : a.kv_heads;
    const double width =
        latent ? std::floor(static_cast<double>(model.hidden) / a.heads) : a.head_dim;
    const double of_token = 2.0 * static_cast<double>(model.layers.size()) *
                            std::max<double>(ranks.stage_ranks(), heads) * width *
                            bench_bytes(precision.kv_cache);
    const double room = hardware.memory * ranks.gpus() -
                        checkpoint_elements(model, precision) * bench_bytes(format);
    const double requests =
        std::min(4096.0, std::max(0.0, room) * memory_share / (of_token * (input + output))) /
        ranks.pipeline;
    const double fed = std::min(32768.0, requests * (1 + input / output));
    most = requests < 256    ? std::max(64.0, rounded_up(requests, 32))
           : requests < 1024 ? rounded_up(requests, 128)
                             : rounded_up(requests, 256);
    tokens = fed < 4096   ? std::max(2048.0, rounded_up(fed, 256))
             : fed < 8192 ? rounded_up(fed, 512)
                          : rounded_up(fed, 1024);
  }
  return {static_cast<int>(most), static_cast<int>(std::max(tokens, input + most))};
}

}  // namespace tollgate
