#pragma once

#include "sim/spec/flops.h"

namespace tollgate {

/// What one FLOP and one byte of memory traffic cost on a device that is rented by the hour and
/// used to the full.
struct ResourcePrice {
  double usd_per_flop = 0;
  double usd_per_byte = 0;
};

/// Price per hour over 3600 s and over the peak rate. `flops_per_second` is the dense peak of the
/// format computed in, `bytes_per_second` the memory bandwidth. Throws std::invalid_argument unless
/// the price is finite and not negative and both rates are finite and positive.
ResourcePrice resource_price(double usd_per_hour, double flops_per_second, double bytes_per_second);

/// Least cost of a decoded token, USD per million tokens, by part.
struct MarginalCost {
  double attention_core = 0;  ///< the dearer of its FLOP and its cache bytes
  double linear = 0;          ///< projections of the mixers, FLOP only
  double ffn = 0;             ///< FLOP only

  double attention() const {
    return attention_core + linear;
  }  ///< "attention" in the paper's tables
  double total() const { return attention_core + linear + ffn; }
};

/// The cost model of the Step-3 paper (arXiv 2507.19427, section 3, tables 2 to 6):
///   max(attention FLOP x USD/FLOP, cache bytes x USD/B) + linear FLOP x USD/FLOP + FFN FLOP x
///   USD/FLOP.
/// It assumes batches so large that reading weights costs nothing and no communication: a lower
/// bound, not a prediction. Attention and FFN may be priced on different devices, as the paper does
/// for disaggregated serving: take attention() of one and ffn of the other.
MarginalCost marginal_cost(const DecodeWork& work, const ResourcePrice& price);

}  // namespace tollgate
