#include "sim/serving/engine/dependencies.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "sim/base/error.h"

namespace tollgate {

Dependencies::Dependencies(const RequestTable& requests) : requests_(requests) {
  if (requests.successors.empty()) return;
  const auto n = static_cast<std::size_t>(requests.size());
  root_.assign(n, true);
  left_.assign(n, 0);
  for (const std::int32_t s : requests.successors) {
    root_[static_cast<std::size_t>(s)] = false;
    ++left_[static_cast<std::size_t>(s)];
  }
}

Ticks Dependencies::sent_after(std::int32_t request, Ticks answer) const {
  const auto i = static_cast<std::size_t>(request);
  const Ticks pause = std::max<Ticks>(1, requests_.arrival.empty() ? 0 : requests_.arrival[i]);
  if (answer > latest_arrival - pause) {
    throw InputError("request " + std::to_string(request) +
                     " is sent after 53 days, beyond the simulator's clock");
  }
  return answer + pause;
}

Sessions::Sessions(const RequestTable& requests, const Dependencies& dependencies)
    : count_(requests.size()) {
  if (requests.successors.empty()) return;
  const auto n = static_cast<std::size_t>(requests.size());
  // Union by the smaller index, so that the root of a set is the session's first request.
  std::vector<std::int32_t>& of = session_of_;
  of.resize(n);
  std::iota(of.begin(), of.end(), 0);
  const auto find = [&of](std::int32_t r) {
    while (of[static_cast<std::size_t>(r)] != r) {
      auto& parent = of[static_cast<std::size_t>(r)];
      parent = of[static_cast<std::size_t>(parent)];
      r = parent;
    }
    return r;
  };
  for (std::size_t r = 0; r < n; ++r) {
    for (std::int32_t k = requests.successors_begin[r]; k < requests.successors_begin[r + 1]; ++k) {
      const std::int32_t a = find(static_cast<std::int32_t>(r));
      const std::int32_t b = find(requests.successors[static_cast<std::size_t>(k)]);
      of[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
    }
  }
  for (std::size_t r = 0; r < n; ++r) {
    // Parents have smaller indices and carry the number of their session already.
    const auto parent = static_cast<std::size_t>(of[r]);
    if (parent == r) {
      of[r] = static_cast<std::int32_t>(left_.size());
      left_.push_back(0);
    } else {
      of[r] = of[parent];
    }
    ++left_[static_cast<std::size_t>(of[r])];
    if (dependencies.is_root(static_cast<std::int32_t>(r))) {
      roots_.push_back(static_cast<std::int32_t>(r));
    }
  }
  count_ = static_cast<std::int64_t>(left_.size());
  last_.assign(left_.size(), 0);
  std::stable_sort(roots_.begin(), roots_.end(), [&of](std::int32_t a, std::int32_t b) {
    return of[static_cast<std::size_t>(a)] < of[static_cast<std::size_t>(b)];
  });
}

bool Sessions::ended_by(std::int32_t request, Ticks& at) {
  if (session_of_.empty()) return true;
  const auto s = static_cast<std::size_t>(session_of_[static_cast<std::size_t>(request)]);
  last_[s] = std::max(last_[s], at);
  at = last_[s];
  return --left_[s] == 0;
}

}  // namespace tollgate
