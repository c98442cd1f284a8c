#include "kernels/cuda/cuda_backend.h"

#include <optional>
#include <stdexcept>
#include <utility>

#include "kernels/core/hash_routing.h"
#include "kernels/core/popularity.h"
#include "kernels/core/shape.h"
#include "kernels/cuda/cuda_routing.h"

namespace tollgate::kernels {

std::string_view CudaBackend::name() const { return "cuda"; }
std::string_view CudaBackend::description() const {
  return "CUDA, one warp per token, on the current device";
}

#if defined(TOLLGATE_HAVE_CUDA)

namespace {

/// The tables on the host side, kept alive while the device works.
struct Prepared {
  std::optional<Popularity> popularity;  ///< unless hash routed
  std::optional<HashRouting> hash;
  std::vector<std::int32_t> bias;
  CudaProblem device;

  explicit Prepared(const RoutingProblem& problem) {
    device = {};
    if (problem.gate.hash) {
      hash.emplace(problem);
      device.token_ids = hash->token_ids().data();
      device.hash_table = hash->table();
      device.hash_entries = static_cast<long long>(problem.hash.table.size());
      device.hash_layer_stride = hash->layer_stride();
    } else {
      popularity.emplace(problem);
      device.contexts = popularity->contexts();
      device.popularity = popularity->all_logits().data();
      device.token_contexts = popularity->token_contexts().data();
    }
    if (!problem.bias.empty()) {
      for (int layer = 0; layer < problem.layers; ++layer) {
        const std::int32_t* row = gate_at(problem, layer).bias;
        bias.insert(bias.end(), row, row + problem.choices());
      }
    }
    device.gate = problem.gate;
    device.experts = problem.experts;
    device.choices = problem.choices();
    device.evaluates_all = evaluates_all(gate_at(problem, 0));
    device.layers = problem.layers;
    device.tokens = problem.tokens;
    device.seed = problem.seed;
    device.stream = problem.stream;
    device.bias = bias.empty() ? nullptr : bias.data();
    device.gumbel = &gumbel_tables();
    device.scores = &score_tables();
    device.rank_counts = problem.rank_counts.data();
    device.rank_count_number = static_cast<int>(problem.rank_counts.size());
  }
};

void require_device() {
  const std::string reason = cuda_unavailable_reason();
  if (!reason.empty())
    throw std::runtime_error("The CUDA routing backend cannot run: " + reason + ".");
}

}  // namespace

Availability CudaBackend::available() const {
  static const std::string reason = cuda_unavailable_reason();
  return {reason.empty(), reason};
}

std::vector<std::uint16_t> CudaBackend::select(const RoutingProblem& problem) const {
  validate(problem);
  require_device();
  const Prepared prepared(problem);
  const CudaRouting routing(prepared.device);
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(problem.layers) * problem.tokens *
                                 problem.gate.top_k);
  routing.copy_ids(ids.data());
  return with_shared_slots(problem, std::move(ids));
}

RoutingStats CudaBackend::route(const RoutingProblem& problem) const {
  validate(problem);
  require_device();
  const Prepared prepared(problem);
  const CudaRouting routing(prepared.device);
  RoutingStats stats = empty_stats(problem);
  std::vector<std::int64_t> destinations(problem.rank_counts.size());
  routing.count_tokens(stats.expert_tokens.data(), destinations.data());
  for (std::size_t r = 0; r < destinations.size(); ++r) {
    stats.traffic[r].destination_ranks_sum = destinations[r];
  }
  for (BatchStats& batch : stats.batches) {
    const auto samples =
        static_cast<std::size_t>(problem.layers) * (problem.tokens / batch.batch_size);
    std::vector<WindowRecord> windows(samples);
    std::vector<RankRecord> ranks(samples * batch.ranks.size());
    routing.count_windows(batch.batch_size, windows.data(), ranks.data());
    for (std::size_t i = 0; i < samples; ++i) {
      const RankRecord* of_window = ranks.data() + i * batch.ranks.size();
      add_record(windows[i], of_window, batch);
      for (std::size_t r = 0; r < batch.ranks.size(); ++r) {
        batch.ranks[r].busiest_load.push_back(of_window[r].busiest_load);
      }
    }
  }
  finish_stats(stats);
  return stats;
}

#else

namespace {
constexpr const char* kNotBuilt = "this program was built without CUDA";
}

Availability CudaBackend::available() const { return {false, kNotBuilt}; }

std::vector<std::uint16_t> CudaBackend::select(const RoutingProblem&) const {
  throw std::runtime_error(std::string("The CUDA routing backend cannot run: ") + kNotBuilt + ".");
}

RoutingStats CudaBackend::route(const RoutingProblem&) const {
  throw std::runtime_error(std::string("The CUDA routing backend cannot run: ") + kNotBuilt + ".");
}

#endif

}  // namespace tollgate::kernels
