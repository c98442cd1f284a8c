#pragma once

#include "sim/serving/engine/step_timer.h"
#include "sim/serving/measured/layer_tables.h"

namespace tollgate {

/// What a model's layers are not: how many, and what lies between them.
struct MeasuredModel {
  int layers = 0;
  int tensor = 1;
  int hidden = 0;
  int experts = 0;  ///< routed experts per layer; 0: dense
  int top_k = 0;
  int expert_ranks = 1;
  bool uneven_contexts = true;  ///< apply the skew tables
  double step_us = 0;           ///< host time that no kernel covers, per step
  double collective_us = 0;     ///< latency of one collective
  double link_gb_per_s = 0;     ///< bandwidth of one, per direction
};

/// Step times from measured kernels: the layers' operators one after the other, collectives by
/// latency and bandwidth, and the host's time. Steps are timed one by one.
class MeasuredTimer : public StepTimer {
 public:
  MeasuredTimer(const LayerTables& tables, const MeasuredModel& model)
      : tables_(tables), model_(model) {}

  Ticks step(std::span<const RankBatch> ranks) const override;
  DecodeLine decode(std::span<const RankBatch> ranks) const override { return {step(ranks), 0, 0}; }
  bool wants_extremes() const override { return model_.uneven_contexts; }

 private:
  double attention(const RankBatch& b) const;
  double between_layers(double tokens) const;

  const LayerTables& tables_;
  MeasuredModel model_;
};

}  // namespace tollgate
