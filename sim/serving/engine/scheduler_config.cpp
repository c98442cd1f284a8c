#include "sim/serving/engine/scheduler_config.h"

#include <algorithm>
#include <string>

#include "sim/base/error.h"

namespace tollgate {
namespace {

std::string request_name(std::int32_t r) { return "request " + std::to_string(r); }

/// Which requests wait for others; empty where none does.
std::vector<bool> check_successors(const RequestTable& t) {
  std::vector<bool> waits;
  if (t.successors_begin.empty() && t.successors.empty()) return waits;
  const std::size_t n = t.input.size();
  const auto& begin = t.successors_begin;
  if (begin.size() != n + 1 || begin.front() != 0 ||
      begin.back() != static_cast<std::int64_t>(t.successors.size()) ||
      !std::is_sorted(begin.begin(), begin.end())) {
    throw InputError("the beginnings of the successors do not fit the requests and successors");
  }
  waits.assign(n, false);
  for (std::int32_t r = 0; r < t.size(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    for (std::int32_t k = begin[i]; k < begin[i + 1]; ++k) {
      const std::int32_t s = t.successors[static_cast<std::size_t>(k)];
      if (s <= r || s >= t.size()) {
        throw InputError(request_name(r) + " must be followed by later requests of the table");
      }
      waits[static_cast<std::size_t>(s)] = true;
    }
  }
  return waits;
}

void check_table(const RequestTable& t) {
  const std::size_t n = t.input.size();
  const auto fits = [n](const auto& column) { return column.empty() || column.size() == n; };
  if (t.output.size() != n || !fits(t.arrival) || !fits(t.max_tokens) || !fits(t.stream) ||
      !fits(t.shared) || !fits(t.cached) || !fits(t.priority) ||
      t.stream.size() != t.shared.size()) {
    throw InputError("the columns of the request table differ in length");
  }
  for (std::size_t s = 0; s < t.streams.size(); ++s) {
    if (t.streams[s].parent >= static_cast<std::int32_t>(s) || t.streams[s].branch < 0) {
      throw InputError("stream " + std::to_string(s) + " must branch from an earlier one");
    }
  }
  const std::vector<bool> waits = check_successors(t);
  Ticks last_arrival = 0;
  for (std::int32_t r = 0; r < t.size(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    if (t.input[i] < 1) throw InputError(request_name(r) + " has no prompt tokens");
    if (t.output[i] < 1) throw InputError(request_name(r) + " generates no token");
    if (t.allowed(r) < t.output[i]) {
      throw InputError(request_name(r) + " generates more tokens than its client allows");
    }
    if (!t.arrival.empty()) {
      if (!waits.empty() && waits[i]) {
        if (t.arrival[i] < 0) throw InputError(request_name(r) + " is sent before it may be");
      } else if (t.arrival[i] < last_arrival) {
        throw InputError(request_name(r) + " arrives before the one ahead of it");
      } else {
        last_arrival = t.arrival[i];
      }
      if (t.arrival[i] > latest_arrival) {
        throw InputError(request_name(r) + " arrives after 53 days, beyond the simulator's clock");
      }
    }
    if (!t.shared.empty() && (t.shared[i] < 0 || t.shared[i] > t.input[i] + t.output[i])) {
      throw InputError(request_name(r) + " shares more tokens than it has");
    }
    if (!t.cached.empty() && (t.cached[i] < 0 || t.cached[i] > t.input[i])) {
      throw InputError(request_name(r) + " finds more prompt tokens than it has");
    }
    if (!t.cached.empty() && t.cached[i] > 0 && !t.stream.empty() && t.stream[i] >= 0) {
      throw InputError(request_name(r) + " has a stated hit rate, but is on a stream");
    }
  }
}

}  // namespace

std::int64_t initial_token_ratio(const SchedulerConfig& c) {
  return static_cast<std::int64_t>(std::min(0.7 * c.conservativeness, 1.0) * (1 << 30));
}

std::int64_t least_token_ratio(const SchedulerConfig& c) {
  return initial_token_ratio(c) * 14 / 100;
}

std::int64_t token_ratio_decay(const SchedulerConfig& c) {
  return (initial_token_ratio(c) - least_token_ratio(c)) / 600;
}

void check(const SchedulerConfig& c, const RequestTable& t, EngineRole role) {
  check_table(t);
  if (c.ranks < 1 || c.block_tokens < 1 || c.max_sequences < 1 || c.batched_tokens < 1) {
    throw InputError("an engine needs at least one rank, sequence, block token and budget token");
  }
  if (c.blocks < 1) throw InputError("the model leaves no room for a key-value cache");
  if (c.draft_tokens < 0 || !(c.tokens_per_step >= 1) || c.tokens_per_step > 1 + c.draft_tokens) {
    throw InputError("with " + std::to_string(c.draft_tokens) +
                     " draft tokens a step emits between 1 and " +
                     std::to_string(1 + c.draft_tokens) + " tokens");
  }
  if (c.host_blocks < 0 || c.load_per_token < 0) {
    throw InputError("the host's memory has no negative room and no negative loading time");
  }
  if (c.host_blocks > 0 && !c.prefix_cache) {
    throw InputError("cache in the host's memory needs the prefix cache");
  }
  if (c.policy != SchedulerPolicy::sglang &&
      static_cast<std::int64_t>(c.max_sequences) * (1 + c.draft_tokens) > c.batched_tokens) {
    throw InputError("max_sequences x (1 + draft_tokens) exceeds the token budget of a step, " +
                     std::to_string(c.batched_tokens));
  }
  if (c.policy == SchedulerPolicy::sglang) {
    if (c.ranks > 1 && c.draft_tokens > 0 && c.mixed_chunk) {
      throw InputError("SGLang does not mix chunks with decoding where it speculates");
    }
    if (role == EngineRole::decode &&
        c.reserved_decode_tokens < 2 * (c.block_tokens + c.draft_tokens)) {
      throw InputError("the tokens reserved for decoding have no room for a page and the drafts");
    }
    if (!(c.conservativeness > 0)) throw InputError("conservativeness must be positive");
    if (c.chunk < c.block_tokens + (c.mixed_chunk ? c.max_sequences : 0)) {
      throw InputError("the prefill chunk has no room for a page of prompt tokens");
    }
  }
  const std::int64_t overshoot = c.draft_tokens > 0 ? 2 * c.draft_tokens + 1 : 0;
  for (std::int32_t r = 0; r < t.size(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    const std::int64_t longest =
        std::int64_t{t.input[i]} + (c.policy == SchedulerPolicy::vllm ? t.output[i] : t.allowed(r));
    if (longest > c.context) {
      throw InputError(request_name(r) + " has " + std::to_string(longest) +
                       " tokens, but the model's context is " + std::to_string(c.context));
    }
    // SGLang keeps one page and one token beyond what a request may need.
    std::int64_t spare = c.policy == SchedulerPolicy::sglang ? c.block_tokens + 1 : 0;
    if (c.policy == SchedulerPolicy::sglang && role == EngineRole::decode) {
      spare += c.reserved_decode_tokens;
    }
    // A sampled answer may take more steps than the mean, and its cache grows with each.
    const std::int64_t slow = c.sample_acceptance ? t.output[i] / 2 + 64 : 0;
    const std::int64_t blocks =
        (longest + overshoot + spare + slow + c.block_tokens - 1) / c.block_tokens;
    if (blocks > c.blocks) {
      throw InputError(request_name(r) + " needs " + std::to_string(blocks) +
                       " cache blocks, but a rank has " + std::to_string(c.blocks));
    }
  }
}

}  // namespace tollgate
