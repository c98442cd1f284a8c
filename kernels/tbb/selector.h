#pragma once
/// Exact expert selection that evaluates only the few experts with large noise.
///
/// An expert's ranked value never rises with its noise word (see `gumbel`), so "value >= floor" is
/// "word <= limit" with a limit per expert known beforehand. If at least top_k experts reach the
/// floor, the best top_k of all experts are among them; if not, the token is evaluated in full.
/// The floor decides only the cost: it is set so that a few more than top_k experts pass. Gates
/// that compare softmax probabilities need every logit of a token, and gates that choose from each
/// group have no common floor; both are evaluated in full.

#include <cstdint>
#include <vector>

#include "kernels/core/popularity.h"
#include "kernels/core/shape.h"
#include "kernels/tbb/noise_screen.h"

namespace tollgate::kernels {

class Selector {
 public:
  /// Keeps references to both arguments.
  Selector(const RoutingProblem& problem, const Popularity& popularity);

  /// Finds the floor and the limits of one (layer, context). Call for all, in any order and from
  /// any threads, before `select`.
  void prepare(int layer, int context);

  /// Writes the top_k chosen experts of one token, best first. Thread safe.
  void select(int layer, int token, std::uint16_t* chosen) const;

  /// Use another variant of the inner loop than the fastest; for tests and benchmarks.
  void use(const ScreenVariant& variant) { variant_ = variant; }

 private:
  struct Scratch;
  void evaluate(const Gate& gate, const std::int32_t* offsets, Scratch& scratch, int from) const;
  TokenScale evaluate_scaled(const Gate& gate, const std::int32_t* offsets, Scratch& scratch) const;
  void add_group(Scratch& scratch, const std::uint32_t* limits, int first, int last) const;
  void select_grouped(const Gate& gate, const std::int32_t* offsets, const std::uint32_t* limits,
                      std::int32_t floor, const TokenScale& scale, Scratch& scratch) const;
  void select_each_group(const Gate& gate, const Scratch& scratch, std::uint16_t* chosen) const;
  int reaching(const Scratch& scratch, std::int32_t floor) const;

  const RoutingProblem& problem_;
  const Popularity& popularity_;
  std::vector<Gate> gates_;  ///< [layer]
  ScreenOrder order_;
  ScreenVariant variant_;
  bool scaled_;  ///< softmax probabilities are compared: no screening
  std::vector<std::uint16_t> index_of_expert_;  ///< in screen order
  std::vector<std::uint8_t> group_of_expert_;
  std::vector<std::int32_t> coarse_gumbel_;  ///< at words i * 2^20
  std::vector<std::int32_t> pilots_;         ///< [pilot][expert] noise
  std::vector<std::int32_t> floors_;         ///< [layer][context]
  std::vector<std::uint32_t> limits_storage_;
  std::uint32_t* limits_;  ///< [layer][context][screen order], aligned
};

}  // namespace tollgate::kernels
