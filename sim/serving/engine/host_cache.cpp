#include "sim/serving/engine/host_cache.h"

#include <algorithm>

namespace tollgate {

void HostCache::put(std::int32_t stream, std::int64_t low, std::int64_t high) {
  held_ += high - low;
  queue_.push_back({stream, low, high});
  of_[stream].push_back(std::prev(queue_.end()));
  while (held_ > capacity_) {
    Extent& oldest = queue_.front();
    const std::int64_t dropped = std::min(held_ - capacity_, oldest.high - oldest.low);
    held_ -= dropped;
    oldest.high -= dropped;
    if (oldest.high > oldest.low) continue;
    const auto at = of_.find(oldest.stream);
    at->second.erase(at->second.begin());
    if (at->second.empty()) of_.erase(at);
    queue_.pop_front();
  }
}

std::int64_t HostCache::end(std::int32_t stream, std::int64_t begin) const {
  const auto at = of_.find(stream);
  if (at == of_.end() || at->second.back()->low > begin) return begin;
  return at->second.front()->high;
}

void HostCache::drop_below(std::int32_t stream, std::int64_t end) {
  const auto at = of_.find(stream);
  if (at == of_.end()) return;
  std::vector<Place>& places = at->second;
  while (!places.empty() && places.back()->low < end) {
    Extent& newest = *places.back();
    const std::int64_t to = std::min(end, newest.high);
    held_ -= to - newest.low;
    newest.low = to;
    if (newest.low < newest.high) break;
    queue_.erase(places.back());
    places.pop_back();
  }
  if (places.empty()) of_.erase(at);
}

}  // namespace tollgate
