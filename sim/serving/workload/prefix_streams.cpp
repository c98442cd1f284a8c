#include "sim/serving/workload/prefix_streams.h"

#include <algorithm>

namespace tollgate {

PrefixStreams::Lies PrefixStreams::add(const std::vector<std::uint64_t>& hashes, std::int64_t input,
                                       std::vector<RequestTable::Stream>& streams) {
  std::int32_t known = 0, stream = -1;
  for (const std::uint64_t hash : hashes) {
    const auto at = blocks_.find(hash);
    if (at == blocks_.end() || at->second.index != known) break;
    stream = at->second.stream;
    ++known;
  }
  const auto count = static_cast<std::int32_t>(hashes.size());
  if (known < count) {
    if (stream < 0 || length_[static_cast<std::size_t>(stream)] != known) {
      streams.push_back(
          {stream, stream < 0 ? 0 : static_cast<std::int32_t>(known * block_tokens_)});
      stream = static_cast<std::int32_t>(streams.size()) - 1;
      length_.push_back(known);
    }
    for (std::int32_t i = known; i < count; ++i) {
      blocks_[hashes[static_cast<std::size_t>(i)]] = {stream, i};
    }
    length_[static_cast<std::size_t>(stream)] = count;
  }
  return {stream, static_cast<std::int32_t>(std::min(input, count * block_tokens_))};
}

double endless_hit_rate(const RequestTable& t) {
  std::vector<std::int64_t> kept(t.streams.size(), 0);  // tokens of each stream seen so far
  double prompts = 0, hits = 0;
  for (std::size_t r = 0; r < t.input.size(); ++r) {
    prompts += t.input[r];
    if (t.stream.empty() || t.stream[r] < 0) continue;
    const auto own = static_cast<std::size_t>(t.stream[r]);
    if (kept.size() <= own) kept.resize(own + 1, 0);
    std::int64_t found = 0, bound = t.shared[r];
    // What is kept of the stream itself; where that ends before it branched off, of its parents.
    for (std::int32_t s = t.stream[r]; s >= 0 && bound > found;) {
      const auto i = static_cast<std::size_t>(s);
      const bool branches = i < t.streams.size() && t.streams[i].parent >= 0;
      const std::int64_t begin = branches ? t.streams[i].branch : 0;
      if (kept[i] > begin || !branches) {
        found = std::max(found, std::min(bound, kept[i]));
        break;
      }
      bound = std::min(bound, begin);
      s = t.streams[i].parent;
    }
    hits += static_cast<double>(std::min<std::int64_t>(found, t.input[r] - 1));
    std::int64_t upto = t.shared[r];
    for (std::int32_t s = t.stream[r]; s >= 0;) {
      const auto i = static_cast<std::size_t>(s);
      kept[i] = std::max(kept[i], upto);
      if (i >= t.streams.size()) break;
      upto = std::min<std::int64_t>(upto, t.streams[i].branch);
      s = t.streams[i].parent;
    }
  }
  return prompts > 0 ? hits / prompts : 0;
}

}  // namespace tollgate
