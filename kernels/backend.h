#pragma once
/// The contract of the routing engine: what every backend offers.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/dispatch/dispatch.h"
#include "kernels/generator/generator_spec.h"
#include "kernels/problem.h"
#include "kernels/stats.h"

namespace tollgate::kernels {

/// Whether a backend can run on this machine, and if not, why (a clause without a full stop, such
/// as "no CUDA driver is installed").
struct Availability {
  bool ok = false;
  std::string reason;
  explicit operator bool() const { return ok; }
};

/// One way to compute routing. All backends return equal results for equal problems, bit for bit;
/// they differ only in speed and in what they need. Backends are stateless and may be used from
/// several threads at once. Get one from `find_backend` in registry.h.
class RoutingBackend {
 public:
  virtual ~RoutingBackend() = default;

  virtual std::string_view name() const = 0;         ///< as on the command line: "tbb"
  virtual std::string_view description() const = 0;  ///< one line for people
  virtual Availability available() const = 0;

  /// Routes all tokens and returns the statistics asked for. Throws std::invalid_argument for a bad
  /// problem (see `validate`) and std::runtime_error if the device fails.
  virtual RoutingStats route(const RoutingProblem& problem) const = 0;

  /// The chosen experts themselves, for tests and small studies: best first, at index
  /// (layer * tokens + token) * top_k + slot. Errors as for `route`.
  virtual std::vector<std::uint16_t> select(const RoutingProblem& problem) const = 0;

  /// The same for logits that the caller brings, [(layer * tokens + token) * experts + expert],
  /// instead of generated ones; popularity, seed and stream are not used. They are rounded to fixed
  /// point first (core/logit.h): infinities are allowed, a NaN is refused with a sentence, as is
  /// another number of logits.
  virtual std::vector<std::uint16_t> select_logits(const RoutingProblem& problem,
                                                   std::span<const float> logits) const = 0;

  /// The choices of the alias generator in the order drawn, at index
  /// (layer * tokens + token) * top_k + slot. Errors as for `route`.
  virtual std::vector<std::uint16_t> draw(const GeneratorProblem& problem) const = 0;

  /// Tokens of each expert in those choices, [layer * experts + expert], without keeping them.
  virtual std::vector<std::int64_t> histogram(const GeneratorProblem& problem) const = 0;

  /// Assignments on the busiest rank in every window of those choices, arguments, order and errors
  /// as for `AliasGenerator::busiest_loads`.
  virtual std::vector<std::int64_t> busiest_loads(const GeneratorProblem& problem,
                                                  int window_tokens, int ranks) const = 0;

  /// The rows of one step sorted by physical slot; arguments, order and errors as for `dispatch`.
  virtual Dispatch permute(std::span<const std::uint16_t> slots, int top_k,
                           const Placement& placement, int tile) const = 0;
};

}  // namespace tollgate::kernels
