#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/dispatch/routed_window.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// What the routing engine takes: the gate of a layer, and the popularity of a family. The bias
/// balances load in training; what popularity is left after it is what is drawn, so a bias of zero
/// is passed.
kernels::GateSpec gate_of(const FfnSpec& ffn);
kernels::PopularitySpec popularity_of(const FamilyPopularity& family);

/// Which tokens to route.
struct WindowRequest {
  int tokens = 1;               ///< per layer
  int tokens_per_sequence = 1;  ///< neighbours from one request: 1 for decode, more for prompts
  std::uint32_t stream = 0;     ///< other tokens over the same popularity
  int domains = 0;  ///< > 0: only that many kinds of traffic; of a trace 1 is its first domain
};

/// One place that makes routed windows, whatever they come from: the gate over a popularity
/// (family, uniform, log-normal, Zipf, power law, measured counts), the alias generator over the
/// same, or a real router's choices replayed. Hash-routed layers take
/// experts by token id, whatever the popularity.
/// The same request gives the same window on every backend and for any number of threads.
class RoutingSource {
 public:
  /// `popularity` is the family's with the scenario's keys on top. Reads the trace, if that is the
  /// source. Throws InputError for a trace that does not fit the layer, and for the alias form of a
  /// gate that limits groups.
  RoutingSource(const FfnSpec& ffn, const FamilyPopularity& popularity, const RoutingSpec& spec,
                std::uint64_t seed, const kernels::RoutingBackend& backend);
  ~RoutingSource();
  RoutingSource(RoutingSource&&) noexcept;

  /// Throws InputError where the engine refuses the problem, such as top-k above the experts.
  kernels::RoutedWindow window(const WindowRequest& request) const;

  int experts() const;
  int top_k() const;
  int layers() const;  ///< those of the trace, or RoutingSpec::layers
  int groups() const;  ///< expert groups of the gate

  /// "popularity of family deepseek-v3 (scaled): sigma 0.25 global, ...", without a full stop.
  std::string description() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tollgate
