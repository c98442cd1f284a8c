#pragma once
/// Recorded routing played again, as choices [layer][token][slot].

#include <cstdint>
#include <vector>

#include "kernels/trace/trace.h"
#include "kernels/trace/trace_reader.h"

namespace tollgate::kernels {

/// Tokens of a trace, the same ones at every layer, so that what a layer chose still tells about
/// the next. Domains are equally likely, whatever their number of tokens; `domain` is an index into
/// RoutingTrace::domains, or -1 for all.
///
/// `tokens_per_sequence` 1: random tokens, as in a decode batch. More: runs of that many tokens
/// (the last may be shorter), each beginning at a random token of its domain and going on as the
/// sequence does; where it ends, with the beginning of another random sequence of the domain.
///
/// Returns index (layer * tokens + token) * top_k + slot. `stream` draws other tokens with the same
/// seed. Does not depend on threads. Throws std::invalid_argument for an empty trace, a domain that
/// does not exist or has no tokens, `tokens` outside 1..2^24, `tokens_per_sequence` below 1.
std::vector<std::uint16_t> replay_window(const RoutingTrace& trace, int tokens,
                                         int tokens_per_sequence, std::uint64_t seed,
                                         std::uint32_t stream, int domain = -1);

/// The index of a domain by its name. Throws std::invalid_argument that lists the names.
int domain_of(const RoutingTrace& trace, const std::string& name);

/// Independent tokens that bring counts back (`replay_weights`, AliasGenerator): no correlation
/// between tokens or layers, since counts have none. Layers are those of `counts`. Returns as
/// above.
std::vector<std::uint16_t> replay_counts(const ExpertCounts& counts, int top_k, int tokens,
                                         std::uint64_t seed, std::uint32_t stream);

}  // namespace tollgate::kernels
