#include "kernels/trace/counts_builder.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace tollgate::kernels {
namespace {

constexpr std::int64_t kMaxCount = std::int64_t{1} << 40;
constexpr std::int64_t kMaxLayers = 4096;

[[noreturn]] void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

}  // namespace

CountsBuilder::CountsBuilder(std::string name, int experts, int top_k)
    : name_(std::move(name)), experts_(experts), top_k_(top_k) {
  check_trace_shape(experts, top_k);
}

void CountsBuilder::add(const IntegerArray& counts, const std::string& where,
                        const IntegerArray* logical) {
  const std::string place = name_ + ", " + where + ": ";
  if (counts.axes() != 2 && counts.axes() != 3) {
    fail(place + "counts have " + std::to_string(counts.axes()) +
         " axes; they must be layers and experts, or steps, layers and experts.");
  }
  const bool steps = counts.axes() == 3;
  const std::int64_t count = steps ? counts.shape[0] : 1;
  const std::int64_t layers = counts.shape[steps ? 1 : 0], columns = counts.shape[steps ? 2 : 1];
  if (layers < 1 || layers > kMaxLayers || (layers_ >= 0 && layers != layers_)) {
    fail(place + "there are " + std::to_string(layers) + " layers" +
         (layers_ >= 0 ? ", but " + std::to_string(layers_) + " before." : "."));
  }
  if (logical == nullptr && columns != experts_) {
    fail(place + "there are counts of " + std::to_string(columns) + " experts, not of " +
         std::to_string(experts_) + ".");
  }
  if (logical != nullptr && (logical->shape[0] != layers || logical->shape[1] != columns)) {
    fail(place + "the counts have another shape than last_physical_to_logical_map.");
  }
  layers_ = layers;
  counts_.resize(static_cast<std::size_t>(layers * experts_));
  for (std::int64_t step = 0; step < count; ++step) {
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      for (std::int64_t column = 0; column < columns; ++column) {
        const std::int64_t n = counts.at(steps ? counts.position(step, layer, column)
                                               : counts.position(layer, column));
        const std::int64_t expert =
            logical == nullptr ? column : logical->at(logical->position(layer, column));
        const auto at = [&] {
          return place + "layer " + std::to_string(layer) + ", expert " + std::to_string(column) +
                 " ";
        };
        if (n < 0) fail(at() + "has the count " + std::to_string(n) + ".");
        if (expert < 0 || expert >= experts_) {
          fail(at() + "is logical expert " + std::to_string(expert) + "; ids are 0 to " +
               std::to_string(experts_ - 1) + ".");
        }
        std::int64_t& sum = counts_[static_cast<std::size_t>(layer * experts_ + expert)];
        if (n >= kMaxCount - sum) fail(at() + "has a count beyond 2^40.");
        sum += n;
      }
    }
  }
}

ExpertCounts CountsBuilder::finish() {
  ExpertCounts result;
  result.experts = experts_;
  for (std::int64_t layer = 0; layer < layers_; ++layer) {
    const auto first = counts_.begin() + layer * experts_;
    if (std::all_of(first, first + experts_, [](std::int64_t n) { return n == 0; })) {
      ++dense_layers_;
      continue;
    }
    result.layer_ids.push_back(static_cast<int>(layer));
    result.counts.insert(result.counts.end(), first, first + experts_);
  }
  if (result.layer_ids.empty()) fail(name_ + " has no activations.");
  check_counts(result, top_k_, name_);
  return result;
}

void check_counts(const ExpertCounts& counts, int top_k, const std::string& name) {
  const auto experts = static_cast<std::size_t>(counts.experts);
  for (std::size_t layer = 0; layer < counts.layer_ids.size(); ++layer) {
    const auto first = counts.counts.begin() + static_cast<std::ptrdiff_t>(layer * experts);
    const auto last = first + counts.experts;
    const std::int64_t sum = std::accumulate(first, last, std::int64_t{0});
    const auto most = std::max_element(first, last);
    // A sixty-fourth more, for tables that were scaled and rounded.
    if (*most * top_k > sum + sum / 64) {
      fail(name + ": layer " + std::to_string(counts.layer_ids[layer]) + ", expert " +
           std::to_string(most - first) + " has " + std::to_string(*most) + " of " +
           std::to_string(sum) +
           " activations, more than one per token with top_k = " + std::to_string(top_k) + ".");
    }
  }
}

}  // namespace tollgate::kernels
