#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <tuple>
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
  };

  WaitingQueue(const RequestTable& requests, bool by_priority)
      : requests_(requests), by_priority_(by_priority && !requests.priority.empty()) {}

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
    if (by_priority_) return {std::get<1>(*sorted_.begin()), std::get<2>(*sorted_.begin())};
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

 private:
  void sort_in(Entry e) {
    sorted_.emplace(requests_.priority[static_cast<std::size_t>(e.request)], e.request, e.produced);
  }

  const RequestTable& requests_;
  bool by_priority_;
  std::vector<Entry> returned_;  ///< last in, first out
  std::deque<Entry> arrived_;
  std::set<std::tuple<std::int8_t, std::int32_t, std::int32_t>> sorted_;
};

}  // namespace tollgate
