#include "tests/serving/engine_reference.h"

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "sim/serving/engine/acceptance_sampler.h"

namespace tollgate {
namespace {

using Key = std::pair<std::int32_t, std::int64_t>;  // stream that owns the block, index

/// Blocks with reference counts, a map from content to block and a queue of free ones.
struct Pool {
  struct Block {
    bool named = false;
    Key key;
    int users = 0;
    std::list<int>::iterator place;
  };
  std::vector<Block> blocks;
  std::list<int> queue;
  std::map<Key, int> found;

  std::int64_t host_blocks;
  std::list<Key> host;  // evicted blocks in the host's memory, oldest first
  std::map<Key, std::list<Key>::iterator> in_host;

  Pool(std::int64_t n, std::int64_t on_host)
      : blocks(static_cast<std::size_t>(n)), host_blocks(on_host) {
    for (int i = 0; i < n; ++i) {
      blocks[static_cast<std::size_t>(i)].place = queue.insert(queue.end(), i);
    }
  }
  Block& at(int i) { return blocks[static_cast<std::size_t>(i)]; }
  std::int64_t free() const { return static_cast<std::int64_t>(queue.size()); }
  int take() {
    const int i = queue.front();
    queue.pop_front();
    if (at(i).named) {
      found.erase(at(i).key);
      in_host[at(i).key] = host.insert(host.end(), at(i).key);
      if (static_cast<std::int64_t>(host.size()) > host_blocks) leave_host(host.front());
    }
    at(i).named = false;
    at(i).users = 1;
    return i;
  }
  void share(int i) {
    if (at(i).users++ == 0) queue.erase(at(i).place);
  }
  void give(int i) {
    if (--at(i).users == 0) at(i).place = queue.insert(queue.end(), i);
  }
  void leave_host(Key key) {
    const auto at = in_host.find(key);
    if (at == in_host.end()) return;
    host.erase(at->second);
    in_host.erase(at);
  }
  void name(int i, Key key) {
    at(i).named = true;
    at(i).key = key;
    found[key] = i;
    leave_host(key);
  }
};

struct Sequence {
  std::int32_t request = 0;
  std::int64_t promised = 0;  // tokens emitted or on the way
  std::int64_t emitted = 0;
  std::int64_t computed = 0;
  std::vector<int> blocks;
  std::int64_t steps_left = 0;  // with sampled acceptance
  Ticks emitted_at = -1;        // its last token
  std::int64_t named = 0;       // blocks from the beginning that are shared under a name
  bool duplicate = false;
  bool decoding = false;
  bool finished = false;
  bool running = false;
  bool received = false;
};
using SequencePtr = std::shared_ptr<Sequence>;

enum class Role { both, prefill, decode };

struct Part {
  SequencePtr sequence;
  std::int64_t tokens, before;
  std::int64_t emits;
  bool decode;
};

struct Rank {
  Pool pool;
  std::deque<SequencePtr> waiting;
  std::deque<SequencePtr> ready;      // SGLang: cache is here, not running yet
  std::deque<SequencePtr> retracted;  // SGLang's decode engines: cache in the host's memory
  std::deque<SequencePtr> parked;     // given room, in this order; their cache is under way or here
  std::vector<SequencePtr> running;
  std::vector<SequencePtr> pinned;
  std::vector<Part> parts;
  bool preempted = false;
  std::int64_t loaded = 0;
  std::int64_t ratio = 0;
  bool full = false, ended = false;
  std::int64_t steps = 0;  // in which its sequences could decode
};

struct Report {
  bool finished;  // or room was given
  std::int32_t request;
  Ticks at;
};

struct Engine {
  const SchedulerConfig& c;
  Role role;
  const StepTimer& timer;
  const RequestTable& t;
  Outcome& out;
  std::vector<Rank> ranks;
  struct Step {
    std::vector<std::vector<Part>> parts;
    Ticks end;
    std::int64_t prompt_tokens, tokens;
    std::size_t record;
  };
  std::deque<Step> flight;
  Ticks next = never, gpu = 0;
  bool pops = false;
  std::int64_t p, q = 1024;
  std::size_t turn = 0;
  std::vector<Report> reports;
  std::vector<StepEvent> events;    // of the step that is being decided
  std::vector<StepRecord> history;  // all steps
  std::map<Ticks, std::pair<std::int64_t, std::int64_t>> tokens_at;  // by end of step

  void note(StepEvent::Kind kind, const Rank& r, const Sequence& s) {
    events.push_back({kind, static_cast<std::int32_t>(&r - ranks.data()), s.request});
  }
  LoadSample state() const {
    LoadSample s;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      s.running += static_cast<std::int64_t>(ranks[i].running.size());
      s.waiting += waits(i);
      s.blocks += c.blocks - ranks[i].pool.free();
    }
    return s;
  }
  std::map<std::int32_t, std::size_t> rank_of;
  int fruitless = 0;

  Engine(const SchedulerConfig& config, Role r, const StepTimer& s, const RequestTable& table,
         Outcome& outcome)
      : c(config), role(r), timer(s), t(table), out(outcome) {
    for (int i = 0; i < c.ranks; ++i)
      ranks.push_back(Rank{Pool(c.blocks, c.host_blocks),
                           {},
                           {},
                           {},
                           {},
                           {},
                           {},
                           {},
                           false,
                           0,
                           initial_token_ratio(c),
                           false,
                           false,
                           0});
    p = static_cast<std::int64_t>(c.tokens_per_step * 1024 + 0.5);
  }

