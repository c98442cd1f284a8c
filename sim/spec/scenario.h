#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/spec/candidate_prices.h"
#include "sim/spec/cost_spec.h"
#include "sim/spec/demand_spec.h"
#include "sim/spec/disaggregation_spec.h"
#include "sim/spec/engine_spec.h"
#include "sim/spec/hardware_spec.h"
#include "sim/spec/market_spec.h"
#include "sim/spec/popularity_spec.h"
#include "sim/spec/price_spec.h"
#include "sim/spec/simulation_spec.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

/// How a model is spread over accelerators. 0 = chosen by the search (`auto`).
/// World size = tensor x pipeline x data_attention. Attention is sharded over `tensor` ranks inside
/// each of `data_attention` groups; experts over `expert` ranks, the rest of tensor x
/// data_attention splitting each expert (moe_tp = tensor x data_attention / expert).
struct DeploymentSpec {
  int gpus = 0;  ///< per replica; 0 = whatever is cheapest
  int tensor = 0;
  int pipeline = 0;
  int expert = 0;
  int data_attention = 0;
  std::optional<Precision>
      weights;  ///< every class stored wider is narrowed to it; else as shipped
  std::optional<Precision> kv_cache;
  int max_batch = 0;       ///< cap on sequences per replica; 0 = memory and max_num_seqs decide
  int max_num_seqs = 0;    ///< sequences a data-parallel group may run; 0 = the engine's
  int batched_tokens = 0;  ///< token budget of one step; 0 = the engine's
  double memory_utilisation = 0;                          ///< share of memory; 0 = the engine's
  MemoryBase memory_utilisation_of = MemoryBase::device;  ///< the engine's
  WindowCache window_cache = WindowCache::engine_default;
  bool planned_placement = false;  ///< experts placed by EPLB instead of contiguously
  /// Each step as two batches: one computes while the tokens of the other pass between ranks.
  bool two_batch_overlap = false;
  int redundant_experts = 0;  ///< replicas beyond one per expert, with planned placement
  int plan_domains = 0;       ///< domains of the traffic the plan was made from; 0 = as served
  double mtp_acceptance_length = 1;  ///< tokens emitted per verify step
  int mtp_draft_tokens = 0;
  std::optional<DisaggregationSpec> disaggregation;  ///< prompts and answers in pools of their own
  Places places;
};

/// The deployment with the engine's defaults for this accelerator where it leaves something open.
DeploymentSpec with_engine_defaults(DeploymentSpec deployment, const EngineSpec& engine,
                                    const HardwareSpec& hardware);

/// The deployment of one engine of a pool: what the pool says, on top of the whole's.
DeploymentSpec pool_deployment(const DeploymentSpec& whole, const PoolSpec& pool);

/// How tokens spread over experts; sent to the routing engine.
struct RoutingSpec {
  enum class Popularity { family, uniform, lognormal, zipf, power_law, trace };
  /// logits: noise on every expert, through the model's gate; alias: experts drawn one after the
  /// other, sticky from token to token, without gate and groups.
  enum class Form { logits, alias };
  Popularity popularity = Popularity::family;
  Form form = Form::logits;
  double sigma = 0;     ///< lognormal: total ln-popularity spread
  double exponent = 1;  ///< zipf, power_law
  int law_tokens = 0;   ///< power_law: batch the loads are drawn for; 0 = `tokens`
  std::string trace;    ///< folder of expert choices or CSV of counts, as a path from here
  std::optional<double> sigma_global, sigma_domain, sigma_topic;  ///< instead of the family's
  std::optional<double> stickiness, layer_jitter;                 ///< instead of the family's
  std::optional<int> domains, topics;  ///< instead of the family's; 1 domain is the most skewed
  int layers = 8;                      ///< independent popularity draws
  int tokens = 8192;                   ///< tokens drawn per layer, for decode and for prompts
  std::string backend = "auto";
  Places places;
};

/// Where the dollars come from.
struct PricingSpec {
  std::string level = "rent-3yr";  ///< GpuPrice::level
  std::string date;                ///< day on which the GPU price held; "" = the latest
  double usd_per_gpu_hour = 0;     ///< > 0: this price instead of the book
  RentSpec rent;
  std::optional<OwnershipSpec> ownership;  ///< instead of renting
  PowerSpec power;
  UtilisationSpec utilisation;
  AllocationChoice allocation = AllocationChoice::phase_time;  ///< of the bill over token classes
  double ratio = 4;  ///< token_ratio: an output token costs that many input tokens
  /// phase_time: seconds a cached token waits in memory for its use; between two turns of an agent
  /// pass 5.2 s (median of 610 traces, vLLM and Mooncake).
  double cache_hold = 5.2;
  std::optional<TariffSpec> tariff;
  std::optional<PackSpec> pack;
  Places places;
};

struct CandidateSpec {
  std::string name;
  LlmSpec model;
  HardwareSpec hardware;
  EngineSpec engine;
  DeploymentSpec deployment;    ///< with the engine's defaults where the scenario gives none
  RoutingSpec routing;          ///< the scenario's, with the candidate's own keys on top
  FamilyPopularity popularity;  ///< of the model's family, with the keys of `routing` on top
  PricingSpec pricing;          ///< the scenario's, with the candidate's own keys on top
  GpuPrice price;               ///< the one that applies, already looked up; not with ownership
  CandidatePrices prices;       ///< the others that pricing and answers ask for
  Places places;
};

/// Constants of the method that are not properties of a device or an engine; each can be
/// overridden. The sources of the defaults stand in docs/method.md.
struct MethodSpec {
  double activation_factor = 1;  ///< times the engines' workspace (sim/placement/memory_plan.cpp)
  double runtime_overhead = 3.5 * (1 << 30);  ///< bytes per accelerator: context and the like
  double serving_log_sd = 0.085;  ///< log-sd of steady-state predictions beyond the operators' own
  double draft_log_sd = 0.15;     ///< further, with draft tokens
  double pools_log_sd = 0.08;     ///< further, with prompts and answers in pools of their own
  Places places;
};

/// A question, complete: everything a run depends on.
struct Scenario {
  std::string name;
  std::string question;  ///< one sentence for the report
  std::uint64_t seed = 1;
  std::vector<CandidateSpec> candidates;
  std::vector<RequestClass> workload;
  LoadSpec load;
  SloSpec slo;
  RoutingSpec routing;
  MethodSpec method;
  Fidelity fidelity = Fidelity::analytic;
  SimulationSpec simulation;
  AnswersSpec answers;
  std::string inputs_digest;  ///< of the scenario text, the overrides and every file it refers to

  // What a market scenario asks instead of one `workload` (run_market answers it).
  std::vector<MixSpec> mixes;
  std::optional<MarketSpec> market;
  std::optional<ComparisonSpec> compare;
  std::optional<DemandSpec> demand;
  std::vector<GrowthSpec> growth;
  bool asks_market() const {
    return !mixes.empty() || market || compare || demand || !growth.empty();
  }
};

}  // namespace tollgate
