#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "sim/serving/engine/request_table.h"

namespace tollgate {

/// Turns hashes of prompt blocks, each of which stands for its block and all before it, into
/// streams that branch where prompts part.
class PrefixStreams {
 public:
  explicit PrefixStreams(std::int64_t block_tokens) : block_tokens_(block_tokens) {}

  struct Lies {
    std::int32_t stream, shared;
  };
  /// Where a prompt of `input` tokens lies; appends to `streams`.
  Lies add(const std::vector<std::uint64_t>& hashes, std::int64_t input,
           std::vector<RequestTable::Stream>& streams);

 private:
  struct Block {
    std::int32_t stream, index;
  };
  std::int64_t block_tokens_;
  std::unordered_map<std::uint64_t, Block> blocks_;
  std::vector<std::int32_t> length_;  ///< blocks of each stream, its parent's included
};

/// Share of prompt tokens that were in an earlier request of the table, in its order: what a prefix
/// cache finds that never forgets. At least one token of a prompt is computed.
double endless_hit_rate(const RequestTable& requests);

}  // namespace tollgate
