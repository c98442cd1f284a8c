#include "kernels/cuda/cuda_backend.h"

#include <optional>
#include <stdexcept>
#include <utility>

#include "kernels/core/given_logits.h"
#include "kernels/core/hash_routing.h"
#include "kernels/core/popularity.h"
#include "kernels/core/shape.h"
#include "kernels/cuda/alias_kernel.h"
#include "kernels/cuda/cuda_routing.h"
#include "kernels/cuda/logit_kernel.h"
#include "kernels/cuda/permute_kernel.h"
#include "kernels/generator/alias_generator.h"

namespace tollgate::kernels {

std::string_view CudaBackend::name() const { return "cuda"; }
std::string_view CudaBackend::description() const {
  return "CUDA, one warp per token, on the current device";
}

#if defined(TOLLGATE_HAVE_CUDA)

namespace {

/// The bias of every layer, or nothing.
std::vector<std::int32_t> all_bias(const RoutingProblem& problem) {
  std::vector<std::int32_t> bias;
  for (int layer = 0; layer < problem.layers && !problem.bias.empty(); ++layer) {
    const std::int32_t* row = gate_at(problem, layer).bias;
    bias.insert(bias.end(), row, row + problem.choices());
  }
  return bias;
}

/// The tables on the host side, kept alive while the device works.
struct Prepared {
  std::optional<Popularity> popularity;  ///< unless hash routed
  std::optional<HashRouting> hash;
  std::vector<std::int32_t> bias;
  CudaProblem device;

  explicit Prepared(const RoutingProblem& problem) : bias(all_bias(problem)) {
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

std::vector<std::uint16_t> CudaBackend::select_logits(const RoutingProblem& problem,
                                                      std::span<const float> logits) const {
  validate_shape(problem, logits);
  require_device();
  const std::vector<std::int32_t> bias = all_bias(problem);
  CudaProblem device = {};
  device.gate = problem.gate;
  device.experts = problem.experts;
  device.choices = problem.choices();
  device.evaluates_all = evaluates_all(gate_at(problem, 0));
  device.layers = problem.layers;
  device.tokens = problem.tokens;
  device.bias = bias.empty() ? nullptr : bias.data();
  device.scores = &score_tables();
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(problem.layers) * problem.tokens *
                                 problem.gate.top_k);
  const std::int64_t nan = cuda_select_logits(device, logits.data(), ids.data());
  if (nan >= 0) refuse_nan(problem, static_cast<std::size_t>(nan));
  return with_shared_slots(problem, std::move(ids));
}

std::vector<std::uint16_t> CudaBackend::draw(const GeneratorProblem& problem) const {
  const AliasGenerator generator(problem);
  require_device();
  const AliasShape shape = generator.shape();
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(problem.layers) * shape.tokens *
                                 shape.top_k);
  cuda_draw(shape, problem.layers, ids.data());
  return ids;
}

std::vector<std::int64_t> CudaBackend::histogram(const GeneratorProblem& problem) const {
  const AliasGenerator generator(problem);
  require_device();
  std::vector<std::int64_t> counts(static_cast<std::size_t>(problem.layers) * problem.experts);
  cuda_histogram(generator.shape(), problem.layers, counts.data());
  return counts;
}

std::vector<std::int64_t> CudaBackend::busiest_loads(const GeneratorProblem& problem,
                                                     int window_tokens, int ranks) const {
  const AliasGenerator generator(problem);
  generator.check_windows(window_tokens, ranks);
  require_device();
  std::vector<RankRecord> records(static_cast<std::size_t>(problem.layers) *
                                  (generator.tokens() / window_tokens));
  cuda_windows(generator.shape(), problem.layers, window_tokens, ranks, records.data());
  std::vector<std::int64_t> busiest;
  for (const RankRecord& record : records) busiest.push_back(record.busiest_load);
  return busiest;
}

Dispatch CudaBackend::permute(std::span<const std::uint16_t> slots, int top_k,
                              const Placement& placement, int tile) const {
  check_dispatch(slots, top_k, placement, tile);
  require_device();
  Dispatch out;
  out.tokens = static_cast<int>(slots.size()) / top_k;
  out.top_k = top_k;
  out.tile = tile;
  out.slot_rows.resize(placement.slots);
  out.slot_begin.resize(placement.slots + 1);
  out.padded_begin.resize(placement.slots + 1);
  out.choice_of_row.resize(slots.size());
  cuda_permute({slots.data(), static_cast<std::int32_t>(slots.size()), placement.slots, tile,
                out.slot_rows.data(), out.slot_begin.data(), out.padded_begin.data(),
                out.choice_of_row.data()});
  out.choice_of_row.resize(out.slot_begin.back());
  return out;
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

[[noreturn]] void refuse() {
  throw std::runtime_error(std::string("The CUDA routing backend cannot run: ") + kNotBuilt + ".");
}
}  // namespace

Availability CudaBackend::available() const { return {false, kNotBuilt}; }

std::vector<std::uint16_t> CudaBackend::select(const RoutingProblem&) const { refuse(); }
std::vector<std::uint16_t> CudaBackend::select_logits(const RoutingProblem&,
                                                      std::span<const float>) const {
  refuse();
}
std::vector<std::uint16_t> CudaBackend::draw(const GeneratorProblem&) const { refuse(); }
std::vector<std::int64_t> CudaBackend::histogram(const GeneratorProblem&) const { refuse(); }
std::vector<std::int64_t> CudaBackend::busiest_loads(const GeneratorProblem&, int, int) const {
  refuse();
}
Dispatch CudaBackend::permute(std::span<const std::uint16_t>, int, const Placement&, int) const {
  refuse();
}
RoutingStats CudaBackend::route(const RoutingProblem&) const { refuse(); }

#endif

}  // namespace tollgate::kernels
