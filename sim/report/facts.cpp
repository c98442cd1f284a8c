#include "sim/report/facts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tollgate {

bool showable(const Estimate& e) {
  return std::isfinite(e.value) && std::isfinite(e.low) && std::isfinite(e.high) && e.value >= 0 &&
         e.low >= 0;
}

bool has_operating_point(const CandidateResult& c) {
  return c.fits && showable(c.batch) && c.batch.value > 0 && showable(c.tpot) &&
         showable(c.output_tokens_per_second_per_gpu) &&
         c.output_tokens_per_second_per_gpu.value > 0;
}

std::vector<std::size_t> by_cost(const RunResult& result) {
  std::vector<std::size_t> order(result.candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto group = [&](std::size_t i) {
    const CandidateResult& c = result.candidates[i];
    if (!has_operating_point(c)) return c.fits ? 2 : 3;
    return c.meets_slo ? 0 : 1;
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (group(a) != group(b)) return group(a) < group(b);
    if (group(a) > 1) return false;
    return result.candidates[a].usd_per_million_output_tokens.value <
           result.candidates[b].usd_per_million_output_tokens.value;
  });
  return order;
}

namespace {

template <class Sizes>
std::string sizes_text(const Sizes& s) {
  std::string text;
  const auto part = [&](const char* name, int degree) {
    if (degree <= 1) return;
    if (!text.empty()) text += ' ';
    text += name + std::to_string(degree);
  };
  part("TP", s.tensor);
  part("DP", s.data_attention);
  part("EP", s.expert);
  part("PP", s.pipeline);
  return text.empty() ? "1 GPU" : text;
}

}  // namespace

std::string pool_text(const PoolResult& pool) {
  return std::to_string(pool.instances) + " x " + sizes_text(pool);
}

std::string deployment_text(const CandidateResult& c) {
  if (!c.disaggregation) return sizes_text(c) + (c.two_batches ? ", two batches" : "");
  return "prefill " + pool_text(c.disaggregation->prefill) + ", decode " +
         pool_text(c.disaggregation->decode);
}

std::string short_name(const CandidateResult& c) {
  return c.name == c.model + " on " + c.hardware ? c.model : c.name;
}

bool is_dense(const CandidateResult& c) { return !c.mixture; }

}  // namespace tollgate
