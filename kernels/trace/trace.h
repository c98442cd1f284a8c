#pragma once
/// What a router chose, token by token and layer by layer.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/generator/alias_generator.h"

namespace tollgate::kernels {

struct TraceSequence {
  int domain = 0;  ///< index into RoutingTrace::domains
  int first = 0;   ///< its first token
  int tokens = 0;
};

struct RoutingTrace {
  int experts = 0;
  int top_k = 0;
  int layers = 0;
  std::vector<std::string> domains;
  std::vector<TraceSequence> sequences;  ///< in order of tokens, without gaps
  std::vector<std::uint16_t> ids;        ///< index (layer * tokens() + token) * top_k + slot

  int tokens() const {  ///< per layer
    return sequences.empty() ? 0 : sequences.back().first + sequences.back().tokens;
  }

  /// The `top_k` ids of a token.
  std::span<const std::uint16_t> choice(int layer, int token) const {
    const auto row = static_cast<std::size_t>(layer) * static_cast<std::size_t>(tokens()) +
                     static_cast<std::size_t>(token);
    return {ids.data() + row * static_cast<std::size_t>(top_k), static_cast<std::size_t>(top_k)};
  }
};

/// Every second sequence of each domain: the first, third, ... for `parity` 0, the others for 1.
/// For fitting on one half and testing on the other.
RoutingTrace half_of(const RoutingTrace& trace, int parity);

/// What a generator draws, as a trace; domains are called "0", "1" and so on.
RoutingTrace trace_of(const AliasGenerator& generator);

/// The sequences of a trace as a layout for the generator.
std::vector<SequenceShape> layout_of(const RoutingTrace& trace);

}  // namespace tollgate::kernels
