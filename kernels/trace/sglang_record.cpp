#include "kernels/trace/sglang_record.h"

#include <stdexcept>
#include <utility>

#include "kernels/trace/counts_builder.h"
#include "kernels/trace/trace_builder.h"

namespace tollgate::kernels {
namespace {

[[noreturn]] void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

/// The lengths of a prefill pass's sequences, if they are there and sum to its tokens.
std::vector<int> sequence_lengths(const TorchFile& file, const TorchValue& record,
                                  std::int64_t tokens) {
  std::vector<int> lengths;
  const TorchValue* list = file.find(record, "extend_seq_lens");
  if (list != nullptr && list->kind == TorchValue::Kind::list) {
    std::int64_t sum = 0;
    for (const int item : list->items) {
      const TorchValue& length = file[item];
      if (length.kind != TorchValue::Kind::integer || length.integer < 0 ||
          length.integer > tokens) {
        return std::vector<int>(static_cast<std::size_t>(tokens), 1);
      }
      lengths.push_back(static_cast<int>(length.integer));
      sum += length.integer;
    }
    if (sum == tokens) return lengths;
  }
  return std::vector<int>(static_cast<std::size_t>(tokens), 1);
}

IntegerArray logical_map(const TorchFile& file) {
  const TorchValue* value = file.find(file.root(), "last_physical_to_logical_map");
  if (value == nullptr) fail(file.name() + " has no last_physical_to_logical_map.");
  IntegerArray map = file.tensor(*value, "last_physical_to_logical_map");
  if (map.axes() != 2) fail(file.name() + ": last_physical_to_logical_map has not two axes.");
  return map;
}

}  // namespace

bool is_sglang_record(const TorchFile& file) {
  return file.find(file.root(), "logical_count") != nullptr ||
         file.find(file.root(), "records") != nullptr;
}

RoutingRecord read_sglang_record(const TorchFile& file, int experts, int top_k) {
  RoutingRecord result;
  result.format = RecordFormat::sglang_recorder;
  CountsBuilder counts(file.name(), experts, top_k);
  if (const TorchValue* value = file.find(file.root(), "logical_count")) {
    counts.add(file.tensor(*value, "logical_count"), "logical_count");
    result.counts = counts.finish();
    result.description =
        "SGLang expert distribution recorder, counts" + left_out(counts.dense_layers(), 0);
    return result;
  }
  const TorchValue* records = file.find(file.root(), "records");
  if (records == nullptr || records->kind != TorchValue::Kind::list || records->items.empty()) {
    fail(file.name() + " has no records of SGLang's expert distribution recorder.");
  }
  const IntegerArray logical = logical_map(file);
  TraceBuilder trace(file.name(), experts, top_k);
  const bool by_token = file.find(file[records->items[0]], "topk_ids_of_layer") != nullptr;
  for (std::size_t i = 0; i < records->items.size(); ++i) {
    const TorchValue& record = file[records->items[i]];
    const std::string where = "record " + std::to_string(i);
    const char* key = by_token ? "topk_ids_of_layer" : "global_physical_count";
    const TorchValue* value = file.find(record, key);
    if (value == nullptr) fail(file.name() + ", " + where + " has no " + key + ".");
    IntegerArray array = file.tensor(*value, where + ", " + key);
    if (!by_token) {
      counts.add(array, where, &logical);
      continue;
    }
    if (array.axes() != 3 || array.shape[0] != logical.shape[0]) {
      fail(file.name() + ", " + where +
           ": topk_ids_of_layer must have layers, tokens and choices, with as many layers as "
           "last_physical_to_logical_map.");
    }
    std::swap(array.shape[0], array.shape[1]);
    std::swap(array.strides[0], array.strides[1]);
    trace.add(array, sequence_lengths(file, record, array.shape[0]), where, &logical);
  }
  if (by_token) {
    result.trace = trace.finish();
    result.description = "SGLang expert distribution recorder, tokens of " +
                         std::to_string(records->items.size()) + " forward passes" +
                         left_out(trace.dense_layers(), trace.padding_tokens());
  } else {
    result.counts = counts.finish();
    result.description = "SGLang expert distribution recorder, counts of " +
                         std::to_string(records->items.size()) + " forward passes" +
                         left_out(counts.dense_layers(), 0);
  }
  return result;
}

}  // namespace tollgate::kernels
