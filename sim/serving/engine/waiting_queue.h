#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "sim/serving/engine/request_table.h"

namespace tollgate {

/// Who waits for admission to a rank: in order of arrival, what was preempted in front; or by
/// priority, and by arrival within one.
class WaitingQueue {
 public:
  struct Entry {
    std::int32_t request;
    std::int32_t produced;  ///< tokens emitted before it was preempted
    Ticks emitted_at = 0;   ///< the last of them
  };

  /// `sent`: when each request was sent, where that does not follow the table's order.
  WaitingQueue(const RequestTable& requests, const std::vector<Ticks>& sent, bool by_priority)
      : requests_(requests), sent_(sent), by_priority_(by_priority && !requests.priority.empty()) {}

  bool by_priority() const { return by_priority_; }
  bool empty() const { return size() == 0; }
  std::size_t size() const { return returned_.size() + arrived_.size() + sorted_.size(); }

  void push_back(Entry e) {
    if (by_priority_) {
      sort_in(e);
    } else {
      arrived_.push_back(e);
    }
  }
  void push_front(Entry e) {
    if (by_priority_) {
      sort_in(e);
    } else {
      returned_.push_back(e);
    }
  }
  Entry front() const {
    if (by_priority_) return sorted_.begin()->second;
    return returned_.empty() ? arrived_.front() : returned_.back();
  }
  void pop() {
    if (by_priority_) {
      sorted_.erase(sorted_.begin());
    } else if (returned_.empty()) {
      arrived_.pop_front();
    } else {
      returned_.pop_back();
    }
  }

  /// Smallest first: the priority, when it was sent, its index.
  using Urgency = std::tuple<std::int8_t, Ticks, std::int32_t>;
  Urgency urgency(std::int32_t request) const {
    const auto i = static_cast<std::size_t>(request);
    return {requests_.priority[i], sent_.empty() ? 0 : sent_[i], request};
  }

 private:
  void sort_in(Entry e) { sorted_.emplace(urgency(e.request), e); }

  const RequestTable& requests_;
  const std::vector<Ticks>& sent_;
  bool by_priority_;
  std::vector<Entry> returned_;  ///< last in, first out
  std::deque<Entry> arrived_;
  std::map<Urgency, Entry> sorted_;
};

}  // namespace tollgate
