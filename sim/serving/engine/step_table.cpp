#include "sim/serving/engine/step_table.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tollgate {
namespace {

/// Knots at 0, 1, 2, 3 and 2^e (4 + m) / 4: four per octave.
std::int64_t knot_position(std::size_t knot) {
  if (knot < 4) return static_cast<std::int64_t>(knot);
  return static_cast<std::int64_t>(4 + knot % 4) << (knot / 4 - 1);
}

/// The last knot that is not beyond `position`.
std::size_t knot_of(std::int64_t position) {
  if (position < 4) return static_cast<std::size_t>(position);
  const auto e = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(position))) - 3;
  return 4 * (e + 1) + (static_cast<std::size_t>(position >> e) & 3);
}

/// 0, 1, 2, 4, 8, then `per_octave` points per octave up to `last`, which is included.
std::vector<std::int64_t> grid(std::int64_t first, std::int64_t last, int per_octave) {
  std::vector<std::int64_t> g;
  if (first == 0) g.push_back(0);
  for (std::int64_t base = 1; base < last; base *= 2) {
    const std::int64_t step = std::max<std::int64_t>(1, base / per_octave);
    for (std::int64_t v = base; v < std::min(2 * base, last); v += step) g.push_back(v);
  }
  g.push_back(last);
  return g;
}

/// For every value up to the last grid point, the grid cell that it lies in.
std::vector<std::int32_t> cells(const std::vector<std::int64_t>& g) {
  std::vector<std::int32_t> cell(static_cast<std::size_t>(g.back()) + 1, 0);
  for (std::size_t c = 0; c + 1 < g.size(); ++c) {
    for (std::int64_t v = g[c]; v <= g[c + 1]; ++v) {
      cell[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(c);
    }
  }
  return cell;
}

std::int64_t graph_size(std::int64_t n, const std::vector<GraphRange>& graphs) {
  if (graphs.empty() || n == 0) return n;
  for (const GraphRange& range : graphs) {
    if (n <= range.to) {
      return std::min<std::int64_t>(range.to, (n + range.step - 1) / range.step * range.step);
    }
  }
  return (n + 15) / 16 * 16;
}

bool is_captured(std::int64_t n, const std::vector<GraphRange>& graphs) {
  return graphs.empty() || (n <= graphs.back().to && graph_size(n, graphs) == n);
}

}  // namespace

StepTable::StepTable(const StepModel& model, const StepTableRange& range)
    : ranks_(range.ranks), pipeline_(range.pipeline), launch_(model.launch_pace()) {
  const double ranks = range.ranks;
  for (std::int64_t n = 0; n <= range.max_sequences; ++n) {
    const std::int64_t size = range.unpadded ? n : graph_size(n, range.graphs);
    if (sizes_.empty() || size > sizes_.back()) sizes_.push_back(size);
    row_of_.push_back(static_cast<std::int32_t>(sizes_.size()) - 1);
  }
  knots_ = knot_of(range.context) + 2;
  const auto decode_load = [&](double size, double context) {
    StepLoad load;
    load.decode_sequences = ranks * size;
    load.decode_context = context;
    return load;
  };
  for (const std::int64_t size : sizes_) {
    // A row of no sequences is a step in which this rank only keeps the others company.
    const auto n = static_cast<double>(std::max<std::int64_t>(size, 1));
    const bool captured = !range.unpadded || is_captured(size, range.graphs);
    floor_.push_back(captured ? 0 : in_ticks(launch_.of(n)));
    Ticks at = in_ticks(model.seconds(decode_load(n, 0)));
    for (std::size_t k = 0; k < knots_; ++k) {
      const std::int64_t from = knot_position(k), to = knot_position(k + 1);
      const double rise = model.seconds(decode_load(n, static_cast<double>(to))) -
                          model.seconds(decode_load(n, static_cast<double>(from)));
      const Ticks slope = std::max<Ticks>(0, in_ticks(rise / (n * static_cast<double>(to - from))));
      decode_.push_back({at, slope});
      at += slope * std::max<std::int64_t>(size, 1) * (to - from);
    }
  }

  token_grid_ = grid(1, std::max<std::int64_t>(range.batched_tokens, 2), 4);
  sequence_grid_ = grid(0, std::max<std::int64_t>(range.max_sequences, 2), 1);
  token_cell_ = cells(token_grid_);
  sequence_cell_ = cells(sequence_grid_);
  const double ticks = static_cast<double>(ticks_per_second);
  const auto mixed = [&](double on_each, double sum, double sequences, double position,
                         double finished) {
    StepLoad load = decode_load(sequences, 1);
    load.prefill_tokens = sum;
    load.busiest_prompt_rows = on_each;
    load.prefill_context = position;
    load.prompts_finished = finished;
    return ticks * model.unhindered(load);
  };
  for (const std::int64_t tokens : token_grid_) {
    const auto p = static_cast<double>(tokens);
    for (const std::int64_t sequences : sequence_grid_) {
      const auto n = static_cast<double>(sequences);
      const double alone = sequences > 0 ? ticks * model.seconds(decode_load(n, 1)) : 0;
      even_.push_back(mixed(p, p * ranks, n, p / 2, ranks) - alone);
      single_.push_back(mixed(p, p, n, p / 2, 1) - alone);
    }
    const double fresh = mixed(p, p * ranks, 0, p / 2, ranks);
    for (std::size_t k = 0; k < knots_; ++k) {
      const auto position = static_cast<double>(std::max<std::int64_t>(1, knot_position(k)));
      attention_.push_back(mixed(p, p * ranks, 0, position, ranks) - fresh);
    }
  }
  const double many = static_cast<double>(range.batched_tokens);
  const double base = mixed(many, many * ranks, 0, many / 2, ranks);
  per_finished_ = (mixed(many, many * ranks, 0, many / 2, 9 * ranks) - base) / 8;
}

