#pragma once

#include <cstdint>
#include <vector>

#include "sim/serving/engine/clock.h"
#include "sim/serving/engine/token_gaps.h"

namespace tollgate {

/// The requests of a simulation as a struct of arrays, in order of arrival. A request is its index.
struct RequestTable {
  /// Not descending, but for requests that wait for others; of those that wait for nobody it is
  /// ignored in a closed loop.
  std::vector<Ticks> arrival;
  std::vector<std::int32_t> input;   ///< prompt tokens, at least 1
  std::vector<std::int32_t> output;  ///< tokens that will be generated, at least 1

  /// What the client allows to be generated; schedulers that reserve for it see this instead of
  /// `output`. Empty: the output itself.
  std::vector<std::int32_t> max_tokens;

  /// Urgency, smallest first; for schedulers that go by it. Empty: all alike.
  std::vector<std::int8_t> priority;

  /// Prefix sharing. A stream is a sequence of tokens that several requests have in common: a
  /// system prompt, or a conversation. The first `shared` tokens of prompt and answer together lie
  /// on stream `stream`; -1 is none. A turn of a conversation shares everything, so that the next
  /// turn finds its prompt and its answer. Empty: nothing is shared.
  std::vector<std::int32_t> stream;
  std::vector<std::int32_t> shared;
  /// A stated hit rate instead: so many prompt tokens of a request that is on no stream count as
  /// found when it is admitted, but for the last, and take room as if they were its own. Empty:
  /// none.
  std::vector<std::int32_t> cached;

  /// A stream may begin with another one: its first `branch` tokens are those of `parent` (-1:
  /// none).
  struct Stream {
    std::int32_t parent = -1;
    std::int32_t branch = 0;
  };
  std::vector<Stream> streams;  ///< empty: no stream has a parent

  /// Requests that wait for others: a turn of a conversation for the answer before it, the join of
  /// an agent's branches for all of them. The successors of request r are
  /// successors[successors_begin[r]] up to successors[successors_begin[r + 1]], each larger than r.
  /// The `arrival` of a request that waits is the time from the last answer it waits for until it
  /// is sent (think or tool time, at least a tick), and is not ordered. Empty: nobody waits.
  std::vector<std::int32_t> successors_begin;
  std::vector<std::int32_t> successors;

  std::int32_t size() const { return static_cast<std::int32_t>(input.size()); }
  std::int32_t allowed(std::int32_t r) const {
    const auto i = static_cast<std::size_t>(r);
    return max_tokens.empty() ? output[i] : max_tokens[i];
  }
  void reserve(std::size_t n) {
    arrival.reserve(n);
    input.reserve(n);
    output.reserve(n);
  }
};

/// Sums over a simulation.
struct EngineCounters {
  std::int64_t steps = 0;          ///< engine steps
  std::int64_t blocked_steps = 0;  ///< of these, those that left somebody waiting for admission
  std::int64_t events = 0;         ///< of these, decided one by one; the others have a closed form
  std::int64_t preemptions = 0;    ///< sequences thrown out of the cache, to be computed anew
  std::int64_t recomputed = 0;     ///< tokens whose cache was lost by that
  std::int64_t prompt_tokens = 0;  ///< looked up in the prefix cache at admission
  std::int64_t cached_tokens = 0;  ///< of these, found
  std::int64_t loaded_tokens = 0;  ///< of these, in the host's memory
  Ticks end = 0;                   ///< when the last step ended

  EngineCounters& operator+=(const EngineCounters& o);
};

/// What happened to each request, by the engine's clock: a request arrives when the engine receives
/// it. Times are -1 where it has not come to it.
struct Outcome {
  /// When each request was sent; only in a closed loop or where requests wait for others.
  std::vector<Ticks> arrival;
  std::vector<Ticks> first;  ///< end of the step that gave the first token
  std::vector<Ticks> last;   ///< end of the step that gave the last token
  EngineCounters counters;
  double before_arrival = 0;  ///< seconds from sending to the engine, summed over sessions
  TokenGaps gaps;             ///< between the tokens of all answers
  bool closed_loop = false;   ///< the next request was sent when one was answered
};

}  // namespace tollgate
