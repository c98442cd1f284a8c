#include "sim/serving/two_pools.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tollgate {
namespace {

constexpr double overfull = std::numeric_limits<double>::infinity();
constexpr int halvings = 50;
constexpr int few_halvings = 20;  // for a choice between deployments

/// Squared coefficient of variation of the prompts' lengths, cached tokens included.
double prompt_scv(const WorkloadMix& mix) {
  double squares = 0;
  for (const ContextMix::Prompt& p : mix.contexts.prompts)
    squares += p.share * p.context * p.context;
  return std::max(0.0, squares / (mix.input * mix.input) - 1);
}

/// A state of both pools at some rate.
struct Passage {
  PrefillPace prefill;
  DecodePace decode;
  double rate = 0;      ///< requests per second
  double ttft = 0;      ///< seconds, ingest included
  double sending = 0;   ///< seconds of these for the links and the transfer
  double pinned = 0;    ///< requests whose cache a prefill engine holds
  double resident = 0;  ///< requests whose cache a decode engine holds
};

class Solver {
 public:
  Solver(const TwoPools& pools, const WorkloadMix& mix, double time_scale)
      : pools_(pools),
        mix_(mix),
        prefill_(*pools.prefill.model, mix, pools.prefill.limits, 1 / pools.prefill.instances,
                 time_scale),
        decode_(*pools.decode.model, mix, pools.decode.limits, time_scale),
        sent_(pools.transfer.latency + pools.transfer.per_token * mix.input),
        variation_((1 + prompt_scv(mix)) / 2) {}

  double prefill_rate() const { return pools_.prefill.instances * prefill_.capacity(); }
  double link_rate() const {
    const double links = std::min(pools_.prefill.instances * pools_.transfer.senders,
                                  pools_.decode.instances * pools_.transfer.receivers);
    return sent_ > 0 ? links / sent_ : overfull;
  }

  /// With `decoding` sequences in each decode engine.
  Passage at(double decoding, double others) const {
    const DecodePace decode = decode_.at(decoding, others);
    const double rate = decode.requests_per_second * pools_.decode.instances;
    return with(decode, rate, others, rate);
  }

  /// With the decode pool as it is and a rate of its own for the rest, whose transfers wait for
  /// each other at `sent`.
  Passage with(const DecodePace& decode, double rate, double others, double sent) const {
    Passage p;
    p.decode = decode;
    p.rate = rate;
    p.prefill = prefill_.at(rate / pools_.prefill.instances, others);
    const bool room_first = pools_.decode.limits.policy == SchedulingPolicy::prefill_first;
    p.sending = sent_ + waiting_for_links(sent, others) +
                sent_ * (p.prefill.together - 1) / 2;  // prompts that ended in one step
    p.ttft = pools_.prefill.limits.host_per_request + p.prefill.waiting + p.prefill.own +
             decode.residual + p.sending + decode.first;
    const double held = p.prefill.own + p.sending + (room_first ? 0 : decode.residual);
    p.pinned = rate * held / pools_.prefill.instances;
    const double before = p.sending + decode.first + (room_first ? held + p.prefill.waiting : 0);
    p.resident = rate * (before + mix_.decoded * decode.tpot) / pools_.decode.instances;
    return p;
  }

  bool keeps_up(const Passage& p) const { return p.rate < prefill_rate() && p.rate < link_rate(); }
  bool has_room(const Passage& p) const {
    return p.pinned <= pools_.prefill.room && p.resident <= pools_.decode.room;
  }

  double end_to_end(const Passage& p) const { return p.ttft + mix_.decoded * p.decode.tpot; }

 private:
  /// Both links of a transfer are queues of one server (Pollaczek and Khinchine).
  double waiting_for_links(double rate, double others) const {
    double waiting = 0;
    for (const double links : {pools_.prefill.instances * pools_.transfer.senders,
                               pools_.decode.instances * pools_.transfer.receivers}) {
      const double busy = std::min(1.0, others * rate * sent_ / links);
      waiting += sent_ * variation_ * busy / (1 - busy + 1e-12);
    }
    return waiting;
  }