std::int64_t StepTable::padded(std::int64_t sequences) const {
  return sizes_[static_cast<std::size_t>(row_of_[static_cast<std::size_t>(sequences)])];
}

Ticks StepTable::decode_time(std::int64_t sequences, std::int64_t context) const {
  const auto row = static_cast<std::size_t>(row_of_[static_cast<std::size_t>(sequences)]);
  const std::int64_t size = sizes_[row];
  const std::size_t knot = std::min(knot_of(context / size), knots_ - 1);
  const Piece& p = piece(row, knot);
  return p.at_knot + p.per_token * (context - size * knot_position(knot));
}

double StepTable::beside(const std::vector<double>& values, std::int64_t tokens,
                         std::int64_t sequences) const {
  const auto t = static_cast<std::size_t>(token_cell_[static_cast<std::size_t>(tokens)]);
  const auto s = static_cast<std::size_t>(sequence_cell_[static_cast<std::size_t>(sequences)]);
  const double u = static_cast<double>(tokens - token_grid_[t]) /
                   static_cast<double>(token_grid_[t + 1] - token_grid_[t]);
  const double v = static_cast<double>(sequences - sequence_grid_[s]) /
                   static_cast<double>(sequence_grid_[s + 1] - sequence_grid_[s]);
  const double* low = &values[t * sequence_grid_.size() + s];
  const double* high = low + sequence_grid_.size();
  return (1 - u) * ((1 - v) * low[0] + v * low[1]) + u * ((1 - v) * high[0] + v * high[1]);
}

double StepTable::attention_beside_fresh(std::int64_t tokens, double position) const {
  const auto t = static_cast<std::size_t>(token_cell_[static_cast<std::size_t>(tokens)]);
  const double u = static_cast<double>(tokens - token_grid_[t]) /
                   static_cast<double>(token_grid_[t + 1] - token_grid_[t]);
  const std::size_t k = std::min(knot_of(static_cast<std::int64_t>(position)), knots_ - 2);
  const auto from = static_cast<double>(knot_position(k));
  const auto to = static_cast<double>(knot_position(k + 1));
  const double v = (position - from) / (to - from);
  const double* low = &attention_[t * knots_ + k];
  const double* high = low + knots_;
  return (1 - u) * ((1 - v) * low[0] + v * low[1]) + u * ((1 - v) * high[0] + v * high[1]);
}

RankBatch StepTable::with_single_tokens(const RankBatch& r) const {
  const std::int64_t rows = r.decode_sequences + r.prefill_requests;
  if (r.prefill_tokens != r.prefill_requests || rows >= std::ssize(row_of_)) return r;
  RankBatch b = r;
  b.decode_sequences = rows;
  b.decode_context += r.prefill_before;
  b.prefill_tokens = b.prefill_context = b.prefill_before = 0;
  b.prefill_requests = b.prompts_finished = 0;
  return b;
}

