#pragma once
/// What the alias generator draws words for, apart from the purposes in core/philox.h.

#include "kernels/core/philox.h"

namespace tollgate::kernels {

inline constexpr Purpose kAliasProposal{16};  ///< block = window << 8 | block of four words
inline constexpr Purpose kLayerJitter{17};
inline constexpr Purpose kDomainDrift{18};  ///< block = window << 8 | experts / 4; item = domain
inline constexpr Purpose kTopicSwitch{19};  ///< block = window
inline constexpr Purpose kPowerLaw{20};
inline constexpr Purpose kTraceSample{21};
inline constexpr Purpose kFitStart{22};
inline constexpr Purpose kTraceReplay{23};  ///< block 0: domain and token; others: sequences
inline constexpr Purpose kZipfOrder{24};    ///< item = expert

}  // namespace tollgate::kernels