  const TwoPools& pools_;
  const WorkloadMix& mix_;
  const PrefillPool prefill_;
  const DecodePool decode_;
  const double sent_, variation_;
};

/// The largest x in (0, most] that is good, given that it is up to some value and not beyond; 0
/// where there is none.
template <class Good>
double largest(double most, const Good& good, int steps = halvings) {
  if (good(most)) return most;
  double low = 0, high = most;
  for (int i = 0; i < steps; ++i) {
    const double middle = (low + high) / 2;
    (good(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

double PoolRates::least() const { return std::min({prefill, decode, link}); }

std::string PoolRates::limiting() const {
  if (link < prefill && link < decode) return "link";
  return prefill < decode ? "prefill" : "decode";
}

SteadyState solve_two_pools(const TwoPools& pools, const WorkloadMix& mix, double in_flight,
                            double time_scale) {
  const Solver solver(pools, mix, time_scale);
  const double others = std::max(0.0, (in_flight - 1) / in_flight);
  const double most = std::min(pools.decode.room, in_flight / pools.decode.instances);
  const double decoding = largest(most, [&](double n) {
    const Passage p = solver.at(n, others);
    return solver.keeps_up(p) && solver.has_room(p) && p.rate * solver.end_to_end(p) <= in_flight;
  });
  const Passage p = solver.at(std::max(decoding, 1e-12), others);
  SteadyState state;
  state.in_flight = in_flight;
  state.requests_per_second = p.rate;
  state.tpot = p.decode.tpot;
  state.end_to_end = in_flight / p.rate;
  // Whoever finds everything full waits for it.
  state.ttft = state.end_to_end - mix.decoded * state.tpot;
  state.decoding = decoding * pools.decode.instances;
  state.resident = p.resident * pools.decode.instances;
  state.chunk = p.prefill.load.prefill_tokens;
  state.step = p.decode.step;
  state.decode_load = p.decode.load;
  state.mixed_load = p.prefill.load;
  state.sending = p.sending;
  state.prefill_busy = p.prefill.busy;
  state.pinned = p.pinned;
  return state;
}

double room_of(const TwoPools& pools, const WorkloadMix& mix, double time_scale) {
  const Solver solver(pools, mix, time_scale);
  const double decoding = largest(pools.decode.room, [&](double n) {
    const Passage p = solver.at(n, 1);
    return solver.keeps_up(p) && solver.has_room(p);
  });
  const Passage full = solver.at(std::max(decoding, 1e-12), 1);
  const Passage beyond = solver.at(decoding * 1.001 + 1e-9, 1);
  // What stops it may be the prompts, whose queue takes no memory.
  if (!solver.keeps_up(beyond)) {
    return pools.prefill.room * pools.prefill.instances +
           pools.decode.room * pools.decode.instances;
  }
  return std::max(1.0, std::floor(full.rate * solver.end_to_end(full)));
}

double prefill_rate_alone(const EnginePoolModel& pool, const WorkloadMix& mix, const SloSpec& slo,
                          double time_scale) {
  const PrefillPool engine(*pool.model, mix, pool.limits, 1, time_scale);
  return largest(
      engine.capacity(),
      [&](double rate) {
        const PrefillPace p = engine.at(rate, 1);
        return rate < engine.capacity() &&
               (slo.ttft == 0 || pool.limits.host_per_request + p.waiting + p.own <= slo.ttft);
      },
      few_halvings);
}

double decode_rate_alone(const EnginePoolModel& pool, const WorkloadMix& mix, const SloSpec& slo,
                         double time_scale) {
  const DecodePool engine(*pool.model, mix, pool.limits, time_scale);
  const double decoding = largest(
      pool.room, [&](double n) { return slo.tpot == 0 || engine.at(n, 1).tpot <= slo.tpot; },
      few_halvings);
  return decoding > 0 ? engine.at(decoding, 1).requests_per_second : 0;
}

PoolRates rates_alone(const TwoPools& pools, const WorkloadMix& mix, const SloSpec& slo,
                      double time_scale) {
  const Solver solver(pools, mix, time_scale);
  PoolRates rates;
  rates.link = solver.link_rate();
  const auto quick = [&](const DecodePace& d) { return slo.tpot == 0 || d.tpot <= slo.tpot; };
  const double decoding = largest(
      pools.decode.room, [&](double n) { return quick(solver.at(n, 1).decode); }, few_halvings);
  if (decoding <= 0) return rates;
  const DecodePace decode = solver.at(decoding, 1).decode;
  rates.decode = pools.decode.instances * decode.requests_per_second;
  rates.prefill = largest(
      solver.prefill_rate(),
      [&](double rate) {
        const Passage p = solver.with(decode, rate, 1, 0);
        return rate < solver.prefill_rate() && p.pinned <= pools.prefill.room &&
               (slo.ttft == 0 || p.ttft <= slo.ttft);
      },
      few_halvings);
  return rates;
}

}  // namespace tollgate