  bool caching() const { return c.prefix_cache && role != Role::decode && !t.stream.empty(); }
  std::int64_t input(const Sequence& s) const {
    return t.input[static_cast<std::size_t>(s.request)];
  }
  std::int64_t output(const Sequence& s) const {
    return role == Role::prefill ? 1 : t.output[static_cast<std::size_t>(s.request)];
  }
  std::int64_t ceil_blocks(std::int64_t tokens) const {
    return (tokens + c.block_tokens - 1) / c.block_tokens;
  }
  std::int64_t shared(const Sequence& s) const {
    if (!caching() || t.stream[static_cast<std::size_t>(s.request)] < 0) return 0;
    return t.shared[static_cast<std::size_t>(s.request)];
  }
  Key key(const Sequence& s, std::int64_t index) const {
    std::int32_t stream = t.stream[static_cast<std::size_t>(s.request)];
    while (static_cast<std::size_t>(stream) < t.streams.size()) {
      const auto& parent = t.streams[static_cast<std::size_t>(stream)];
      if (parent.parent < 0 || index >= parent.branch / c.block_tokens) break;
      stream = parent.parent;
    }
    return {stream, index};
  }
  void name_up_to(Rank& r, Sequence& s, std::int64_t tokens) {
    if (!caching()) return;
    while (!s.duplicate && (s.named + 1) * c.block_tokens <= std::min(tokens, shared(s))) {
      const Key k = key(s, s.named);
      if (r.pool.found.count(k)) {
        s.duplicate = true;
      } else {
        r.pool.name(s.blocks[static_cast<std::size_t>(s.named)], k);
        ++s.named;
      }
    }
  }
  void free_blocks(Rank& r, Sequence& s) {
    if (s.blocks.empty()) return;  // thrown out while its last token was on the way
    name_up_to(r, s, std::min(s.computed, input(s) + output(s) - 1));
    while (!s.blocks.empty()) {
      r.pool.give(s.blocks.back());
      s.blocks.pop_back();
    }
    s.named = 0;
    s.duplicate = false;
  }
  void grow(Rank& r, Sequence& s, std::int64_t blocks) {
    while (static_cast<std::int64_t>(s.blocks.size()) < blocks) s.blocks.push_back(r.pool.take());
  }

