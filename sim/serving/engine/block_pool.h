#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/serving/engine/host_cache.h"
#include "sim/serving/engine/request_table.h"

namespace tollgate {

/// The key-value cache of one rank in blocks, with vLLM's prefix cache: a freed block keeps its
/// content until it is taken again, least recently freed first, a sequence's tail before its head.
///
/// Whoever holds a block of a stream also holds all blocks before it, and frees it no later than
/// those; so the cached part of a stream is always a beginning of it, and whole ranges of blocks
/// stand for single ones. Results are those of a pool that keeps each block by itself.
class BlockPool {
 public:
  /// `host_blocks`: room in the host's memory for blocks that are evicted.
  BlockPool(std::int64_t blocks, int block_tokens, bool caching, const RequestTable& requests,
            std::int64_t host_blocks = 0);

  std::int64_t total() const { return total_; }
  /// Blocks that nobody holds, cached ones included.
  std::int64_t free() const { return free_; }

  /// Takes `n` of the free blocks, forgetting what they hold.
  void take(std::int64_t n);

  struct Match {
    std::int64_t blocks = 0;  ///< cached blocks at the beginning of the stream
    std::int64_t in_use = 0;  ///< of these, held by somebody
    bool more = false;        ///< the block after them is cached too, but was not asked for
    std::int64_t host = 0;    ///< blocks behind them that are in the host's memory
  };
  /// At most `limit` blocks.
  Match match(std::int32_t stream, std::int64_t limit) const;

  /// Holds the first `blocks` blocks of a stream, which must be cached.
  void acquire(std::int32_t stream, std::int64_t blocks);

  /// A holder of the first `from` blocks loads the `host` blocks behind them from the host.
  void load(std::int32_t stream, std::int64_t from, std::int64_t host);

  /// A holder of the first `from` blocks has filled the ones up to `to`, which it had taken; they
  /// are cached from now on. None of them may be cached already.
  void extend(std::int32_t stream, std::int64_t from, std::int64_t to);

  /// Whether block `index` of the stream is cached.
  bool cached(std::int32_t stream, std::int64_t index) const;

  /// Frees `own` blocks that are in no stream, then the first `held` blocks of the stream.
  void release(std::int32_t stream, std::int64_t held, std::int64_t own);

 private:
  /// A range of free blocks in the queue; of no stream when `segment` is negative.
  struct Extent {
    std::int32_t previous, next;  ///< in the queue
    std::int32_t lower, upper;    ///< in the segment, by block index
    std::int32_t segment;
    std::int64_t low, high;
  };
  /// The blocks of one stream from its branch on.
  struct Segment {
    std::int64_t base = 0;    ///< first block that is not the parent's
    std::int64_t cached = 0;  ///< end of the cached blocks
    std::int32_t lowest = -1, highest = -1;
    std::vector<std::pair<std::int64_t, std::int32_t>> holders;  ///< end of held blocks, count
    std::int64_t held() const { return holders.empty() ? base : holders.back().first; }
  };
  struct Step {
    std::int32_t stream;
    std::int64_t end;
  };

  std::int64_t base_of(std::int32_t stream) const;
  void walk(std::int32_t stream, std::int64_t end) const;
  std::int64_t on_host(std::int64_t begin, std::int64_t limit) const;
  const Segment* find(std::int32_t stream) const;
  Segment& segment(std::int32_t stream);
  void forget_if_empty(std::int32_t stream);
  void add_holder(Segment& s, std::int64_t end);
  void remove_holder(Segment& s, std::int64_t end);
  void append(std::int32_t segment, std::int64_t low, std::int64_t high);
  void unlink(std::int32_t extent);

  std::int64_t total_, free_;
  int block_tokens_;
  bool caching_;
  const RequestTable& requests_;
  HostCache host_;
  std::vector<Extent> extents_;
  std::vector<std::int32_t> spare_extents_;
  std::int32_t front_ = -1, back_ = -1;
  std::unordered_map<std::int32_t, std::int32_t> index_;
  std::vector<Segment> segments_;
  std::vector<std::int32_t> stream_of_, spare_segments_;
  mutable std::vector<Step> path_;  ///< scratch of walk(): deepest segment first
};

}  // namespace tollgate
