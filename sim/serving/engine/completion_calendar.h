#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace tollgate {

/// Which decoding sequences end at which value of the emission clock: a ring of chains with a
/// two-level bitmap, so that joining costs O(1) and the next end is found by counting zeros.
/// Sequences are small integers; `next` is their chain link.
class CompletionCalendar {
 public:
  /// No sequence may end more than `horizon` tokens ahead.
  explicit CompletionCalendar(std::int64_t horizon) {
    std::size_t size = 4096;
    while (size < static_cast<std::size_t>(horizon)) size *= 2;
    mask_ = size - 1;
    head_.assign(size, -1);
    words_.assign(size / 64, 0);
    summary_.assign(size / 4096, 0);
  }

  void insert(std::int64_t end, std::int32_t sequence, std::int32_t& next) {
    const std::size_t s = slot(end);
    next = head_[s];
    head_[s] = sequence;
    words_[s >> 6] |= bit(s);
    summary_[s >> 12] |= bit(s >> 6);
  }

  /// Takes the whole chain that ends at `end`; -1 when there is none.
  std::int32_t take(std::int64_t end) {
    const std::size_t s = slot(end);
    const std::int32_t chain = head_[s];
    if (chain >= 0) clear(s);
    return chain;
  }

  /// Unlinks one sequence. `link(i)` gives a reference to the chain link of sequence i.
  template <class Link>
  void remove(std::int64_t end, std::int32_t sequence, Link link) {
    const std::size_t s = slot(end);
    std::int32_t* at = &head_[s];
    while (*at != sequence) at = &link(*at);
    *at = link(sequence);
    if (head_[s] < 0) clear(s);
  }

  /// Tokens from `now` to the next end after it; -1 when nothing decodes.
  std::int64_t ahead(std::int64_t now) const {
    const std::size_t s = slot(now + 1);
    const std::size_t w = s >> 6;
    const std::uint64_t here = words_[w] >> (s & 63);
    if (here != 0) return 1 + std::countr_zero(here);
    const std::size_t groups = summary_.size();
    std::size_t g = w >> 6;
    const unsigned shift = static_cast<unsigned>(w & 63) + 1;
    std::uint64_t later = shift < 64 ? (summary_[g] >> shift) << shift : 0;
    for (std::size_t k = 0; k <= groups; ++k) {
      if (later != 0) {
        const std::size_t word = (g << 6) + static_cast<std::size_t>(std::countr_zero(later));
        const std::size_t found =
            (word << 6) + static_cast<std::size_t>(std::countr_zero(words_[word]));
        return 1 + static_cast<std::int64_t>((found - s) & mask_);
      }
      g = g + 1 == groups ? 0 : g + 1;
      later = summary_[g];
    }
    return -1;
  }

 private:
  static std::uint64_t bit(std::size_t s) { return std::uint64_t{1} << (s & 63); }
  std::size_t slot(std::int64_t end) const { return static_cast<std::size_t>(end) & mask_; }
  void clear(std::size_t s) {
    head_[s] = -1;
    words_[s >> 6] &= ~bit(s);
    if (words_[s >> 6] == 0) summary_[s >> 12] &= ~bit(s >> 6);
  }

  std::size_t mask_ = 0;
  std::vector<std::int32_t> head_;
  std::vector<std::uint64_t> words_, summary_;
};

}  // namespace tollgate