  std::int64_t waits(std::size_t i) const {
    const Rank& r = ranks[i];
    return static_cast<std::int64_t>(r.waiting.size() + r.parked.size() + r.ready.size() +
                                     r.retracted.size());
  }
  std::int64_t load(std::size_t i) const {
    return 4 * waits(i) + static_cast<std::int64_t>(ranks[i].running.size());
  }
  std::int64_t load() const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < ranks.size(); ++i) sum += load(i);
    return sum;
  }
  std::int64_t rank_load(std::size_t i) const {
    return c.policy == SchedulerPolicy::vllm
               ? load(i)
               : waits(i) + static_cast<std::int64_t>(ranks[i].running.size());
  }
  void wake(Ticks at) {
    if (next == never) {
      next = at;
      pops = false;
    }
  }
  void enqueue(std::int32_t request, Ticks at) {
    std::size_t to = 0;
    for (std::size_t i = 1; i < ranks.size(); ++i) {
      if (rank_load(i) < rank_load(to)) to = i;
    }
    if (c.rank_router == RankRouter::round_robin) to = turn++ % ranks.size();
    auto s = std::make_shared<Sequence>();
    s->request = request;
    rank_of[request] = to;
    wait(ranks[to], s, false);
    wake(at);
  }
  void received(std::int32_t request, Ticks at) {
    for (auto& s : ranks[rank_of[request]].parked) {
      if (s->request == request) s->received = true;
    }
    wake(at);
  }
  void unpin(std::int32_t request, Ticks at) {
    Rank& r = ranks[rank_of[request]];
    for (auto it = r.pinned.begin(); it != r.pinned.end(); ++it) {
      if ((*it)->request == request) {
        free_blocks(r, **it);
        r.pinned.erase(it);
        break;
      }
    }
    wake(at);
  }

  std::tuple<std::int8_t, Ticks, std::int32_t> urgency(const SequencePtr& s) const {
    const auto i = static_cast<std::size_t>(s->request);
    return {t.priority[i], out.arrival.empty() ? 0 : out.arrival[i], s->request};
  }
  void wait(Rank& r, const SequencePtr& s, bool in_front) {
    if (c.by_priority && !t.priority.empty()) {
      auto at = r.waiting.begin();
      while (at != r.waiting.end() && urgency(*at) < urgency(s)) ++at;
      r.waiting.insert(at, s);
    } else if (in_front) {
      r.waiting.push_front(s);
    } else {
      r.waiting.push_back(s);
    }
  }

  void preempt(Rank& r, const SequencePtr& s) {
    r.preempted = true;
    note(StepEvent::Kind::preempted, r, *s);
    ++out.counters.preemptions;
    s->running = false;
    if (s->promised >= output(*s)) {  // the last token is on the way: it ends by itself
      free_blocks(r, *s);
      return;
    }
    if (c.policy == SchedulerPolicy::sglang && role == Role::decode) {
      free_blocks(r, *s);
      s->decoding = false;
      r.retracted.push_back(s);
      return;
    }
    out.counters.recomputed += s->computed;
    free_blocks(r, *s);
    s->computed = 0;
    s->decoding = false;
    wait(r, s, c.policy != SchedulerPolicy::sglang);
  }

  void schedule_vllm(Rank& r, Ticks now, std::int64_t emitted) {
    std::int64_t budget = c.batched_tokens;
    bool stop = false;
    for (std::size_t i = 0; i < r.running.size() && budget > 0 && !stop; ++i) {
      SequencePtr s = r.running[i];
      if (s->promised >= output(*s)) continue;
      const std::int64_t target = input(*s) + s->promised;
      const std::int64_t tokens =
          s->decoding ? 1 + c.draft_tokens : std::min(target - s->computed, budget);
      const std::int64_t reaches = s->computed + (s->decoding ? emitted : tokens);
      const std::int64_t room =
          s->decoding || reaches == target ? reaches + c.draft_tokens : reaches;
      const std::int64_t need =
          c.policy == SchedulerPolicy::trtllm
              ? 0
              : ceil_blocks(room) - static_cast<std::int64_t>(s->blocks.size());
      while (need > r.pool.free()) {
        const bool urgent = c.by_priority && !t.priority.empty();
        auto at = r.running.end() - 1;
        if (urgent) {
          at = std::max_element(
              r.running.begin(), r.running.end(),
              [&](const SequencePtr& x, const SequencePtr& y) { return urgency(x) < urgency(y); });
        }
        SequencePtr victim = *at;
        if (at - r.running.begin() < static_cast<std::ptrdiff_t>(i)) --i;
        r.running.erase(at);
        // What it was to compute in this step is taken back.
        const auto part = std::find_if(r.parts.begin(), r.parts.end(),
                                       [&](const Part& x) { return x.sequence == victim; });
        if (part != r.parts.end()) {
          victim->computed = part->before;
          victim->promised -= part->emits;
          ++victim->steps_left;
          r.parts.erase(part);
        }
        preempt(r, victim);
        if (victim == s) {
          stop = true;
          break;
        }
      }
      if (stop) break;
      if (c.policy != SchedulerPolicy::trtllm) grow(r, *s, ceil_blocks(room));
      take_part(r, s, tokens, emitted);
      budget -= tokens;
    }
    if (r.preempted) return;
    while (budget > 0 && static_cast<std::int64_t>(r.running.size()) < c.max_sequences) {
      const auto at = std::find_if(r.parked.begin(), r.parked.end(),
                                   [](const SequencePtr& s) { return s->received; });
      if (at != r.parked.end()) {
        SequencePtr s = *at;
        r.parked.erase(at);
        s->computed = input(*s) - 1;
        s->running = true;
        note(StepEvent::Kind::admitted, r, *s);
        r.running.push_back(s);
        take_part(r, s, 1, emitted);
        --budget;
        continue;
      }
      if (r.waiting.empty()) break;
      SequencePtr s = r.waiting.front();
      const std::int64_t target = input(*s) + s->promised;
      std::int64_t whole = ceil_blocks(target + c.draft_tokens);
      if (c.policy == SchedulerPolicy::trtllm) {
        whole = ceil_blocks(input(*s) + std::max<std::int64_t>(t.allowed(s->request), output(*s)) +
                            c.draft_tokens);
      }
      const Hit hit = look_up(r, *s);
      if (whole - hit.used > r.pool.free()) break;
      r.waiting.pop_front();
      if (role == Role::decode && s->promised == 0) {
        grow(r, *s, whole);
        r.parked.push_back(s);
        reports.push_back({false, s->request, now});
        continue;
      }
      take_hit(r, *s, hit);
      const std::int64_t tokens = std::min(target - s->computed, budget);
      const bool all = c.policy == SchedulerPolicy::trtllm || s->computed + tokens == target;
      grow(r, *s, all ? whole : ceil_blocks(s->computed + tokens));
      s->running = true;
      note(StepEvent::Kind::admitted, r, *s);
      r.running.push_back(s);
      take_part(r, s, tokens, emitted);
      budget -= tokens;
    }
  }

  /// Prefix blocks that a waiting sequence can share, how many of them are in use, and whether the
  /// block after the last one it may share is cached as well.
  struct Hit {
    std::vector<int> blocks;
    std::int64_t used = 0;
    bool more = false;
    std::vector<Key> host;  // behind the blocks, in the host's memory
  };
  Hit look_up(Rank& r, const Sequence& s) {
    Hit hit;
    if (!caching() || shared(s) == 0) return hit;
    const std::int64_t limit = std::min(input(s) + s.promised - 1, shared(s)) / c.block_tokens;
    for (std::int64_t b = 0; b <= limit; ++b) {
      const auto found = r.pool.found.find(key(s, b));
      if (found == r.pool.found.end()) break;
      if (b == limit) {
        hit.more = true;
        break;
      }
      hit.blocks.push_back(found->second);
      hit.used += r.pool.at(found->second).users > 0;
    }
    for (auto b = static_cast<std::int64_t>(hit.blocks.size()); b < limit; ++b) {
      if (r.pool.in_host.count(key(s, b)) == 0) break;
      hit.host.push_back(key(s, b));
    }
    return hit;
  }
  std::int64_t stated(const Sequence& s) const {
    if (role == Role::decode || t.cached.empty()) return 0;
    return std::min<std::int64_t>(t.cached[static_cast<std::size_t>(s.request)], input(s) - 1);
  }
  void take_hit(Rank& r, Sequence& s, const Hit& hit) {
    for (int b : hit.blocks) {
      r.pool.share(b);
      s.blocks.push_back(b);
    }
    // The blocks leave the host before others are evicted to make room for them.
    for (const Key& k : hit.host) r.pool.leave_host(k);
    for (std::size_t b = 0; b < hit.host.size(); ++b) s.blocks.push_back(r.pool.take());
    for (std::size_t b = 0; b < hit.host.size(); ++b) {
      r.pool.name(s.blocks[hit.blocks.size() + b], hit.host[b]);
    }
    const std::int64_t tokens = static_cast<std::int64_t>(hit.host.size()) * c.block_tokens;
    r.loaded += tokens;
    out.counters.loaded_tokens += tokens;
    s.named = static_cast<std::int64_t>(hit.blocks.size() + hit.host.size());
    s.duplicate = hit.more;
    s.computed = s.named * c.block_tokens;
    if (stated(s) > 0) s.computed = stated(s);
    out.counters.prompt_tokens += input(s) + s.promised;
    out.counters.cached_tokens += s.computed;
  }

  void decode_all(Rank& r, std::int64_t emitted) {
    for (const SequencePtr& s : std::vector<SequencePtr>(r.running)) {
      if (!s->decoding || s->promised >= output(*s)) continue;
      grow(r, *s, ceil_blocks(s->computed + emitted + c.draft_tokens));
      take_part(r, s, 1 + c.draft_tokens, emitted);
    }
  }

  std::vector<SequencePtr> decoders_of(Rank& r) const {
    std::vector<SequencePtr> decoders;
    for (const SequencePtr& s : r.running) {
      if (s->decoding && s->promised < output(*s)) decoders.push_back(s);
    }
    return decoders;
  }
  std::int64_t growth(const std::vector<SequencePtr>& decoders, std::int64_t emitted) const {
    std::int64_t blocks = 0;
    for (const SequencePtr& s : decoders) {
      blocks += ceil_blocks(s->computed + emitted + c.draft_tokens) -
                static_cast<std::int64_t>(s->blocks.size());
    }
    return blocks;
  }

  void prefill_sglang(Rank& r, std::int64_t emitted) {
    const std::vector<SequencePtr> decoders = decoders_of(r);
    SequencePtr chunked;
    for (const SequencePtr& s : r.running) {
      if (!s->decoding) chunked = s;
    }
    const auto may_generate = [&](const Sequence& s) {
      const std::int64_t left = (role == Role::prefill ? 1 : t.allowed(s.request)) - s.promised;
      return std::clamp<std::int64_t>(left, 0, 4096);
    };
    if (chunked || (!r.full && !r.waiting.empty())) {
      std::int64_t promised = 0;
      for (const SequencePtr& s : decoders) promised += may_generate(*s);
      const std::int64_t mixed = c.mixed_chunk ? static_cast<std::int64_t>(decoders.size()) : 0;
      std::int64_t room = r.pool.free() * c.block_tokens - ((promised * r.ratio) >> 30) - mixed;
      std::int64_t input_left = c.batched_tokens - mixed, chunk_left = c.chunk - mixed;
      bool goes_on = true, cut = false;
      const auto run = [&](const SequencePtr& s, std::int64_t tokens) {
        const bool whole = s->computed + tokens == input(*s) + s->promised;
        const std::int64_t blocks =
            ceil_blocks(s->computed + tokens + (whole ? c.draft_tokens : 0));
        room -= (blocks - static_cast<std::int64_t>(s->blocks.size())) * c.block_tokens;
        if (whole) room -= may_generate(*s);
        input_left -= tokens;
        chunk_left -= tokens;
        cut = !whole;
        grow(r, *s, blocks);
        take_part(r, s, tokens, emitted);
      };
      if (chunked) {
        const std::int64_t left = input(*chunked) + chunked->promised - chunked->computed;
        std::int64_t tokens = std::min(left, chunk_left);
        const std::int64_t room_here =
            (static_cast<std::int64_t>(chunked->blocks.size()) + r.pool.free()) * c.block_tokens -
            chunked->computed;
        if (tokens + (tokens == left ? c.draft_tokens : 0) > room_here) {
          tokens = room_here - c.draft_tokens;
        }
        if (tokens > 0) {
          run(chunked, tokens);
        } else {
          goes_on = false;
        }
      }
      while (goes_on && !cut && chunk_left > 0 && input_left > 0 && !r.waiting.empty()) {
        if (static_cast<std::int64_t>(r.running.size() + r.pinned.size()) >= c.max_sequences) {
          r.full = true;
          break;
        }
        SequencePtr s = r.waiting.front();
        const Hit hit = look_up(r, *s);
        const auto hits = static_cast<std::int64_t>(hit.blocks.size());
        const std::int64_t fresh = input(*s) + s->promised - hits * c.block_tokens;
        const std::int64_t extend =
            stated(*s) > 0 ? input(*s) + s->promised - stated(*s)
                           : fresh - static_cast<std::int64_t>(hit.host.size()) * c.block_tokens;
        const std::int64_t locks = (hits - hit.used) * c.block_tokens;
        if (fresh + may_generate(*s) + c.block_tokens + c.draft_tokens >= room - locks) {
          r.full = true;
          break;
        }
        if (extend > input_left && !r.parts.empty()) break;
        std::int64_t tokens = extend;
        if (extend > chunk_left) tokens = chunk_left / c.block_tokens * c.block_tokens;
        if (tokens <= 0) break;
        r.waiting.pop_front();
        take_hit(r, *s, hit);
        room -= locks + static_cast<std::int64_t>(hit.host.size()) * c.block_tokens;
        note(StepEvent::Kind::admitted, r, *s);
        r.running.push_back(s);
        run(s, tokens);
      }
    }
    if (!r.parts.empty() && c.mixed_chunk && growth(decoders, emitted) <= r.pool.free()) {
      for (const SequencePtr& s : decoders) {
        grow(r, *s, ceil_blocks(s->computed + emitted + c.draft_tokens));
        take_part(r, s, 1 + c.draft_tokens, emitted);
      }
    }
  }

  /// One point of a decode engine of SGLang, up to what runs from now on.
  void receive_sglang(Rank& r, Ticks now) {
    const auto holders = [&] {
      return static_cast<std::int64_t>(r.running.size() + r.parked.size() + r.ready.size());
    };
    const std::int64_t rows = c.max_sequences <= 32 ? 3 * c.max_sequences : c.max_sequences;
    const auto free = [&] { return r.pool.free() * c.block_tokens; };
    const auto whole = [&](const Sequence& s) {
      return input(s) + std::min<std::int64_t>(t.allowed(s.request), 4096);
    };
    std::int64_t room = free() - c.reserved_decode_tokens * holders();
    while (!r.retracted.empty() && holders() < rows) {
      SequencePtr s = r.retracted.front();
      const std::int64_t cache = input(*s) + s->promised - 1;
      if (cache + c.reserved_decode_tokens > room) break;
      room -= cache + c.reserved_decode_tokens;
      r.retracted.pop_front();
      grow(r, *s, ceil_blocks(cache + c.draft_tokens));
      r.ready.push_back(s);
    }
    while (r.retracted.empty() && !r.waiting.empty() && holders() < rows) {
      SequencePtr s = r.waiting.front();
      std::int64_t retractable = 0, longest = 0;
      for (const SequencePtr& x : decoders_of(r)) {
        retractable += x->computed + 1;
        longest = std::max(longest, whole(*x));
      }
      const std::int64_t room_here =
          free() - std::max(c.reserved_decode_tokens * holders(), longest - retractable);
      if (input(*s) + c.reserved_decode_tokens > room_here) break;
      if (whole(*s) - retractable > room_here) break;
      r.waiting.pop_front();
      grow(r, *s, ceil_blocks(input(*s) + c.draft_tokens));
      r.parked.push_back(s);
      reports.push_back({false, s->request, now});
    }
    if (r.retracted.empty() || (r.running.empty() && r.ready.empty())) {
      for (auto at = r.parked.begin(); at != r.parked.end();) {
        if ((*at)->received) r.ready.push_back(*at);
        at = (*at)->received ? r.parked.erase(at) : at + 1;
      }
    }
    const std::int64_t places = c.max_sequences - static_cast<std::int64_t>(r.running.size());
    for (std::int64_t n = 0; n < places && !r.ready.empty(); ++n) {
      auto at = r.ready.begin();
      if (c.by_priority && !t.priority.empty()) {
        at = std::min_element(
            r.ready.begin(), r.ready.end(),
            [&](const SequencePtr& x, const SequencePtr& y) { return urgency(x) < urgency(y); });
      }
      SequencePtr s = *at;
      r.ready.erase(at);
      if (s->promised == 0) {
        s->promised = s->emitted = 1;
        s->emitted_at = now;
        out.first[static_cast<std::size_t>(s->request)] = now;
      }
      note(StepEvent::Kind::admitted, r, *s);
      if (output(*s) == 1) {
        note(StepEvent::Kind::finished, r, *s);
        s->finished = true;
        out.last[static_cast<std::size_t>(s->request)] = now;
        reports.push_back({true, s->request, now});
        s->computed = input(*s);
        free_blocks(r, *s);
        r.preempted |= !r.waiting.empty() || !r.retracted.empty() || !r.ready.empty();
        continue;
      }
      s->computed = input(*s) + s->promised - 1;
      s->decoding = s->running = true;
      if (c.sample_acceptance) {
        s->steps_left = AcceptanceSampler(c.tokens_per_step, c.draft_tokens, c.seed)
                            .steps(s->request, static_cast<std::int32_t>(s->promised),
                                   output(*s) - s->promised);
      }
      r.running.push_back(s);
    }
  }

  void decode_sglang(Rank& r, std::int64_t emitted) {
    std::vector<SequencePtr> decoders = decoders_of(r);
    if (decoders.empty()) {
      if (role == Role::both && r.full && !r.waiting.empty()) r.preempted = true;
      r.full = r.ended = false;
      return;
    }
    if (r.ended) r.full = r.ended = false;
    if (growth(decoders, emitted) > r.pool.free()) {
      std::stable_sort(
          decoders.begin(), decoders.end(), [&](const SequencePtr& a, const SequencePtr& b) {
            return std::pair(-a->promised, input(*a)) < std::pair(-b->promised, input(*b));
          });
      bool first = true;
      while (decoders.size() > 1 &&
             (first ||
              r.pool.free() * c.block_tokens < static_cast<std::int64_t>(decoders.size()) * 20)) {
        first = false;
        r.running.erase(std::find(r.running.begin(), r.running.end(), decoders.back()));
        preempt(r, decoders.back());
        decoders.pop_back();
      }
      std::int64_t generated = 0, allowed = 0;
      for (const SequencePtr& s : decoders) {
        generated += s->promised + 20;
        allowed += t.allowed(s->request);
      }
      r.ratio = std::min<std::int64_t>(std::int64_t{1} << 30, (generated << 30) / allowed);
      r.full = false;
      r.preempted = true;
      if (growth(decoders, emitted) > r.pool.free() && !(r.parked.empty() && r.ready.empty())) {
        for (auto s = decoders.rbegin(); s != decoders.rend(); ++s) {
          r.running.erase(std::find(r.running.begin(), r.running.end(), *s));
          preempt(r, *s);
        }
        return;
      }
      if (growth(decoders, emitted) > r.pool.free()) return;
    } else {
      r.ratio = std::max(least_token_ratio(c), r.ratio - token_ratio_decay(c));
    }
    decode_all(r, emitted);
  }

  void take_part(Rank& r, const SequencePtr& s, std::int64_t tokens, std::int64_t emitted) {
    Part part{s, tokens, s->computed, 0, s->decoding};
    if (s->decoding) {
      part.emits = emitted;
      s->computed += emitted;
      if (c.sample_acceptance) {
        const std::int64_t shown =
            --s->steps_left == 0 ? output(*s) : std::min(s->promised + emitted, output(*s) - 1);
        part.emits = shown - s->promised;
      }
    } else {
      s->computed += tokens;
      name_up_to(r, *s, s->computed);
      if (s->computed == input(*s) + s->promised) {
        part.emits = 1;
        s->decoding = true;
        if (c.sample_acceptance && s->promised + 1 < output(*s)) {
          s->steps_left = AcceptanceSampler(c.tokens_per_step, c.draft_tokens, c.seed)
                              .steps(s->request, static_cast<std::int32_t>(s->promised) + 1,
                                     output(*s) - s->promised - 1);
        }
      }
    }
    s->promised += part.emits;
    r.parts.push_back(part);
  }

  void update(const Step& step) {
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      Rank& r = ranks[i];
      for (const Part& part : step.parts[i]) {
        Sequence& s = *part.sequence;
        if (role != Role::prefill && (part.decode || part.emits > 0)) {
          if (s.emitted_at >= 0) out.gaps.add(step.end, step.end - s.emitted_at, 1);
          s.emitted_at = step.end;
        }
        if (part.emits == 0) continue;
        const auto id = static_cast<std::size_t>(s.request);
        if (role != Role::prefill && out.first[id] < 0) out.first[id] = step.end;
        s.emitted += part.emits;
        if (s.emitted < output(s) || s.finished) continue;
        s.finished = true;
        history[step.record].events.push_back(
            {StepEvent::Kind::finished, static_cast<std::int32_t>(i), s.request});
        if (role != Role::prefill) out.last[id] = step.end;
        reports.push_back({true, s.request, step.end});
        const auto at = std::find(r.running.begin(), r.running.end(), part.sequence);
        if (at != r.running.end()) r.running.erase(at);
        r.ended = true;
        if (role == Role::prefill) {
          r.pinned.push_back(part.sequence);
        } else {
          free_blocks(r, s);
        }
      }
    }
    out.counters.end = std::max(out.counters.end, step.end);
  }

  void execute() {
    const Ticks now = next;
    if (pops) {
      const Step done = flight.front();
      flight.pop_front();
      update(done);
    }
    std::vector<RankBatch> batches(ranks.size());
    std::vector<std::int64_t> emission;
    Step step{};
    bool any = false, preempted = false, prompts = false;
    const bool sglang = c.policy == SchedulerPolicy::sglang;
    const auto emits = [&](const Rank& r) { return (r.steps + 1) * p / q - r.steps * p / q; };
    for (Rank& r : ranks) {
      r.parts.clear();
      r.preempted = false;
      r.loaded = 0;
      emission.push_back(emits(r));
      if (sglang && role == Role::decode) {
        receive_sglang(r, now);
      } else if (sglang) {
        if (role == Role::prefill) r.full = false;
        prefill_sglang(r, emits(r));
      }
      prompts |= sglang && !r.parts.empty();
    }
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      Rank& r = ranks[i];
      if (!sglang) {
        schedule_vllm(r, now, emits(r));
      } else if (r.parts.empty() && !(prompts && c.draft_tokens > 0)) {
        decode_sglang(r, emits(r));
      }
      preempted |= r.preempted;
      RankBatch& b = batches[i];
      for (const Part& part : r.parts) {
        any = true;
        if (part.decode) {
          ++b.decode_sequences;
          b.decode_context += part.before;
          b.decode_longest = std::max(b.decode_longest, part.before);
          b.decode_shortest =
              b.decode_sequences == 1 ? part.before : std::min(b.decode_shortest, part.before);
        } else {
          ++b.prefill_requests;
          b.prefill_tokens += part.tokens;
          b.prefill_before += part.before;
          for (std::int64_t k = 1; k <= part.tokens; ++k) b.prefill_context += part.before + k;
          b.prompts_finished += part.emits;
        }
      }
      step.parts.push_back(r.parts);
    }
    const std::size_t depth = c.async ? 2 : 1;
    if (!any) {
      for (Rank& r : ranks) {
        if (decoders_of(r).empty()) r.ratio = initial_token_ratio(c);
      }
    }
    if (any) {
      fruitless = 0;
      // SGLang's prefill batches leave decoding sequences where they are.
      bool decodes = false;
      for (const RankBatch& b : batches) decodes |= b.decode_sequences > 0;
      for (std::size_t i = 0; i < ranks.size(); ++i) {
        const bool here = c.draft_tokens > 0 ? decodes : batches[i].decode_sequences > 0;
        ranks[i].steps += !sglang || here;
      }
      ++out.counters.steps;
      const bool blocked = std::any_of(ranks.begin(), ranks.end(), [](const Rank& r) {
        return !r.waiting.empty() || !r.ready.empty() || !r.retracted.empty() ||
               std::any_of(r.parked.begin(), r.parked.end(),
                           [](const SequencePtr& s) { return s->received; });
      });
      out.counters.blocked_steps += blocked;
      StepRecord record;
      record.start = std::max(gpu, now);
      std::int64_t loaded = 0;
      for (const Rank& r : ranks) loaded = std::max(loaded, r.loaded);
      record.duration = std::max(timer.step(batches), loaded * c.load_per_token);
      record.ranks = batches;
      const LoadSample now_here = state();
      record.running = now_here.running;
      record.waiting = now_here.waiting;
      record.blocks = now_here.blocks;
      record.events = std::exchange(events, {});
      history.push_back(record);
      gpu = std::max(gpu, now) + record.duration;
      step.end = gpu;
      step.record = history.size() - 1;
      auto& [prompt_tokens, tokens] = tokens_at[step.end];
      for (std::size_t i = 0; i < ranks.size(); ++i) {
        prompt_tokens += batches[i].prefill_tokens;
        tokens += batches[i].prompts_finished + batches[i].decode_sequences * emission[i];
      }
      flight.push_back(step);
    }
    if (any && flight.size() < depth) {
      next = now;
      pops = false;
    } else if (!flight.empty()) {
      next = flight.front().end;
      pops = true;
    } else if (preempted) {
      if (++fruitless > 1000) throw std::logic_error("the reference is stuck");
      next = now;
      pops = false;
    } else {
      next = never;
      fruitless = 0;
    }
  }
};

