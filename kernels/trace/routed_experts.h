#pragma once
/// Choices that serving engines return with a request: arrays [token][layer][slot].

#include <string>
#include <string_view>

#include "kernels/trace/record.h"
#include "kernels/trace/torch_file.h"
#include "kernels/trace/zip.h"

namespace tollgate::kernels {

/// vLLM with --enable-return-routed-experts gives every completion `routed_experts`, an array
/// [token][layer][slot] of uint8, uint16 or int32 with one token less than the sequence has (the
/// last one is never run), all hidden layers, dense ones zero (vllm-project/vllm 00bd1493,
/// vllm/model_executor/layers/fused_moe/routed_experts_capturer.py; vllm/outputs.py). An .npy file
/// is one request, every member of an .npz one request. Two axes, [layer][expert], are counts.
RoutingRecord read_routed_npy(std::string_view bytes, const std::string& name, int experts,
                              int top_k);
RoutingRecord read_routed_npz(const std::vector<ZipMember>& members, const std::string& name,
                              int experts, int top_k);

/// A tensor [token][layer][slot] saved with torch.save, a list of them, or dictionaries of either
/// kind with the key routed_experts.
RoutingRecord read_routed_torch(const TorchFile& file, int experts, int top_k);

/// API responses, one, a JSON list, or one per line:
///
///   vLLM    {"choices": [{"routed_experts": R}], "prompt_routed_experts": P}, where R and P are
///           an .npy file in base64 (0.22, vllm pull request 38939) or nested lists (0.21); P, if
///           there is one, comes before R.
///   SGLang  {"meta_info": {"prompt_tokens", "completion_tokens", "routed_experts": R}}, R the
///           int32 values in base64 without a shape (sgl-project/sglang pull request 12162,
///           extract_routed_experts_from_meta_info); the shape follows from the tokens. Recorded
///           after the map to physical experts, so ids beyond `experts` are refused where there are
///           redundant experts.
///   counts  {"logical_count": [[...]]}, SGLang's --init-expert-location.
RoutingRecord read_routed_json(std::string_view text, const std::string& name, int experts,
                               int top_k);

/// Bytes of a base64 text (RFC 4648, with padding); false if it is none.
bool decode_base64(std::string_view text, std::string& bytes);

}  // namespace tollgate::kernels
