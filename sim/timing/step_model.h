#pragma once

#include <array>
#include <string_view>

#include "sim/timing/operator_set.h"

namespace tollgate {

/// What one engine step works on, summed over the data-parallel groups of one pipeline micro-batch.
struct StepLoad {
  double prefill_tokens = 0;       ///< prompt tokens computed in this step
  double prefill_context = 0;      ///< positions one of them attends to, on average
  double busiest_prompt_rows = 0;  ///< prompt tokens on the fullest group, if above the even share
  double prompts_finished = 0;     ///< prompts whose last token is in this step
  double decode_sequences = 0;     ///< sequences that emit
  double decode_context = 0;       ///< cached tokens of such a sequence, on average
};

/// What the host takes for a step with prompt tokens, which it launches kernel by kernel: ahead of
/// the device, or the device waits for it. (One token of a prompt, the last one after a transfer,
/// runs in a decode graph.)
struct LaunchPace {
  double seconds = 0, per_sequence = 0;
  double graph_rows = 0;         ///< steps of so many rows run in graphs all the same
  double rows_per_sequence = 1;  ///< 1 plus draft tokens
  double rows(double prompt_tokens, double sequences) const {
    return prompt_tokens + rows_per_sequence * sequences;
  }
  double of(double sequences) const { return seconds + per_sequence * sequences; }
};

/// Launches of one step.
struct Launches {
  double seconds = 0;     ///< unless a graph covers it
  double rows = 0;        ///< of prompts, on the fullest group
  double graph_rows = 0;  ///< of them, up to which a graph covers the step
  double waited_for() const { return rows > graph_rows ? seconds : 0; }
};

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
    double log_sd = 0;  ///< of its seconds
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

/// Time of one engine step as a sum of operators, each by its fitted curve (sim/operators); a
/// lock-stepped group waits for its busiest rank, a pipeline for its slowest stage. Which operators
/// a layer has: docs/method.md, "Operators". Everything that depends on the number of rows alone is
/// tabulated once, so that a call costs well under a microsecond.
class StepModel {
 public:
  /// `contexts`, where given, tell how far contexts spread around the means of a load. References
  /// are not kept, except to the tables of `routing` and to `curves`, which must outlive the model.
  StepModel(const LlmSpec& model, const EngineCurves& curves, const Deployment& deployment,
            const PrecisionMap& precision, const DeploymentSpec& spec, const EngineSpec& engine,
            const RoutingTables& routing, const ContextMix& contexts = {});

  /// Seconds from one step's start to the next one's, through all pipeline stages.
  double seconds(const StepLoad& load) const;

  /// Of `seconds` what the step takes if no kernel waits to be launched.
  double unhindered(const StepLoad& load) const;

  /// How fast the host launches steps with prompt tokens, and what it takes for such a step.
  LaunchPace launch_pace() const;
  Launches launches(const StepLoad& load) const;

  /// The same with its breakdown.
  StepTime detail(const StepLoad& load) const;

  /// Tokens a sequence feeds the model per step: 1 plus draft tokens.
  double tokens_per_sequence() const { return 1 + drafts_; }

  const Deployment& deployment() const { return deployment_; }

  /// The curves its times are made of.
  const UsedCurves& curves() const { return used_; }

 private:
  /// Rows of one pass on the busiest data-parallel group, and tokens over all groups.
  struct Rows {
    double prompt_tokens, prompt_rows, prompt_context;
    double decode_tokens, decode_rows, sequences, queries, decode_context;
    double logits;
  };

  double two_batches(const StepLoad& load) const;
  template <class Sink>
  void walk(const StepLoad& load, Sink& sink) const;
  template <class Sink>
  void pass(const OperatorSet& operators, const Rows& rows, double times, double logit_times,
            Sink& sink) const;
  template <class Sink>
  void attend(const AttentionCore& core, const Rows& rows, double times, Sink& sink) const;
  template <class Sink>
  void route(const ExpertLayer& layer, const Rows& rows, double times, Sink& sink) const;

  Deployment deployment_;
  double drafts_ = 0;
  OperatorSet main_;
  OperatorSet draft_;  ///< one draft pass
  RowTable pipeline_;  ///< hand-over between stages, by rows
  UsedCurves used_;
  double host_per_step_ = 0, host_per_sequence_ = 0, host_per_call_ = 0;  // drafts included
  double host_per_eager_step_ = 0;
  double prompt_graph_rows_ = 0;
  bool piecewise_prompts_ = false;
  double sorting_per_row_ = 0;  ///< seconds to sort the logits of a sequence; 0 = not sorted
  double exchange_layers_ = 0;  ///< whose exchange two overlapped batches hide; 0 = none does
  double exchange_share_ = 0;   ///< of the processors that kernels of the exchange of prompts hold
  std::vector<GraphRange> graphs_;  ///< decode batches that steps are padded to
};

}  // namespace tollgate
