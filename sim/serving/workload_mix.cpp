#include "sim/serving/workload_mix.h"

#include <algorithm>

namespace tollgate {
namespace {

constexpr int length_bins = 64;
constexpr int context_bins = 24;  // of inputs and of outputs: their product is walked

}  // namespace

WorkloadMix summarise(const std::vector<RequestClass>& workload, double longest) {
  double weights = 0;
  for (const RequestClass& r : workload) weights += r.weight;
  WorkloadMix mix;
  double asked = 0, squares = 0, resident = 0, reserved = 0;
  const auto mean_of = [](const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  };
  for (const RequestClass& r : workload) {
    const double w = r.weight / weights;
    const double h = r.prefix_hit_rate;
    // The prompt takes what the mean answer leaves.
    const std::vector<double> answers = r.output.bins(length_bins, longest - 1);
    const double answer = mean_of(answers);
    const std::vector<double> prompts = r.input.bins(length_bins, std::max(1.0, longest - answer));
    asked += w * (r.input.average() + r.output.average());
    mix.output += w * answer;
    mix.decoded += w * std::max(0.0, answer - 1);
    for (const double prompt : prompts) {
      const double share = w / static_cast<double>(prompts.size());
      // A fully cached prompt still computes its last token (vLLM, SGLang).
      const double computed = std::max(1.0, (1 - h) * prompt);
      const double cached = prompt - computed;
      mix.input += share * prompt;
      mix.cached += share * cached;
      squares += share * computed * computed;
      mix.contexts.prompts.push_back({computed, prompt, share});
      for (const double part : {0.125, 0.375, 0.625, 0.875}) {
        mix.contexts.prefill.push_back({cached + part * computed, share * computed / 4});
      }
    }
    const std::vector<double> starts = r.input.bins(context_bins, std::max(1.0, longest - answer));
    const std::vector<double> ends = r.output.bins(context_bins, longest - 1);
    const double pairs = static_cast<double>(starts.size() * ends.size());
    for (const double start : starts) {
      for (const double end : ends) {
        resident += w * end / pairs;
        reserved += w * end / pairs * std::min(longest, start + end);
        for (const double part : {0.25, 0.75}) {
          mix.contexts.decode.push_back(
              {std::min(longest, start + part * end), w * end / pairs / 2});
        }
      }
    }
  }
  mix.uncached = mix.input - mix.cached;
  mix.uncached_scv = std::max(0.0, squares / (mix.uncached * mix.uncached) - 1);
  mix.cut_share = std::max(0.0, 1 - (mix.input + mix.output) / asked);
  const auto normalise = [](std::vector<ContextMix::Point>& points) {
    double total = 0, mean = 0;
    for (const auto& p : points) total += p.share;
    for (auto& p : points) {
      p.share /= total;
      mean += p.share * p.context;
    }
    return mean;
  };
  mix.reserved_context = reserved / resident;
  mix.decode_context = normalise(mix.contexts.decode);
  mix.prefill_context = normalise(mix.contexts.prefill);
  double second = 0;
  for (const auto& p : mix.contexts.decode) second += p.share * p.context * p.context;
  mix.decode_context_scv = std::max(0.0, second / (mix.decode_context * mix.decode_context) - 1);
  return mix;
}

}  // namespace tollgate
