#include "sim/operators/calibration.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <exception>
#include <map>
#include <mutex>
#include <optional>

#include "sim/base/quantile.h"
#include "sim/base/text.h"
#include "sim/operators/known_bad.h"
#include "sim/operators/shape_hash.h"

namespace tollgate {
namespace {

using Samples = std::vector<const OperatorSample*>;

constexpr std::size_t fit_cap = 1500;
constexpr std::size_t score_cap = 4000;
constexpr std::size_t enough_for_halves = 400;
constexpr int folds = 10;
constexpr double too_fast = 10;
/// Published tables of which no row takes less than half a millisecond reach a tenth and more.
constexpr double too_slow = 0.01, more_than_a_launch = 1e-3;

/// "1.3.0rc20" before "1.3.0rc23" before "1.10.0": runs of digits compare as numbers.
bool older(std::string_view a, std::string_view b) {
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      long long x = 0, y = 0;
      for (; i < a.size() && digit(a[i]); ++i) x = std::min(x * 10 + (a[i] - '0'), 1LL << 50);
      for (; j < b.size() && digit(b[j]); ++j) y = std::min(y * 10 + (b[j] - '0'), 1LL << 50);
      if (x != y) return x < y;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

/// The group without the shapes known to be bad; they go to `left_out`.
TableGroup without_bad(const std::string& hardware, const TableGroup& group,
                       std::vector<LeftOut>& left_out) {
  TableGroup out = group;
  std::string_view why;
  std::erase_if(out.samples, [&](const OperatorSample& s) {
    const std::string_view reason = known_bad_reason(hardware, group.key, s.shape);
    if (!reason.empty()) why = reason;
    return !reason.empty();
  });
  const auto bad = static_cast<long long>(group.samples.size() - out.samples.size());
  if (bad == 0) return out;
  left_out.push_back({group.key, group.version, bad, std::string(why)});
  out.rows = static_cast<long long>(out.samples.size());
  if (out.samples.empty()) return out;
  out.low = out.high = out.samples.front().shape;
  for (const OperatorSample& s : out.samples) {
    for (std::size_t i = 0; i < s.shape.size(); ++i) {
      out.low[i] = std::min(out.low[i], s.shape[i]);
      out.high[i] = std::max(out.high[i], s.shape[i]);
    }
  }
  return out;
}

/// The groups to fit; the others go to `left_out`.
std::vector<TableGroup> chosen(const std::string& hardware, const OperatorTables& tables,
                               std::vector<LeftOut>& left_out) {
  std::map<OperatorKey, std::vector<const TableGroup*>> by_key;
  for (const TableGroup& group : tables.groups) by_key[group.key].push_back(&group);
  std::vector<TableGroup> out;
  for (const auto& [key, versions] : by_key) {
    long long most = 0;
    for (const TableGroup* g : versions) most = std::max(most, g->rows);
    const TableGroup* best = nullptr;
    for (const TableGroup* g : versions) {
      if (5 * g->rows >= most && (!best || older(best->version, g->version))) best = g;
    }
    for (const TableGroup* g : versions) {
      const std::string_view bad = known_bad_reason(hardware, key);
      if (!bad.empty()) {
        left_out.push_back({key, g->version, g->rows, std::string(bad)});
      } else if (g != best) {
        left_out.push_back({key, g->version, g->rows, "version " + best->version + " is taken"});
      } else {
        out.push_back(without_bad(hardware, *g, left_out));
      }
    }
  }
  return out;
}

struct Split {
  Samples fit, held_out;
};

Split split(const TableGroup& group, const CalibrationOptions& options) {
  const auto use = options.split == 0
                       ? HashUse::holdout
                       : static_cast<HashUse>(static_cast<std::uint64_t>(HashUse::other_holdouts) +
                                              static_cast<std::uint64_t>(options.split));
  Split out;
  for (const OperatorSample& s : group.samples) {
    const bool held = shape_fraction(group.key.op, s.shape, use) < options.holdout;
    Samples& side = held ? out.held_out : out.fit;
    // Samples come in the order of another hash: the first are a fair sample of all.
    if (side.size() < (held ? score_cap : fit_cap)) side.push_back(&s);
  }
  return out;
}

void expect_possible(const HardwareSpec& hardware, const TableGroup& group,
                     const OperatorCurve& curve, const CurveContext& context) {
  std::vector<double> ratio;
  for (const OperatorSample& s : group.samples) {
    ratio.push_back(curve.bound(s.shape.data(), context) / s.seconds);
  }
  const double best = quantile(ratio, 0.9);
  const std::string table = group.key.op + ", " + group.key.backend + ", " + group.key.precision;
  if (best > too_fast) {
    throw InputError("tollgate calibrate: one row in ten of " + table + " is " +
                     significant(best, 3) + " times faster than the peak of " + hardware.name +
                     " allows; is the latency in another unit?");
  }
  const auto quickest = std::min_element(
      group.samples.begin(), group.samples.end(),
      [](const OperatorSample& x, const OperatorSample& y) { return x.seconds < y.seconds; });
  if (best < too_slow && quickest->seconds > more_than_a_launch) {
    throw InputError("tollgate calibrate: nine rows in ten of " + table + " reach less than " +
                     significant(100 * best, 2) + " % of the peak of " + hardware.name +
                     " and none takes less than " + significant(1e3 * quickest->seconds, 3) +
                     " ms; is the latency in another unit?");
  }
}

/// P10 and P90 of measured / predicted by cross-validation of the shapes given, from `all`, the
/// parameters fitted to all of them.
FitError cross_validated(const OperatorCurve& curve, const CurveContext& context,
                         const std::string& op, const Samples& samples,
                         const std::vector<double>& all) {
  FitError band;
  std::vector<double> ratio;
  for (std::uint64_t fold = 0; fold < folds; ++fold) {
    Samples fit, out;
    for (const OperatorSample* s : samples) {
      (shape_hash(op, s->shape, HashUse::fold) % folds == fold ? out : fit).push_back(s);
    }
    if (out.empty() || fit.size() < curve.parameters().size() + 2) continue;
    const CurveFit found = refit_curve(curve, context, fit, all);
    for (const OperatorSample* s : out) {
      ratio.push_back(s->seconds /
                      curve.seconds(s->shape.data(), context, found.parameters.data()));
    }
  }
  if (ratio.empty()) return band;
  std::sort(ratio.begin(), ratio.end());
  // Ranks of q (n + 1), outwards: an exchangeable new residual lies beyond with at most 0.1 (Vovk
  // et al., Algorithmic Learning in a Random World, 2005).
  const double n = static_cast<double>(ratio.size());
  const double low = std::floor(0.1 * (n + 1)), high = std::ceil(0.9 * (n + 1));
  band.low = ratio[static_cast<std::size_t>(std::max(1.0, low)) - 1];
  band.high = ratio[static_cast<std::size_t>(std::min(n, high)) - 1];
  return band;
}

struct Outcome {
  std::optional<FittedCurve> curve;
  std::string reason;
  std::vector<double> errors = {};  ///< |predicted / measured - 1| of the held-out shapes
};

std::vector<double> errors_of(const Predictor& seconds, const Samples& samples) {
  std::vector<double> out;
  for (const OperatorSample* s : samples) {
    out.push_back(std::fabs(seconds(s->shape.data()) / s->seconds - 1));
  }
  return out;
}

std::vector<OperatorError> by_operator(const std::vector<Outcome>& outcomes) {
  std::map<std::string, std::pair<OperatorError, std::vector<double>>> all;
  for (const Outcome& outcome : outcomes) {
    if (!outcome.curve) continue;
    auto& [error, values] = all[outcome.curve->op];
    ++error.curves;
    error.held_out += outcome.curve->held_out;
    error.coverage += outcome.curve->held_out * outcome.curve->coverage;
    values.insert(values.end(), outcome.errors.begin(), outcome.errors.end());
  }
  std::vector<OperatorError> out;
  for (auto& [op, entry] : all) {
    auto& [error, values] = entry;
    error.op = op;
    error.median_ape = quantile(values, 0.5);
    error.p90_ape = quantile(values, 0.9);
    if (error.held_out > 0) error.coverage /= error.held_out;
    out.push_back(error);
  }
  return out;
}

FittedCurve described(const TableGroup& group, const CalibrationOptions& options) {
  FittedCurve out;
  out.op = group.key.op;
  out.backend = group.key.backend;
  out.precision = group.key.precision;
  out.kernel = group.key.kernel;
  out.version = group.version;
  out.source = options.source;
  out.date = options.date;
  out.rows = static_cast<double>(group.rows);
  out.lowest = group.low;
  out.highest = group.high;
  return out;
}

CurveContext context_of(const HardwareSpec& hardware, const OperatorKey& key) {
  return {device_of(hardware), find_number_format(key.precision)};
}

Outcome fit_group(const HardwareSpec& hardware, const TableGroup& group,
                  const CalibrationOptions& options) {
  const OperatorCurve* curve = find_curve(group.key.op);
  if (!curve) return {{}, "there is no curve for it"};
  const CurveContext context = context_of(hardware, group.key);
  const Split parts = split(group, options);
  const std::size_t needed = curve->parameters().size() + 2;
  if (parts.fit.size() < needed) {
    const std::string shapes =
        parts.fit.size() == 1 ? "1 shape" : std::to_string(parts.fit.size()) + " shapes";
    return {{},
            shapes + " to fit; " + std::to_string(curve->parameters().size()) +
                " parameters need " + std::to_string(needed)};
  }
  expect_possible(hardware, group, *curve, context);
  FittedCurve out = described(group, options);
  out.fitted = static_cast<double>(parts.fit.size());
  const CurveFit fit = fit_curve(*curve, context, parts.fit);
  for (const double p : fit.parameters) out.parameters.push_back(rounded(p));

  Samples for_band, for_score = parts.held_out;
  if (parts.held_out.size() >= enough_for_halves) {
    for_score.clear();
    for (const OperatorSample* s : parts.held_out) {
      const bool first = shape_hash(group.key.op, s->shape, HashUse::half) % 2 == 0;
      (first ? for_band : for_score).push_back(s);
    }
  }
  const Predictor seconds = [&](const double* shape) {
    return curve->seconds(shape, context, out.parameters.data());
  };
  const auto error = [&](const Samples& samples, const FitError* band) {
    return error_of(seconds, samples, band);
  };
  FitError band = for_band.empty()
                      ? cross_validated(*curve, context, group.key.op, parts.fit, fit.parameters)
                      : error(for_band, nullptr);
  out.low = band.low = rounded(std::min(1.0, band.low));
  out.high = band.high = rounded(std::max(1.0, band.high));
  const FitError all = error(parts.held_out.empty() ? parts.fit : parts.held_out, nullptr);
  out.held_out = static_cast<double>(parts.held_out.size());
  out.median_ape = rounded(all.median_ape);
  out.p90_ape = rounded(all.p90_ape);
  if (!for_score.empty()) out.coverage = rounded(error(for_score, &band).coverage);
  const auto errors = errors_of(seconds, parts.held_out);
  return {out, "", errors};
}

/// Marks, for each operator, backend and precision, the kernel with most rows.
void prefer(std::vector<FittedCurve>& curves) {
  std::map<std::tuple<std::string, std::string, std::string>, FittedCurve*> best;
  for (FittedCurve& c : curves) {
    FittedCurve*& b = best[{c.op, c.backend, c.precision}];
    if (!b || c.rows > b->rows) b = &c;
  }
  for (auto& [key, c] : best) c->preferred = true;
}

template <class Work>
Calibration for_each_group(const HardwareSpec& hardware, const OperatorTables& tables,
                           const Work& work) {
  Calibration result;
  const auto groups = chosen(hardware.name, tables, result.left_out);
  std::vector<Outcome> outcomes(groups.size());
  std::vector<std::exception_ptr> errors(groups.size());
  tbb::parallel_for(std::size_t{0}, groups.size(), [&](std::size_t i) {
    try {
      outcomes[i] = work(groups[i]);
    } catch (...) {
      errors[i] = std::current_exception();
    }
  });
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  result.operators = by_operator(outcomes);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (outcomes[i].curve) {
      result.curves.push_back(std::move(*outcomes[i].curve));
    } else {
      result.left_out.push_back(
          {groups[i].key, groups[i].version, groups[i].rows, outcomes[i].reason});
    }
  }
  if (result.curves.empty()) {
    const LeftOut& first = result.left_out.front();
    throw InputError("tollgate calibrate: nothing can be fitted: " + first.key.op + ", " +
                     first.key.backend + ", " + first.key.precision + ": " + first.reason + ".");
  }
  prefer(result.curves);
  return result;
}

}  // namespace

Calibration calibrate(const HardwareSpec& hardware, const OperatorTables& tables,
                      const CalibrationOptions& options) {
  return for_each_group(hardware, tables, [&](const TableGroup& group) {
    return fit_group(hardware, group, options);
  });
}

Calibration check_transfer(const HardwareSpec& hardware, const OperatorTables& tables,
                           const CalibrationOptions& options, const StandIn& stand_in) {
  std::mutex one_at_a_time;  // A stand-in may read another device's file.
  return for_each_group(hardware, tables, [&](const TableGroup& group) -> Outcome {
    const std::string_view alone = stands_alone_reason(hardware.name, group.key);
    if (!alone.empty()) return {{}, std::string(alone)};
    std::unique_lock lock(one_at_a_time);
    const auto found = stand_in(group.key);
    lock.unlock();
    if (!found) return {{}, "nothing stands in for it"};
    const Split parts = split(group, options);
    if (parts.held_out.empty()) return {{}, "no shape is held out"};
    FittedCurve out = described(group, options);
    out.parameters = found->parameters;
    FitError band;
    band.low = found->low;
    band.high = found->high;
    const Predictor seconds = [&](const double* shape) { return found->value(shape); };
    const FitError error = error_of(seconds, parts.held_out, &band);
    out.held_out = error.rows;
    out.median_ape = error.median_ape;
    out.p90_ape = error.p90_ape;
    out.low = error.low;
    out.high = error.high;
    out.coverage = error.coverage;
    return {out, "", errors_of(seconds, parts.held_out)};
  });
}

}  // namespace tollgate
