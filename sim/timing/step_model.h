#pragma once

#include <array>
#include <string>
#include <vector>

#include "sim/placement/sharding.h"
#include "sim/spec/scenario.h"
#include "sim/timing/compute_path.h"
#include "sim/timing/routing_table.h"

namespace tollgate {

/// What one engine step works on, summed over the data-parallel groups of one pipeline micro-batch.
struct StepLoad {
  double prefill_tokens = 0;    ///< prompt tokens computed in this step
  double prefill_context = 0;   ///< positions one of them attends to, on average
  double busiest_prompt_rows = 0;  ///< prompt tokens on the fullest group, if above the even share
  double prompts_finished = 0;  ///< prompts whose last token is in this step
  double decode_sequences = 0;  ///< sequences that emit
  double decode_context = 0;    ///< cached tokens of such a sequence, on average
};

/// Operator classes of the breakdown; each has its own fitted error.
enum class OperatorClass { gemm, experts, attention, linear_attention, elementwise, collective, host };
inline constexpr std::size_t operator_classes = 7;
std::string_view to_string(OperatorClass operator_class);

/// Seconds spent at each limit. `host` holds launch latency and the host's own time.
struct LimitTimes {
  double compute = 0, hbm = 0, interconnect = 0, imbalance = 0, host = 0;
  double total() const { return compute + hbm + interconnect + imbalance + host; }
  /// The name of the largest: "compute", "hbm", "interconnect", "imbalance" or "host".
  std::string_view largest() const;
};

/// Where the time of a step goes.
struct StepTime {
  struct Class {
    LimitTimes at;
    Provenance provenance = Provenance::exact;
    double seconds() const { return at.total(); }
  };
  std::array<Class, operator_classes> by_class;
  double log_sd = 0;  ///< of the prediction: errors of a class move together, classes do not

  double seconds() const { return limits().total(); }
  LimitTimes limits() const;
  /// The worst provenance among the classes that take at least a tenth of the step.
  Provenance provenance() const;
  const Class& of(OperatorClass c) const { return by_class[static_cast<std::size_t>(c)]; }
};

/// The expert layers' routing: one table per FfnSpec index, empty for dense ones.
using RoutingTables = std::vector<std::vector<RoutingTable>>;

/// Time of one engine step as a sum of operators, each launch + max(flops / (compute x peak),
/// bytes / (memory x bandwidth)); a lock-stepped group waits for its busiest rank. Operator formulas
/// and their sources: docs/method.md, "Operators". Everything that does not depend on the batch is
/// worked out once in the constructor, so that a call costs well under a microsecond.
class StepModel {
 public:
  StepModel(const LlmSpec& model, const HardwareSpec& hardware, const Deployment& deployment,
            const PrecisionMap& precision, const DeploymentSpec& spec, const MethodSpec& method,
            const RoutingTables& routing);

  /// Seconds from one step's start to the next one's, through all pipeline stages.
  double seconds(const StepLoad& load) const;

  /// The same with its breakdown.
  StepTime detail(const StepLoad& load) const;

  /// Tokens a sequence feeds the model per step: 1 plus draft tokens.
  double tokens_per_sequence() const { return tokens_per_sequence_; }

  const Deployment& deployment() const { return deployment_; }

 private:
  /// t(rows) = launch + max(rows x flops_per_row / rate, (bytes + rows x bytes_per_row) / bandwidth).
  struct RowOperator {
    OperatorClass operator_class;
    double times;            ///< calls per step
    double launch;           ///< seconds, all of them
    double compute_per_row;  ///< seconds
    double memory_fixed;     ///< seconds
    double memory_per_row;   ///< seconds
    double log_sd;
    Provenance provenance;
  };
  /// Attention proper of the layers of one kind.
  struct AttentionCore {
    double layers;
    bool linear;
    double window;              ///< most positions seen, besides compressed ones; 0 = all
    double compression;
    double sparse_top_k;        ///< 0 = dense
    // Seconds per unit of work on one rank.
    double decode_launch, decode_compute, decode_memory;     ///< per (sequence, position)
    double decode_state;                                     ///< linear: per sequence
    double prefill_launch, prefill_compute, prefill_memory;  ///< per (token, position)
    double prefill_token;                                    ///< linear: per token
    double index_compute, index_memory;                      ///< sparse: per (query, position)
    double index_prefill_compute;
    OperatorEfficiency decode_efficiency, prefill_efficiency;
  };
  struct ExpertLayer {
    double layers;
    const RoutingTable* routing;
    double top_k, ranks;
    double launch;
    double compute_per_row;      ///< seconds per assignment
    double weight_seconds;       ///< seconds to read one expert
    double memory_per_row;       ///< seconds per assignment
    double exchange_launch, exchange_per_token;  ///< all-to-all, per token of one rank
    bool exchange;
    OperatorEfficiency efficiency, exchange_efficiency;
  };

  template <class Sink>
  void walk(const StepLoad& load, Sink& sink) const;

  Deployment deployment_;
  double tokens_per_sequence_ = 1;
  std::vector<RowOperator> token_operators_;   ///< rows = tokens of one data-parallel group
  std::vector<RowOperator> logit_operators_;   ///< rows = sampled positions of one group
  std::vector<AttentionCore> cores_;
  std::vector<ExpertLayer> experts_;
  double pipeline_launch_ = 0, pipeline_per_token_ = 0;
  double host_per_step_ = 0, host_per_sequence_ = 0;
  OperatorEfficiency pipeline_efficiency_;
};

}  // namespace tollgate
