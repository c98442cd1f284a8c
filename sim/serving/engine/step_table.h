#pragma once

#include <vector>

#include "sim/serving/engine/step_timer.h"
#include "sim/spec/engine_spec.h"
#include "sim/timing/step_model.h"

namespace tollgate {

/// What a table of step times has to cover, per rank of the scheduler.
struct StepTableRange {
  int ranks = 1;  ///< data-parallel ranks of one micro-batch
  /// Pipeline stages, which work on as many micro-batches. Each is a rank of the scheduler (or
  /// `ranks` of them), with a queue and a share of the cache of its own; they keep the pace of the
  /// fullest.
  int pipeline = 1;
  std::int64_t max_sequences = 1024;
  std::int64_t batched_tokens = 8192;
  std::int64_t context = 131072;  ///< longest context of a sequence
  /// Decode batches are padded to these sizes, and what is beyond in steps of 16 (where nothing is
  /// captured, for the size of the table alone). Empty: no padding. The StepModel must then have
  /// been made for an engine without graphs, because it adds the average padding itself.
  std::vector<GraphRange> graphs;
  /// Batches that are no graph's size are not padded but launched kernel by kernel.
  bool unpadded = false;
};

/// A StepModel sampled into integer tables: a step costs tens of nanoseconds instead of hundreds,
/// and runs of decode steps have exact closed forms.
///
/// A step that only decodes is linear in the batch's total context between knots, four per octave
/// of the mean context, for every padded batch size. A step with prompt tokens adds what they cost
/// beside the batch, from a grid over prompt tokens and sequences, as one fresh prompt; where they
/// attend to other positions, from a grid over prompt tokens and mean position. Ranks are padded to
/// the largest of them; of the prompt tokens, the expert layers see the true sum. Where a rank has
/// one token of each of its prompts, the last one of a prompt that is cached or was sent over, they
/// are rows like those that decode (vLLM takes such a step for one of decoding and runs its graph).
class StepTable : public StepTimer {
 public:
  StepTable(const StepModel& model, const StepTableRange& range);

  Ticks step(std::span<const RankBatch> ranks) const override;
  DecodeLine decode(std::span<const RankBatch> ranks) const override;

  /// The batch size that `sequences` are padded to.
  std::int64_t padded(std::int64_t sequences) const;

 private:
  struct Piece {
    Ticks at_knot, per_token;
  };
  const Piece& piece(std::size_t row, std::size_t knot) const {
    return decode_[row * knots_ + knot];
  }
  RankBatch with_single_tokens(const RankBatch& rank) const;
  Ticks decode_time(std::int64_t sequences, std::int64_t context) const;
  double beside(const std::vector<double>& grid, std::int64_t tokens, std::int64_t sequences) const;
  double attention_beside_fresh(std::int64_t tokens, double position) const;

  int ranks_, pipeline_;
  std::vector<std::int32_t> row_of_;  ///< by number of sequences
  std::vector<std::int64_t> sizes_;   ///< padded batch of each row
  std::size_t knots_;
  std::vector<Piece> decode_;
  std::vector<Ticks> floor_;  ///< of each row: launches of a batch that only decodes, 0 in a graph

  std::vector<std::int32_t> token_cell_, sequence_cell_;  ///< grid cell by number
  std::vector<std::int64_t> token_grid_, sequence_grid_;
  std::vector<double> even_, single_;  ///< ticks of prompt tokens on all ranks, on one rank
  /// Ticks of prompt tokens at the mean position of each knot over those of one fresh prompt:
  /// [token grid][knot].
  std::vector<double> attention_;
  LaunchPace launch_;        ///< no step outside the graphs is quicker
  double per_finished_ = 0;  ///< ticks of each prompt that ends beyond the first
};

}  // namespace tollgate
