#pragma once
/// What the machine can do at most, measured in the run that is held against it. One thread.

#include <time.h>

#include <algorithm>
#include <vector>

#include "bench/philox_words.h"

namespace tollgate::kernels {

/// Seconds of processor time of this thread: what a busy machine does in between does not count.
inline double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The shortest of several runs of `work`, in seconds of processor time.
template <typename Work>
double shortest_seconds(int runs, const Work& work) {
  double best = 1e300;
  for (int i = 0; i < runs; ++i) {
    const double start = thread_seconds();
    work();
    best = std::min(best, thread_seconds() - start);
  }
  return best;
}

/// Philox words per second of the fastest variant.
inline double philox_limit() {
  static const double limit = [] {
    constexpr std::size_t kWords = 4096;
    constexpr int kCalls = 4096;
    std::vector<std::uint32_t> words(kWords);
    const PhiloxFunction fill = philox_variants().front().fill;
    std::uint32_t sum = 0;
    const double seconds = shortest_seconds(7, [&] {
      for (int i = 0; i < kCalls; ++i) {
        fill(static_cast<std::uint32_t>(i) * 1024, 42, words.data(), kWords);
        sum ^= words[i];
      }
    });
    return kWords * kCalls / seconds + (sum == 1 ? 1e-300 : 0);
  }();
  return limit;
}

/// Bytes per second that can be read from memory: a sum over 512 MiB, far beyond the caches of a
/// core.
inline double read_limit() {
  static const double limit = [] {
    const std::vector<std::uint64_t> data(std::size_t{64} << 20, 3);
    std::uint64_t sum = 0;
    const double seconds = shortest_seconds(5, [&] {
      std::uint64_t part[8] = {};
      for (std::size_t i = 0; i < data.size(); i += 8) {
        for (int j = 0; j < 8; ++j) part[j] += data[i + j];
      }
      for (const std::uint64_t p : part) sum ^= p;
    });
    return static_cast<double>(data.size()) * 8 / seconds + (sum == 1 ? 1e-300 : 0);
  }();
  return limit;
}

}  // namespace tollgate::kernels
