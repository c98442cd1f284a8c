#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "sim/serving/engine/request_table.h"
#include "sim/serving/workload/lengths.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

/// The requests of one conversation, sub-agents included, before they are put into a table.
struct Conversation {
  struct Request {
    std::int32_t input, output;
    Ticks pause;          ///< from the last answer it waits for; 0 for the first
    std::int32_t stream;  ///< of this conversation's
  };
  struct Stream {
    std::int32_t parent;  ///< of this conversation's; -1: the system prompt of the class
    std::int32_t branch;  ///< tokens shared with it
  };
  std::vector<Request> requests;                             ///< each after those it waits for
  std::vector<std::pair<std::int32_t, std::int32_t>> waits;  ///< (answer, the request it holds up)
  std::vector<Stream> streams;
  bool cut = false;          ///< the first prompt or its answer was cut at the context
  bool ended_early = false;  ///< turns or calls that outgrew the context were left out

  void clear();
};

/// Draws conversations of a class: turns whose prompts grow, with sub-agents if it has any.
class ConversationSampler {
 public:
  /// `context`: tokens that a prompt and its answer may have together. The class has a session.
  ConversationSampler(const RequestClass& request_class, std::int64_t context);

  /// Conversation `which` of a seed, a function of these two alone.
  void draw_into(Conversation& conversation, std::uint64_t seed, std::uint32_t which) const;

  /// Mean number of requests in a conversation, of which `draw_into` makes as many or, where they
  /// outgrow the context, fewer: the expectation without a bound, times the ratio of what 4,096
  /// conversations of a seed of their own have with the bound and without.
  double mean_requests() const { return mean_requests_; }

 private:
  void draw_into(Conversation& conversation, std::uint64_t seed, std::uint32_t which,
                 std::int64_t context) const;

  std::int64_t context_;
  std::int32_t system_prompt_;
  LengthSampler turns_;
  PairSampler first_, later_;
  double think_ticks_ = 0;                 ///< mean
  double think_mu_ = 0, think_sigma_ = 0;  ///< of the logarithm of ticks
  bool fans_out_ = false, inherits_ = true;
  double fan_out_share_ = 0;
  LengthSampler branches_, calls_;
  PairSampler call_;
  double mean_requests_ = 1;
};

}  // namespace tollgate
