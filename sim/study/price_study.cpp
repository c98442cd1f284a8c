#include "sim/study/price_study.h"

#include <cmath>

#include "sim/base/text.h"
#include "sim/pricing/profit.h"
#include "sim/pricing/tariff.h"

namespace tollgate {
namespace {

/// Claims are rounded; what differs by more than this is another number.
constexpr double tolerance = 0.01;

double ratio(double dear, double cheap) { return dear > 0 && cheap > 0 ? dear / cheap : 0; }

}  // namespace

TokenPrice price_of(const OfferSpec& offer, double prompt_tokens) {
  RequestTerms terms;
  terms.prompt_tokens = prompt_tokens;
  return in_usd(mean_price(offer.tariff, terms, flat_load()), offer.per_usd);
}

double blended(const OfferSpec& offer, const MixResult& mix) {
  return blended_price(price_of(offer, mix.run.mean_input), mix.input_per_output, mix.hit_rate);
}

PriceRatios study_prices(const PriceComparison& comparison, const std::vector<MixResult>& mixes) {
  const TokenPrice dear = price_of(comparison.dear, 0), cheap = price_of(comparison.cheap, 0);
  PriceRatios r;
  r.comparison = comparison;
  r.input = ratio(dear.input, cheap.input);
  r.cached = ratio(dear.cached_input, cheap.cached_input);
  r.output = ratio(dear.output, cheap.output);
  for (const MixResult& mix : mixes)
    r.mixes.push_back(ratio(blended(comparison.dear, mix), blended(comparison.cheap, mix)));
  for (const PriceClaim& claim : comparison.claims) {
    double found = claim.of == "input"    ? r.input
                   : claim.of == "cached" ? r.cached
                   : claim.of == "output" ? r.output
                                          : 0;
    for (std::size_t i = 0; i < mixes.size(); ++i) {
      if (mixes[i].name == claim.of) found = r.mixes[i];
    }
    const std::string said =
        comparison.name + ": " + shortest(claim.times) + " times is claimed of " + claim.of + "; ";
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
    for (const MixResult& mix : mixes)
      bill.tokens.push_back(
          seat_break_even_tokens(bill.usd, seat.seat_fee, blended(seat.usage, mix)));
    r.bills.push_back(bill);
  }
  return r;
}

PackRatios study_pack(const PackComparison& pack, const std::vector<MixResult>& mixes) {
  PackRatios r;
  r.comparison = pack;
  r.usd_per_million = pack_price(pack.pack, 0) / pack.per_usd;
  for (const MixResult& mix : mixes)
    r.over_offer.push_back(r.usd_per_million / blended(pack.against, mix));
  return r;
}

}  // namespace tollgate
