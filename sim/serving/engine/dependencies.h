#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/serving/engine/request_table.h"

namespace tollgate {

/// Which requests still wait for the answers of others.
class Dependencies {
 public:
  explicit Dependencies(const RequestTable& requests);

  /// Whether nobody precedes the request: it is sent on its own.
  bool is_root(std::int32_t request) const {
    return root_.empty() || root_[static_cast<std::size_t>(request)];
  }

  /// A request was answered at `at`. Calls send(successor, time) for each request that it was the
  /// last to hold up; it is sent at least one tick after the answer. `ready` is scratch: the last
  /// answer so far for each request that waits. Throws InputError for a time beyond the clock.
  template <class Send>
  void answered(std::int32_t request, Ticks at, std::vector<Ticks>& ready, Send send) {
    if (left_.empty()) return;
    const auto r = static_cast<std::size_t>(request);
    for (std::int32_t k = requests_.successors_begin[r]; k < requests_.successors_begin[r + 1];
         ++k) {
      const std::int32_t s = requests_.successors[static_cast<std::size_t>(k)];
      const auto i = static_cast<std::size_t>(s);
      ready[i] = std::max(ready[i], at);
      if (--left_[i] == 0) send(s, sent_after(s, ready[i]));
    }
  }

 private:
  Ticks sent_after(std::int32_t request, Ticks answer) const;

  const RequestTable& requests_;
  std::vector<bool> root_;
  std::vector<std::int32_t> left_;  ///< answers that each still waits for
};

/// What the users of a closed loop send: a session at a time. A session is all requests that hang
/// together by waiting for each other; without successors each request is one. Sessions go in the
/// order of their first requests.
class Sessions {
 public:
  explicit Sessions(const RequestTable& requests, const Dependencies& dependencies);

  std::int64_t count() const { return count_; }

  /// Calls send(request) for the requests that begin the next session, in their order.
  template <class Send>
  void begin_next(Send send) {
    if (begun_ == count_) return;
    const auto session = static_cast<std::int32_t>(begun_++);
    if (session_of_.empty()) {
      send(session);
      return;
    }
    while (next_root_ < roots_.size() &&
           session_of_[static_cast<std::size_t>(roots_[next_root_])] == session) {
      send(roots_[next_root_++]);
    }
  }

  /// A request was answered at `at`; whether it was the last of its session, and if so, `at` is
  /// set to the time of the session's last answer.
  bool ended_by(std::int32_t request, Ticks& at);

 private:
  std::int64_t count_, begun_ = 0;
  std::vector<std::int32_t> session_of_;  ///< empty: each request is one
  std::vector<std::int32_t> roots_;       ///< by session
  std::size_t next_root_ = 0;
  std::vector<std::int32_t> left_;  ///< requests of each session without an answer
  std::vector<Ticks> last_;         ///< answer of each session
};

}  // namespace tollgate
