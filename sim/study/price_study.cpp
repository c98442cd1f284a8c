#include "sim/study/price_study.h"

#include <cmath>

#include "sim/base/text.h"
#include "sim/pricing/profit.h"

namespace tollgate {
namespace {

/// Claims are rounded; what differs by more than this is another number.
constexpr double tolerance = 0.01;

double ratio(double dear, double cheap) { return dear > 0 && cheap > 0 ? dear / cheap : 0; }

}  // namespace

PriceRatios study_prices(const PriceComparison& comparison, const std::vector<MixResult>& mixes) {
  const TokenPrice& dear = comparison.dear.price;
  const TokenPrice& cheap = comparison.cheap.price;
  PriceRatios r;
  r.comparison = comparison;
  r.input = ratio(dear.input, cheap.input);
  r.cached = ratio(dear.cached_input, cheap.cached_input);
  r.output = ratio(dear.output, cheap.output);
  for (const MixResult& mix : mixes) {
    r.mixes.push_back(ratio(blended_price(dear, mix.input_per_output, mix.hit_rate),
                            blended_price(cheap, mix.input_per_output, mix.hit_rate)));
  }
  for (const PriceClaim& claim : comparison.claims) {
    double found = claim.of == "input"    ? r.input
                   : claim.of == "cached" ? r.cached
                   : claim.of == "output" ? r.output
                                          : 0;
    for (std::size_t i = 0; i < mixes.size(); ++i) {
      if (mixes[i].name == claim.of) found = r.mixes[i];
    }
    const std::string said = comparison.name + ": " + significant(claim.times, 4) +
                             " times is claimed of " + claim.of + "; ";
    if (found == 0) {
      r.findings.push_back(said + "one of the two prices is not stated.");
      continue;
    }
    const bool fits = std::fabs(found / claim.times - 1) <= tolerance;
    r.findings.push_back(said + "these prices give " + significant(found, 4) +
                         (fits ? ", which fits." : ", which does not fit."));
  }
  return r;
}

SeatResult study_seat(const SeatChange& seat, const std::vector<MixResult>& mixes) {
  SeatResult r;
  r.seat = seat;
  std::vector<double> multiples{1};
  multiples.insert(multiples.end(), seat.multiples.begin(), seat.multiples.end());
  for (const double multiple : multiples) {
    SeatResult::Bill bill;
    bill.usd = multiple * seat.flat_fee;
    const double usage = std::max(0.0, bill.usd - seat.seat_fee);
    for (const MixResult& mix : mixes) {
      bill.tokens.push_back(
          usage / blended_price(seat.offer.price, mix.input_per_output, mix.hit_rate) * 1e6);
    }
    r.bills.push_back(bill);
  }
  return r;
}

}  // namespace tollgate
