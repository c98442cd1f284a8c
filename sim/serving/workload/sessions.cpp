#include "sim/serving/workload/sessions.h"

#include <algorithm>
#include <cmath>

#include "sim/serving/workload/draws.h"
#include "sim/base/portable_math.h"

namespace tollgate {
namespace {

const AgentSpec& agent_of(const RequestClass& c) {
  static const AgentSpec none = [] {
    AgentSpec a;
    a.share = 0;
    for (LengthSpec* l : {&a.branches, &a.calls, &a.new_input, &a.output}) l->tokens = 1;
    return a;
  }();
  return c.agent ? *c.agent : none;
}

}  // namespace

void Conversation::clear() {
  requests.clear();
  waits.clear();
  streams.clear();
  cut = ended_early = false;
}

ConversationSampler::ConversationSampler(const RequestClass& c, std::int64_t context)
    : context_(context),
      system_prompt_(static_cast<std::int32_t>(c.session->system_prompt)),
      turns_(c.session->turns, most_turns),
      first_(c.session->first_input.given() ? c.session->first_input : c.session->new_input,
             c.output, c.correlation),
      later_(c.session->new_input, c.output, c.correlation),
      fans_out_(c.agent.has_value()),
      inherits_(agent_of(c).inherits),
      fan_out_share_(agent_of(c).share),
      branches_(agent_of(c).branches, most_branches),
      calls_(agent_of(c).calls, most_turns),
      call_(agent_of(c).new_input, agent_of(c).output, 0) {
  think_ticks_ = c.session->think_time * static_cast<double>(ticks_per_second);
  if (think_ticks_ > 0) {
    think_sigma_ = c.session->think_time_sigma;
    think_mu_ = portable::log(think_ticks_) - think_sigma_ * think_sigma_ / 2;
  }
  const double turns = turns_.mean();
  double requests = turns;
  if (fans_out_) requests += (turns - 1) * fan_out_share_ * branches_.mean() * calls_.mean();
  Conversation drawn;
  double bounded = 0, unbounded = 0;
  for (std::uint32_t i = 0; i < 4096; ++i) {
    draw_into(drawn, 0, i, context_);
    bounded += static_cast<double>(drawn.requests.size());
    if (drawn.ended_early) draw_into(drawn, 0, i, std::int64_t{1} << 40);
    unbounded += static_cast<double>(drawn.requests.size());
  }
  mean_requests_ = requests * bounded / unbounded;
}

void ConversationSampler::draw_into(Conversation& conversation, std::uint64_t seed,
                                    std::uint32_t which) const {
  draw_into(conversation, seed, which, context_);
}

void ConversationSampler::draw_into(Conversation& out, std::uint64_t seed, std::uint32_t which,
                                    std::int64_t context) const {
  out.clear();
  out.streams.push_back({-1, system_prompt_});
  std::uint32_t item = 0;  // counts the requests, whether they fit or not
  const auto words_of_next = [&] { return draw(seed, Draw::lengths, which, item++); };
  const auto pause = [&](std::uint32_t word) -> Ticks {
    double ticks = think_ticks_;
    if (think_ticks_ > 0 && think_sigma_ > 0) {
      ticks = portable::exp(think_mu_ + think_sigma_ * portable::normal_quantile(unit(word)));
    }
    return static_cast<Ticks>(std::clamp(ticks, 1.0, static_cast<double>(latest_arrival)));
  };
  const std::int32_t turns = turns_.at(unit(draw(seed, Draw::conversation, which).w[0]));
  std::int64_t prompt = system_prompt_;
  std::vector<std::int32_t> waited_for;
  for (std::int32_t turn = 0; turn < turns; ++turn) {
    const kernels::Words4 words = words_of_next();
    auto [added, answer] = (turn == 0 ? first_ : later_).at(words.w[0], words.w[1]);
    prompt += added;
    if (prompt + answer > context) {
      if (turn > 0) {
        out.ended_early = true;
        return;
      }
      out.cut = true;
      answer = static_cast<std::int32_t>(std::min<std::int64_t>(answer, context - 1));
      prompt = std::min<std::int64_t>(prompt, context - answer);
      out.streams[0].branch =
          static_cast<std::int32_t>(std::min<std::int64_t>(system_prompt_, prompt));
    }
    const auto self = static_cast<std::int32_t>(out.requests.size());
    out.requests.push_back(
        {static_cast<std::int32_t>(prompt), answer, turn == 0 ? 0 : pause(words.w[2]), 0});
    for (const std::int32_t before : waited_for) out.waits.emplace_back(before, self);
    waited_for.assign(1, self);
    prompt += answer;

    if (!fans_out_ || turn + 1 == turns) continue;
    const kernels::Words4 fan = draw(seed, Draw::fan_out, which, static_cast<std::uint32_t>(turn));
    if (unit(fan.w[0]) >= fan_out_share_) continue;
    const std::int32_t branches = branches_.at(unit(fan.w[1]));
    std::int64_t results = 0;
    for (std::int32_t b = 0; b < branches; ++b) {
      const std::int32_t calls =
          calls_.at(unit(draw(seed, Draw::sub_agent, which, static_cast<std::uint32_t>(turn),
                              static_cast<std::uint32_t>(b))
                             .w[0]));
      const auto stream = static_cast<std::int32_t>(out.streams.size());
      std::int64_t context_of_agent = inherits_ ? prompt : system_prompt_;
      std::int32_t before = self, last_answer = 0;
      for (std::int32_t call = 0; call < calls; ++call) {
        const kernels::Words4 w = words_of_next();
        const auto [task, reply] = call_.at(w.w[0], w.w[1]);
        context_of_agent += task;
        if (context_of_agent + reply > context) {
          out.ended_early = true;
          item += static_cast<std::uint32_t>(calls - call - 1);
          break;
        }
        if (call == 0) {
          out.streams.push_back(
              {inherits_ ? 0 : -1, inherits_ ? static_cast<std::int32_t>(prompt) : system_prompt_});
        }
        const auto r = static_cast<std::int32_t>(out.requests.size());
        out.requests.push_back({static_cast<std::int32_t>(context_of_agent), reply,
                                call == 0 ? 1 : pause(w.w[2]), stream});
        out.waits.emplace_back(before, r);
        before = r;
        last_answer = reply;
        context_of_agent += reply;
      }
      results += last_answer;
      if (before != self) {
        if (waited_for.front() == self) waited_for.clear();
        waited_for.push_back(before);
      }
    }
    prompt += results;
  }
}

}  // namespace tollgate
