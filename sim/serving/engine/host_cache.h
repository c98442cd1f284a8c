#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

namespace tollgate {

/// Cache blocks in the host's memory: what the device evicted, least recently evicted first to go.
///
/// The blocks of a stream leave the device from its tail on, and the host holds none that the
/// device has cached; so of each stream it holds a range of blocks whose last are the oldest.
class HostCache {
 public:
  explicit HostCache(std::int64_t blocks) : capacity_(blocks) {}

  bool on() const { return capacity_ > 0; }
  /// The device has evicted blocks [low, high), the last one first.
  void put(std::int32_t stream, std::int64_t low, std::int64_t high);
  /// End of the blocks held from `begin` on without a gap; `begin` if that one is not held.
  std::int64_t end(std::int32_t stream, std::int64_t begin) const;
  /// Drops the blocks below `end`: the device has them.
  void drop_below(std::int32_t stream, std::int64_t end);

 private:
  struct Extent {
    std::int32_t stream;
    std::int64_t low, high;
  };
  using Place = std::list<Extent>::iterator;

  std::int64_t capacity_, held_ = 0;
  std::list<Extent> queue_;                                  ///< oldest first
  std::unordered_map<std::int32_t, std::vector<Place>> of_;  ///< by stream, oldest first
};

}  // namespace tollgate
