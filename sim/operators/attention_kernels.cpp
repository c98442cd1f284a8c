#include "sim/operators/attention_kernels.h"

#include <initializer_list>
#include <utility>

namespace tollgate {

std::string prefill_kernel(std::string_view library, double head_dim) {
  int compiled = 512;
  for (const int d : {256, 192, 128, 64}) {
    if (head_dim <= d) compiled = d;
  }
  return std::string(library) + ".d" + std::to_string(compiled);
}

std::string decode_kernel(std::string_view library, double head_dim, double heads, double kv_heads,
                          double window) {
  std::string name = prefill_kernel(library, head_dim);
  if (heads <= kv_heads) name += ".mha";
  if (heads > 32 * kv_heads) name += ".wide";
  if (kv_heads == 1 && heads > 1 && heads <= 32 && window <= 0) name += ".mqa";
  if (window > 0) name += ".window";
  return name;
}

std::string latent_decode_kernel(std::string_view library, std::string_view backend,
                                 std::string_view architecture, std::string_view cache,
                                 double heads) {
  std::string name(library);
  if (heads <= 1 && library.find("triton") != std::string_view::npos) name += ".mha";
  if (backend == "trtllm" && architecture == "blackwell_rtx" && cache == "fp8" && heads == 128) {
    name += ".xqa";
  }
  return name;
}

std::string_view kernel_library(std::string_view kernel) {
  const std::string_view head = kernel.substr(0, kernel.find('.'));
  if (kernel.find(".d") == std::string_view::npos) return head;
  // TensorRT-LLM's kernels come with FlashInfer, so its name goes first.
  using Names = std::pair<std::string_view, std::string_view>;
  for (const auto& [part, library] : {Names{"trtllm", "trtllm"},
                                      {"flashinfer", "flashinfer"},
                                      {"triton", "triton"},
                                      {"flash_att", "flash_attention"},
                                      {"fa2", "flash_attention"},
                                      {"fa3", "flash_attention"},
                                      {"fa4", "flash_attention"}}) {
    if (head.find(part) != std::string_view::npos) return library;
  }
  return head;
}

}  // namespace tollgate
