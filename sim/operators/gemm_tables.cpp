#include "sim/operators/gemm_tables.h"

#include <array>

#include "sim/base/text.h"
#include "sim/operators/gemm_curve.h"
#include "sim/operators/moe_curve.h"

namespace tollgate {
namespace {

/// Copies of W and of x that the collectors cycle through (aiconfigurator, collector/*/
/// collect_gemm.py): SGLang's builds six whole calls, vLLM's six layers over one x (one layer of
/// nvfp4), TensorRT-LLM's as many layers as fill the cache, at most five, over one x.
struct Cycle {
  double copies, inputs, until_full;
};
Cycle cycle_of(std::string_view backend, std::string_view precision) {
  if (backend == "sglang") return {6, 6, 0};
  if (backend == "trtllm") return {5, 1, 1};
  return {precision == "nvfp4" ? 1.0 : 6.0, 1, 0};
}

OperatorSample sample_of(const TableRow& row, std::string_view op, std::vector<double> shape) {
  const NumberFormat* format = find_number_format(row.text("dtype"));
  if (!format) {
    row.refuse("dtype is " + quote(row.text("dtype")) + ", which is not a number format.");
  }
  OperatorSample s;
  s.key = {std::string(op), std::string(row.text("backend")), std::string(format->name),
           std::string(row.text("kernel"))};
  s.version = row.text("version");
  s.shape = std::move(shape);
  s.seconds = row.number("latency_us") * 1e-6;
  return s;
}

void read_gemm(const TableRow& row, std::vector<OperatorSample>& out) {
  OperatorSample s = sample_of(row, "gemm", {row.number("m"), row.number("n"), row.number("k")});
  const Cycle cycle = cycle_of(s.key.backend, s.key.precision);
  s.shape.insert(s.shape.end(), {cycle.copies, cycle.inputs, cycle.until_full});
  out.push_back(std::move(s));
}

/// The tables of scale computation have the same columns and hold differences of two kernels, down
/// to zero: nothing that runs.
void read_quantise(const TableRow& row, std::vector<OperatorSample>& out) {
  if (row.file().find("computescale") != std::string_view::npos) return;
  out.push_back(sample_of(row, "quantise", {row.number("m"), row.number("k")}));
}

/// Absorbed projections of DeepSeek-V3: 128 of a head to 512 of the latent, and back (arXiv
/// 2412.19437, section 2.1).
void read_mla_bmm(const TableRow& row, std::vector<OperatorSample>& out) {
  const bool before = row.text("op") == "mla_gen_pre";
  if (!before && row.text("op") != "mla_gen_post") {
    row.refuse("op is " + quote(row.text("op")) + ", not mla_gen_pre or mla_gen_post.");
  }
  OperatorSample s = sample_of(row, "batched_gemm",
                               {row.number("heads"), row.number("tokens"), before ? 512.0 : 128.0,
                                before ? 128.0 : 512.0, 1});
  out.push_back(std::move(s));
}

constexpr std::string_view eager =
    "launched without a CUDA graph: a floor of 55 to 370 us of host time";

// All in aiconfigurator 095f58a5.
constexpr std::array<KnownBad, 8> bad_tables{{
    {"gemm", "", "vllm", "fp8_block", "DeepGemmFp8BlockScaledMMKernel", eager},
    {"gemm", "", "vllm", "fp8_block", "CutlassFp8BlockScaledMMKernel", eager},
    {"gemm", "", "vllm", "fp8_block", "FlashInferFp8BlockScaledMMKernel", eager},
    {"gemm", "", "vllm", "fp8_block", "TritonFp8BlockScaledMMKernel", eager},
    {"gemm", "GB300-NVL72", "sglang", "", "", "a copy of the B300 table: equal to the last digit"},
    {"moe", "H100-SXM", "vllm", "fp8", "vllm_modeloptfp8moe_flashinfer_cutlass_flashinferexperts",
     "reaches 15 to 20 % of the memory bandwidth: not the kernel that serves"},
    {"moe", "H200-SXM", "vllm", "fp8", "vllm_modeloptfp8moe_flashinfer_cutlass_flashinferexperts",
     "reaches 15 to 20 % of the memory bandwidth: not the kernel that serves"},
    {"batched_gemm", "", "trtllm", "fp8", "trtllm_bmm_out_dequant_bf16",
     "a bf16 product under another name"},
}};

}  // namespace

std::span<const OperatorCurve* const> product_curves() {
  static const std::array<const OperatorCurve*, 4> curves{&gemm_curve(), &batched_gemm_curve(),
                                                          &quantise_curve(), &moe_curve()};
  return curves;
}

std::vector<TableFormat> gemm_tables() {
  return {
      {"gemm",
       {"backend", "version", "dtype", "kernel", "m", "n", "k", "latency_us"},
       {"experts", "heads", "batch"},
       read_gemm},
      {"quantise",
       {"backend", "version", "dtype", "kernel", "m", "k", "latency_us"},
       {"n", "experts", "heads", "batch"},
       read_quantise},
      {"mla_bmm",
       {"op", "backend", "version", "dtype", "kernel", "heads", "tokens", "latency_us"},
       {"batch", "seq", "experts"},
       read_mla_bmm},
  };
}

std::span<const KnownBad> product_known_bad() { return bad_tables; }

}  // namespace tollgate