Ticks StepTable::step(std::span<const RankBatch> ranks) const {
  RankBatch most = with_single_tokens(ranks[0]);
  std::int64_t tokens = most.prefill_tokens;
  const auto rows_of = [&](const RankBatch& r) {
    return launch_.rows(static_cast<double>(r.prefill_tokens),
                        static_cast<double>(r.decode_sequences));
  };
  double rows = rows_of(most);  // of the fullest rank
  for (std::size_t i = 1; i < ranks.size(); ++i) {
    const RankBatch r = with_single_tokens(ranks[i]);
    tokens += r.prefill_tokens;
    rows = std::max(rows, rows_of(r));
    most.prefill_tokens = std::max(most.prefill_tokens, r.prefill_tokens);
    most.prefill_context = std::max(most.prefill_context, r.prefill_context);
    most.prompts_finished = std::max(most.prompts_finished, r.prompts_finished);
    most.decode_sequences = std::max(most.decode_sequences, r.decode_sequences);
    most.decode_context = std::max(most.decode_context, r.decode_context);
  }
  const Ticks batch =
      most.decode_sequences > 0 ? decode_time(most.decode_sequences, most.decode_context) : 0;
  if (tokens == 0) {
    return std::max(
        batch,
        floor_[static_cast<std::size_t>(row_of_[static_cast<std::size_t>(most.decode_sequences)])]);
  }
  const std::int64_t p = most.prefill_tokens;
  double extra = beside(single_, p, most.decode_sequences);
  if (ranks_ > 1) {
    const double full_ranks = static_cast<double>(tokens) / static_cast<double>(p * pipeline_);
    const double filled = std::clamp((full_ranks - 1) / (ranks_ - 1), 0.0, 1.0);
    extra += filled * (beside(even_, p, most.decode_sequences) - extra);
  }
  const double position = static_cast<double>(most.prefill_context) / static_cast<double>(p);
  extra += attention_beside_fresh(p, position);
  const std::int64_t finished = std::max<std::int64_t>(most.prompts_finished, 1) - 1;
  extra += static_cast<double>(finished) * per_finished_;
  const Ticks unhindered = batch + std::max<Ticks>(1, static_cast<Ticks>(extra));
  const auto sequences = static_cast<double>(most.decode_sequences);
  if (rows <= launch_.graph_rows) return unhindered;
  return std::max(unhindered, in_ticks(launch_.of(sequences + static_cast<double>(finished + 1))));
}

DecodeLine StepTable::decode(std::span<const RankBatch> ranks) const {
  const RankBatch* top = &ranks[0];
  std::int64_t most = 0;
  for (const RankBatch& r : ranks) {
    most = std::max(most, r.decode_sequences);
    if (r.decode_context > top->decode_context ||
        (r.decode_context == top->decode_context && r.decode_sequences > top->decode_sequences)) {
      top = &r;
    }
  }
  const auto row = static_cast<std::size_t>(row_of_[static_cast<std::size_t>(most)]);
  const std::int64_t size = sizes_[row];
  const std::int64_t context = top->decode_context, n = top->decode_sequences;
  const std::size_t knot = std::min(knot_of(context / size), knots_ - 1);
  const Piece& p = piece(row, knot);
  DecodeLine line;
  line.first = p.at_knot + p.per_token * (context - size * knot_position(knot));
  line.growth = p.per_token * n;
  line.valid = std::int64_t{1} << 40;
  if (knot + 1 < knots_) line.valid = (size * knot_position(knot + 1) - context) / n;
  // Until a rank with more sequences has overtaken the fullest one.
  for (const RankBatch& r : ranks) {
    if (r.decode_sequences <= n) continue;
    line.valid = std::min(line.valid, (context - r.decode_context) / (r.decode_sequences - n));
  }
  if (const Ticks above = floor_[row] - line.first; above > 0) {
    if (line.growth > 0) line.valid = std::min(line.valid, above / line.growth);
    line.first = floor_[row];
    line.growth = 0;
  }
  return line;
}

}  // namespace tollgate
