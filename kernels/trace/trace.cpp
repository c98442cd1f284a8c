#include "kernels/trace/trace.h"

#include <algorithm>

namespace tollgate::kernels {

RoutingTrace half_of(const RoutingTrace& trace, int parity) {
  RoutingTrace half;
  half.experts = trace.experts;
  half.top_k = trace.top_k;
  half.layers = trace.layers;
  half.domains = trace.domains;
  std::vector<int> seen(trace.domains.size());
  std::vector<const TraceSequence*> kept;
  int tokens = 0;
  for (const TraceSequence& sequence : trace.sequences) {
    if (seen[static_cast<std::size_t>(sequence.domain)]++ % 2 != parity) continue;
    kept.push_back(&sequence);
    half.sequences.push_back({sequence.domain, tokens, sequence.tokens});
    tokens += sequence.tokens;
  }
  const auto k = static_cast<std::size_t>(trace.top_k);
  half.ids.reserve(static_cast<std::size_t>(trace.layers) * static_cast<std::size_t>(tokens) * k);
  for (int layer = 0; layer < trace.layers; ++layer) {
    for (const TraceSequence* sequence : kept) {
      const std::uint16_t* first = trace.choice(layer, sequence->first).data();
      half.ids.insert(half.ids.end(), first,
                      first + static_cast<std::size_t>(sequence->tokens) * k);
    }
  }
  return half;
}

RoutingTrace trace_of(const AliasGenerator& generator) {
  RoutingTrace trace;
  trace.experts = generator.problem().experts;
  trace.top_k = generator.problem().top_k;
  trace.layers = generator.problem().layers;
  for (int d = 0; d < generator.problem().spec.domains; ++d) {
    trace.domains.push_back(std::to_string(d));
  }
  const auto starts = generator.sequence_starts();
  for (std::size_t s = 0; s + 1 < starts.size(); ++s) {
    trace.sequences.push_back(
        {generator.sequence_domains()[s], starts[s], starts[s + 1] - starts[s]});
  }
  trace.ids = generator.select();
  return trace;
}

std::vector<SequenceShape> layout_of(const RoutingTrace& trace) {
  std::vector<SequenceShape> shapes;
  for (const TraceSequence& sequence : trace.sequences) {
    shapes.push_back({sequence.domain, sequence.tokens});
  }
  return shapes;
}

}  // namespace tollgate::kernels
