#include "sim/serving/engine/block_pool.h"

#include <algorithm>
#include <stdexcept>

namespace tollgate {

BlockPool::BlockPool(std::int64_t blocks, int block_tokens, bool caching,
                     const RequestTable& requests, std::int64_t host_blocks)
    : total_(blocks),
      free_(blocks),
      block_tokens_(block_tokens),
      caching_(caching && !requests.stream.empty()),
      requests_(requests),
      host_(caching_ ? host_blocks : 0) {
  if (caching_) append(-1, 0, blocks);
}

std::int64_t BlockPool::base_of(std::int32_t stream) const {
  const auto s = static_cast<std::size_t>(stream);
  if (s >= requests_.streams.size() || requests_.streams[s].parent < 0) return 0;
  return requests_.streams[s].branch / block_tokens_;
}

/// The segments that hold the first `end` blocks of a stream, deepest first, with where each ends.
void BlockPool::walk(std::int32_t stream, std::int64_t end) const {
  path_.clear();
  for (;;) {
    const std::int64_t base = base_of(stream);
    if (end > base) path_.push_back({stream, end});
    if (base == 0) return;
    end = std::min(end, base);
    stream = requests_.streams[static_cast<std::size_t>(stream)].parent;
  }
}

const BlockPool::Segment* BlockPool::find(std::int32_t stream) const {
  const auto it = index_.find(stream);
  return it == index_.end() ? nullptr : &segments_[static_cast<std::size_t>(it->second)];
}

BlockPool::Segment& BlockPool::segment(std::int32_t stream) {
  const auto [it, is_new] = index_.try_emplace(stream, 0);
  if (is_new) {
    if (spare_segments_.empty()) {
      spare_segments_.push_back(static_cast<std::int32_t>(segments_.size()));
      segments_.emplace_back();
      stream_of_.push_back(0);
    }
    it->second = spare_segments_.back();
    spare_segments_.pop_back();
    Segment& fresh = segments_[static_cast<std::size_t>(it->second)];
    fresh.base = fresh.cached = base_of(stream);
    fresh.lowest = fresh.highest = -1;
    fresh.holders.clear();
    stream_of_[static_cast<std::size_t>(it->second)] = stream;
  }
  return segments_[static_cast<std::size_t>(it->second)];
}

void BlockPool::forget_if_empty(std::int32_t stream) {
  const auto it = index_.find(stream);
  const Segment& s = segments_[static_cast<std::size_t>(it->second)];
  if (s.cached > s.base || !s.holders.empty()) return;
  spare_segments_.push_back(it->second);
  index_.erase(it);
}

void BlockPool::add_holder(Segment& s, std::int64_t end) {
  auto at = std::lower_bound(s.holders.begin(), s.holders.end(), std::make_pair(end, 0));
  if (at != s.holders.end() && at->first == end) {
    ++at->second;
  } else {
    s.holders.insert(at, {end, 1});
  }
}

void BlockPool::remove_holder(Segment& s, std::int64_t end) {
  const auto at = std::lower_bound(s.holders.begin(), s.holders.end(), std::make_pair(end, 0));
  if (--at->second == 0) s.holders.erase(at);
}

void BlockPool::append(std::int32_t segment, std::int64_t low, std::int64_t high) {
  if (segment < 0 && back_ >= 0 && extents_[static_cast<std::size_t>(back_)].segment < 0) {
    extents_[static_cast<std::size_t>(back_)].high += high - low;
    return;
  }
  if (spare_extents_.empty()) {
    spare_extents_.push_back(static_cast<std::int32_t>(extents_.size()));
    extents_.emplace_back();
  }
  const std::int32_t id = spare_extents_.back();
  spare_extents_.pop_back();
  extents_[static_cast<std::size_t>(id)] = {back_, -1, -1, -1, segment, low, high};
  (back_ >= 0 ? extents_[static_cast<std::size_t>(back_)].next : front_) = id;
  back_ = id;
  if (segment < 0) return;
  // What is freed lies below everything of the segment that was freed before.
  Segment& s = segments_[static_cast<std::size_t>(segment)];
  extents_[static_cast<std::size_t>(id)].upper = s.lowest;
  (s.lowest >= 0 ? extents_[static_cast<std::size_t>(s.lowest)].lower : s.highest) = id;
  s.lowest = id;
}

void BlockPool::unlink(std::int32_t id) {
  const Extent& e = extents_[static_cast<std::size_t>(id)];
  (e.previous >= 0 ? extents_[static_cast<std::size_t>(e.previous)].next : front_) = e.next;
  (e.next >= 0 ? extents_[static_cast<std::size_t>(e.next)].previous : back_) = e.previous;
  if (e.segment >= 0) {
    Segment& s = segments_[static_cast<std::size_t>(e.segment)];
    (e.lower >= 0 ? extents_[static_cast<std::size_t>(e.lower)].upper : s.lowest) = e.upper;
    (e.upper >= 0 ? extents_[static_cast<std::size_t>(e.upper)].lower : s.highest) = e.lower;
  }
  spare_extents_.push_back(id);
}

void BlockPool::take(std::int64_t n) {
  free_ -= n;
  if (free_ < 0) throw std::logic_error("the block pool was asked for more than it has");
  if (!caching_) return;
  while (n > 0) {
    const std::int32_t id = front_;
    Extent& e = extents_[static_cast<std::size_t>(id)];
    const std::int64_t taken = std::min(n, e.high - e.low);
    n -= taken;
    e.high -= taken;
    const bool gone = e.high == e.low;
    const std::int32_t segment = e.segment;
    const std::int64_t high = e.high;
    if (gone) unlink(id);
    if (segment < 0) continue;
    segments_[static_cast<std::size_t>(segment)].cached = high;
    if (host_.on()) host_.put(stream_of_[static_cast<std::size_t>(segment)], high, high + taken);
    if (gone) forget_if_empty(stream_of_[static_cast<std::size_t>(segment)]);
  }
}

BlockPool::Match BlockPool::match(std::int32_t stream, std::int64_t limit) const {
  Match m;
  if (!caching_ || stream < 0) return m;
  // One block beyond the limit tells whether there is more.
  walk(stream, limit + 1);
  for (auto step = path_.rbegin(); step != path_.rend(); ++step) {
    const Segment* s = find(step->stream);
    if (s == nullptr) break;
    m.blocks = std::max(m.blocks, std::min(s->cached, step->end));
    if (!s->holders.empty()) m.in_use = std::max(m.in_use, std::min(s->held(), step->end));
    if (s->cached < step->end) break;
  }
  m.more = m.blocks > limit;
  m.blocks = std::min(m.blocks, limit);
  m.in_use = std::min(m.in_use, m.blocks);
  if (host_.on() && m.blocks < limit) m.host = on_host(m.blocks, limit);
  return m;
}

/// Blocks in the host's memory from `begin` on, along the path of the last walk().
std::int64_t BlockPool::on_host(std::int64_t begin, std::int64_t limit) const {
  std::int64_t end = begin;
  for (auto step = path_.rbegin(); step != path_.rend(); ++step) {
    if (step->end <= end) continue;
    end = std::min(step->end, host_.end(step->stream, end));
    if (end < step->end) break;
  }
  return std::min(end, limit) - begin;
}

void BlockPool::load(std::int32_t stream, std::int64_t from, std::int64_t host) {
  if (host == 0) return;
  walk(stream, from + host);
  for (const Step& step : path_) host_.drop_below(step.stream, step.end);
  take(host);
  extend(stream, from, from + host);
}

bool BlockPool::cached(std::int32_t stream, std::int64_t index) const {
  return match(stream, index).more;
}

void BlockPool::acquire(std::int32_t stream, std::int64_t blocks) {
  if (blocks == 0) return;
  walk(stream, blocks);
  for (const Step& step : path_) {
    Segment& s = segment(step.stream);
    free_ -= std::max<std::int64_t>(step.end - s.held(), 0);
    while (s.lowest >= 0 && extents_[static_cast<std::size_t>(s.lowest)].low < step.end) {
      Extent& e = extents_[static_cast<std::size_t>(s.lowest)];
      if (e.high <= step.end) {
        unlink(s.lowest);
      } else {
        e.low = step.end;
      }
    }
    add_holder(s, step.end);
  }
}

void BlockPool::extend(std::int32_t stream, std::int64_t from, std::int64_t to) {
  if (!caching_) return;
  if (from > 0) {
    walk(stream, from);
    for (const Step& step : path_) remove_holder(segment(step.stream), step.end);
  }
  walk(stream, to);
  for (const Step& step : path_) {
    if (host_.on()) host_.drop_below(step.stream, step.end);
    Segment& s = segment(step.stream);
    s.cached = std::max(s.cached, step.end);
    add_holder(s, step.end);
  }
}

void BlockPool::release(std::int32_t stream, std::int64_t held, std::int64_t own) {
  free_ += own;
  if (!caching_) return;
  if (own > 0) append(-1, 0, own);
  if (held == 0) return;
  walk(stream, held);
  for (const Step& step : path_) {
    Segment& s = segment(step.stream);
    remove_holder(s, step.end);
    const std::int64_t still = s.held();
    if (still >= step.end) continue;
    free_ += step.end - still;
    append(index_.find(step.stream)->second, still, step.end);
  }
}

}  // namespace tollgate
