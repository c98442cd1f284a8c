#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/operators/device.h"
#include "sim/operators/number_format.h"

namespace tollgate {

/// How a parameter goes over to a device on which it was not measured (transfer.h).
enum class Carry {
  as_is,     ///< a share of a datasheet figure, a number, a time that devices have in common
  power,     ///< a share of the peak that the power limit decides
  clock,     ///< a time that instructions take: shorter by the clock
  on_chip,   ///< a rate inside the processors over that of memory
  dispatch,  ///< how an engine chooses a kernel
  cached,    ///< a time of a cached byte over one from memory
  tile,      ///< a time of one tile per element of k
  position,  ///< a time of 64 heads of latent attention at one position
  link,      ///< a share of the link
  growth,    ///< what more ranks add to a time
  gain,      ///< a factor on the bandwidth for each doubling of ranks
};

/// A constant of a curve that a fit decides, always positive.
struct CurveParameter {
  std::string_view name;  ///< as in YAML: "compute", "memory", "launch"
  std::string_view unit;  ///< "s", "1" (a fraction or a pure number), "bytes/s"
  double start = 1;       ///< where a fit begins
  double low = 0;         ///< it stays within low..high
  double high = 1;
  std::string_view what;  ///< one sentence for people
  Carry carry = Carry::as_is;
};

/// What an operator runs on and in: fixed for all rows of a fit.
struct CurveContext {
  Device device;
  const NumberFormat* format = nullptr;  ///< of weights and products; of the cache for attention
};

/// One family of operator times: seconds as a function of a shape under a few parameters.
///
/// A shape is a row of doubles in the order of `columns()`. For every shape and all parameters
/// within their limits, seconds() >= bound(), and seconds() does not fall when more work is asked
/// (each work column grows). Implementations are stateless; formulas and their sources stand in
/// their headers.
class OperatorCurve {
 public:
  virtual ~OperatorCurve() = default;
  virtual std::string_view op() const = 0;  ///< "gemm", "moe", "prefill_attention", ...
  virtual std::span<const std::string_view> columns() const = 0;
  virtual std::span<const CurveParameter> parameters() const = 0;

  /// How many columns, from the first, are sizes with a range of measured values; those after them
  /// say how a measurement was made.
  virtual std::size_t sizes() const { return columns().size(); }

  /// Seconds of one call; `shape` has columns().size() values, `p` parameters().size().
  virtual double seconds(const double* shape, const CurveContext& context,
                         const double* p) const = 0;

  /// The roofline: max of FLOPs over peak, bytes over bandwidth, payload over link, seconds.
  virtual double bound(const double* shape, const CurveContext& context) const = 0;
};

/// All families, in a fixed order, and one by its name (null if there is none).
std::span<const OperatorCurve* const> operator_curves();
const OperatorCurve* find_curve(std::string_view op);

}  // namespace tollgate