struct Message {
  Ticks at;
  int kind;  // 0 arrival, 1 handed over, 2 received, 3 unpin, 4 computed
  std::int32_t request;
  auto operator<=>(const Message&) const = default;
};

}  // namespace

Outcome simulate_plainly(const ServingSystem& system, const RequestTable& t, Recording* recording) {
  Outcome out;
  const auto n = static_cast<std::size_t>(t.size());
  out.first.assign(n, -1);
  out.last.assign(n, -1);
  std::vector<std::vector<Engine>> pools(system.decode ? 2 : 1);
  for (int i = 0; i < system.engines.replicas; ++i) {
    pools[0].emplace_back(system.engines.scheduler, system.decode ? Role::prefill : Role::both,
                          *system.engines.timer, t, out);
  }
  for (int i = 0; system.decode && i < system.decode->replicas; ++i) {
    pools[1].emplace_back(system.decode->scheduler, Role::decode, *system.decode->timer, t, out);
  }
  std::multiset<Message> messages;
  std::vector<std::set<std::int32_t>> holds_up(n);
  std::vector<std::set<std::int32_t>> session(n);  // of each request, all that hang together
  for (std::int32_t r = 0; r < t.size(); ++r) session[static_cast<std::size_t>(r)] = {r};
  for (std::int32_t r = 0; r + 1 < static_cast<std::int32_t>(t.successors_begin.size()); ++r) {
    const auto i = static_cast<std::size_t>(r);
    for (std::int32_t k = t.successors_begin[i]; k < t.successors_begin[i + 1]; ++k) {
      const std::int32_t next = t.successors[static_cast<std::size_t>(k)];
      holds_up[static_cast<std::size_t>(next)].insert(r);
      std::set<std::int32_t> both = session[i];
      both.merge(std::set<std::int32_t>(session[static_cast<std::size_t>(next)]));
      for (std::int32_t x : both) session[static_cast<std::size_t>(x)] = both;
    }
  }
  std::set<std::int32_t> not_begun, answered;
  const bool chained = !t.successors.empty();
  if (system.closed_loop || chained) out.arrival.assign(n, 0);
  constexpr int sent = -2;
  Ticks reader_free = 0;
  const auto read = [&](Ticks at) {
    reader_free = std::max(reader_free, at) + system.closed_loop->reading;
    return reader_free;
  };
  if (system.closed_loop) {
    for (std::int32_t r = 0; r < t.size(); ++r) not_begun.insert(r);
    for (std::int64_t u = 0; u < system.closed_loop->users; ++u) messages.insert({0, 0, sent});
  } else {
    for (std::int32_t r = 0; r < t.size(); ++r) {
      const auto i = static_cast<std::size_t>(r);
      if (holds_up[i].empty()) messages.insert({t.arrival[i], 0, r});
    }
  }
  std::size_t turn[2] = {0, 0};
  // SGLang's decode engines give room before the prompt is computed.
  const bool room_first =
      system.decode && system.decode->scheduler.policy == SchedulerPolicy::sglang;
  std::map<std::int32_t, std::size_t> home, sender, receiver;
  std::map<std::pair<std::size_t, std::size_t>, Ticks> out_free, in_free;  // by engine and rank
  const auto pick = [&](std::size_t p, std::int32_t request) -> std::size_t {
    std::vector<Engine>& pool = pools[p];
    if (pool.size() == 1) return 0;
    if (system.router == Router::round_robin) return turn[p]++ % pool.size();
    std::size_t least = 0;
    for (std::size_t i = 1; i < pool.size(); ++i) {
      if (pool[i].load() < pool[least].load()) least = i;
    }
    const auto r = static_cast<std::size_t>(request);
    if (system.router == Router::least_loaded || p == 1 || t.stream.empty() || t.stream[r] < 0) {
      return least;
    }
    const auto at = home.find(t.stream[r]);
    if (at == home.end()) return home[t.stream[r]] = least;
    const std::int64_t here = pool[at->second].load(), there = pool[least].load();
    if (here > 2 * there && here > there + 16) at->second = least;
    return at->second;
  };
  const auto transfer = [&](std::int32_t r, Ticks at) {
    Ticks& from = out_free[{sender[r], pools[0][sender[r]].rank_of[r]}];
    Ticks& to = in_free[{receiver[r], pools[1][receiver[r]].rank_of[r]}];
    const Ticks takes =
        system.link.latency + system.link.per_token * t.input[static_cast<std::size_t>(r)];
    from = to = std::max({at, from, to}) + std::max<Ticks>(1, takes);
    messages.insert({to, 2, r});
    messages.insert({to, 3, r});
  };
  const Ticks interval = recording == nullptr ? 0 : recording->interval;
  std::vector<std::vector<LoadSample>> samples;  // [sample][engine]
  const auto sample_before = [&](Ticks time) {
    while (interval > 0 && static_cast<Ticks>(samples.size() + 1) * interval < time) {
      samples.emplace_back();
      for (const auto& pool : pools) {
        for (const Engine& e : pool) samples.back().push_back(e.state());
      }
    }
  };
  for (;;) {
    Engine* first = nullptr;
    std::size_t where = 0;
    for (std::size_t p = 0; p < pools.size(); ++p) {
      for (std::size_t i = 0; i < pools[p].size(); ++i) {
        if (pools[p][i].next != never && (first == nullptr || pools[p][i].next < first->next)) {
          first = &pools[p][i];
          where = p;
        }
      }
    }
    if (!messages.empty() && (first == nullptr || messages.begin()->at <= first->next)) {
      Message m = *messages.begin();
      messages.erase(messages.begin());
      sample_before(m.at);
      const auto send = [&](std::int32_t r) {
        if (system.closed_loop || chained) out.arrival[static_cast<std::size_t>(r)] = m.at;
        sender[r] = pick(0, r);
        if (room_first) {
          receiver[r] = pick(1, r);
          pools[1][receiver[r]].enqueue(r, m.at);
        } else {
          pools[0][sender[r]].enqueue(r, m.at);
        }
      };
      if (m.request == sent) {
        const Ticks late = system.closed_loop->think_time == 0 && m.at > 0 ? 1 : 0;
        messages.insert({std::max(m.at, read(m.at - late)), 0, -1});
      } else if (m.kind == 0 && m.request >= 0) {
        send(m.request);
      } else if (m.kind == 0) {
        if (not_begun.empty()) continue;
        for (std::int32_t r : session[static_cast<std::size_t>(*not_begun.begin())]) {
          not_begun.erase(r);
          if (holds_up[static_cast<std::size_t>(r)].empty()) send(r);
        }
      } else if (m.kind == 1 && room_first) {
        pools[0][sender[m.request]].enqueue(m.request, m.at);
      } else if (m.kind == 1) {
        receiver[m.request] = pick(1, m.request);
        pools[1][receiver[m.request]].enqueue(m.request, m.at);
      } else if (m.kind == 4) {
        transfer(m.request, m.at);
      } else if (m.kind == 2) {
        pools[1][receiver[m.request]].received(m.request, m.at);
      } else {
        pools[0][sender[m.request]].unpin(m.request, m.at);
      }
      continue;
    }
    if (first == nullptr) break;
    sample_before(first->next);
    first->execute();
    for (const Report& e : first->reports) {
      const bool computed = e.finished && where == 0 && system.decode;
      if (room_first && computed) {
        messages.insert({e.at + 1, 4, e.request});
      } else if (!room_first && !e.finished) {
        transfer(e.request, e.at);
      } else if (!e.finished || computed) {
        messages.insert({e.at + 1, 1, e.request});
      } else {
        answered.insert(e.request);
        for (std::size_t i = 0; i < n; ++i) {
          if (holds_up[i].count(e.request) == 0) continue;
          const bool all = std::all_of(holds_up[i].begin(), holds_up[i].end(),
                                       [&](std::int32_t r) { return answered.count(r) > 0; });
          Ticks last = 0;
          for (std::int32_t r : holds_up[i]) {
            last = std::max(last, out.last[static_cast<std::size_t>(r)]);
          }
          const Ticks pause = t.arrival.empty() ? 0 : t.arrival[i];
          if (all) messages.insert({last + std::max<Ticks>(1, pause), 0, static_cast<int>(i)});
        }
        const auto& whole = session[static_cast<std::size_t>(e.request)];
        if (system.closed_loop && std::all_of(whole.begin(), whole.end(), [&](std::int32_t r) {
              return answered.count(r) > 0;
            })) {
          messages.insert({e.at + std::max<Ticks>(1, system.closed_loop->think_time), 0, sent});
        }
      }
    }
    first->reports.clear();
  }
  if (recording == nullptr) return out;
  sample_before(out.counters.end + interval);
  recording->replicas.clear();
  for (std::size_t p = 0; p < pools.size(); ++p) {
    for (std::size_t i = 0; i < pools[p].size(); ++i) {
      const Engine& e = pools[p][i];
      ReplicaRecord record;
      for (std::size_t k = 0; k < samples.size(); ++k) {
        LoadSample s = samples[k][recording->replicas.size()];
        s.at = static_cast<Ticks>(k + 1) * interval;
        const auto last = e.tokens_at.upper_bound(s.at);
        for (auto at = e.tokens_at.upper_bound(s.at - interval); at != last; ++at) {
          s.prompt_tokens += at->second.first;
          s.tokens += at->second.second;
        }
        record.samples.push_back(s);
      }
      record.steps = e.history;
      if (static_cast<std::int64_t>(record.steps.size()) > recording->steps) {
        record.steps.resize(static_cast<std::size_t>(recording->steps));
      }
      recording->replicas.push_back(record);
    }
  }
  return out;
}

}  // namespace tollgate
