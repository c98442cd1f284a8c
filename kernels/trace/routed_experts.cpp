#include "kernels/trace/routed_experts.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "kernels/trace/counts_builder.h"
#include "kernels/trace/trace_builder.h"

namespace tollgate::kernels {
namespace {

[[noreturn]] void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

void add_request(TraceBuilder& trace, const IntegerArray& choices, const std::string& where) {
  // A wrong number of axes is refused by the builder; a sequence beyond int as well.
  const std::int64_t tokens = choices.shape.empty() ? 0 : choices.shape[0];
  const int length = static_cast<int>(std::min<std::int64_t>(tokens, INT32_MAX));
  trace.add(choices, std::array{length}, where);
}

RoutingRecord finished(TraceBuilder& trace, const std::string& what, std::size_t requests) {
  RoutingRecord result;
  result.format = RecordFormat::vllm_routed_experts;
  result.trace = trace.finish();
  result.description = what + " of " + std::to_string(requests) +
                       (requests == 1 ? " request" : " requests") +
                       left_out(trace.dense_layers(), trace.padding_tokens());
  return result;
}

}  // namespace

RoutingRecord read_routed_npy(std::string_view bytes, const std::string& name, int experts,
                              int top_k) {
  const IntegerArray array = parse_npy(bytes, name);
  if (array.axes() == 2) {
    CountsBuilder counts(name, experts, top_k);
    counts.add(array, "the array");
    RoutingRecord result;
    result.format = RecordFormat::vllm_routed_experts;
    result.counts = counts.finish();
    result.description = "array of counts" + left_out(counts.dense_layers(), 0);
    return result;
  }
  TraceBuilder trace(name, experts, top_k);
  add_request(trace, array, "");
  return finished(trace, "array of choices", 1);
}

RoutingRecord read_routed_npz(const std::vector<ZipMember>& members, const std::string& name,
                              int experts, int top_k) {
  TraceBuilder trace(name, experts, top_k);
  for (const ZipMember& member : members) {
    const std::string where = "member " + shown(member.name);
    add_request(trace, parse_npy(member.data, name + ", " + where), where);
  }
  if (members.empty()) fail(name + " is an archive without arrays.");
  return finished(trace, "arrays of choices", members.size());
}

RoutingRecord read_routed_torch(const TorchFile& file, int experts, int top_k) {
  TraceBuilder trace(file.name(), experts, top_k);
  const bool many = file.root().kind == TorchValue::Kind::list;
  const std::size_t requests = many ? file.root().items.size() : 1;
  for (std::size_t i = 0; i < requests; ++i) {
    const TorchValue* value = many ? &file[file.root().items[i]] : &file.root();
    const std::string where = many ? "request " + std::to_string(i) : "";
    if (value->kind == TorchValue::Kind::dict) value = file.find(*value, "routed_experts");
    if (value == nullptr || value->kind != TorchValue::Kind::tensor) {
      fail(file.name() + (many ? ", " + where : "") +
           " has neither logical_count nor records (SGLang) nor routed_experts.");
    }
    add_request(trace, file.tensor(*value, many ? where : "routed_experts"), where);
  }
  return finished(trace, "tensors of choices", requests);
}

bool decode_base64(std::string_view text, std::string& bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const std::array<std::int8_t, 256> kValues = [] {
    std::array<std::int8_t, 256> values;
    values.fill(-1);
    for (std::size_t i = 0; i < kDigits.size(); ++i) {
      values[static_cast<unsigned char>(kDigits[i])] = static_cast<std::int8_t>(i);
    }
    return values;
  }();
  bytes.clear();
  if (text.size() % 4 != 0) return false;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return false;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>(bits >> held);
  }
  return true;
}

}  // namespace tollgate::kernels
