#include "sim/report/candidate_text.h"

#include <algorithm>
#include <cmath>

#include "sim/base/text.h"
#include "sim/report/cost_text.h"
#include "sim/report/facts.h"
#include "sim/report/number_format.h"
#include "sim/report/simulation_text.h"
#include "sim/report/style.h"
#include "sim/report/text_table.h"

namespace tollgate {
namespace {

constexpr std::size_t indent = 18;

/// "276 ms (156-485 ms)".
std::string band(const Estimate& e, std::string (*text)(double), bool marked) {
  std::string out = text(e.value);
  if (marked) out += mark(e.provenance);
  if (!(e.low < e.high)) return glued(out);
  std::string low = text(e.low);
  const std::string high = text(e.high);
  const std::size_t unit = low.find(' ');
  if (unit != std::string::npos && high.ends_with(low.substr(unit))) low.resize(unit);
  return glued(out) + " (" + glued(low + "-" + high) + ")";
}

std::string plural(int count, const char* word) {
  return grouped(count, 0) + " " + word + (count == 1 ? "" : "s");
}

std::string title(const CandidateResult& c) {
  const std::string name = short_name(c);
  std::string text = name == c.model ? "" : printable(name) + ": ";
  text += printable(c.model) + " on " + (c.gpus > 0 ? std::to_string(c.gpus) + " x " : "") +
          printable(c.hardware);
  if (c.total_parameters > 0) {
    text += " (" + parameters_text(c.total_parameters) + " parameters, " +
            (is_dense(c) ? "dense" : parameters_text(c.active_parameters) + " active per token") +
            ", " + glued(bytes_text(c.kv_bytes_per_token)) + " of cache per token)";
  }
  return text;
}

std::string deployment(const CandidateResult& c) {
  std::string text = deployment_text(c);
  if (c.disaggregation) {
    const DisaggregationResult& d = *c.disaggregation;
    text += " (" + plural(d.prefill.all_gpus(), "GPU") + " and " +
            plural(d.decode.all_gpus(), "GPU") + ")";
  }
  if (!c.precision.empty()) text += "; " + printable(c.precision);
  text += "; " + plural(c.replicas, "replica") + " of " + plural(c.gpus, "GPU");
  if (c.usd_per_hour > 0) {
    text += ", " + glued(money_text(c.usd_per_hour) + " USD/h") + " in all";
    if (!c.price.date.empty()) text += " (price of " + printable(c.price.date) + ")";
  }
  return text;
}

struct MemoryPart {
  const char* name;
  char letter;
  const Estimate* bytes;
};

std::vector<MemoryPart> memory_parts(const MemoryResult& m, bool fits) {
  std::vector<MemoryPart> parts{{"weights", 'W', &m.weights}};
  if (fits) {
    parts.push_back({"KV cache", 'K', &m.kv_cache});
    parts.push_back({"recurrent state", 'S', &m.recurrent_state});
  }
  parts.push_back({"activations", 'a', &m.activations});
  parts.push_back({"runtime", 'r', &m.runtime_overhead});
  std::erase_if(parts, [](const MemoryPart& part) {
    return !showable(*part.bytes) || part.bytes->value <= 0;
  });
  return parts;
}

/// "WWWWWWKKKKKKKKa......": one letter per fiftieth of the capacity, dots are free.
std::string memory_bar(const MemoryResult& m) {
  constexpr double cells = 50;
  std::string bar;
  double sum = 0;
  for (const MemoryPart& part : memory_parts(m, true)) {
    sum += part.bytes->value;
    const double until = std::clamp(std::round(sum / m.capacity.value * cells), 0.0, cells);
    if (static_cast<double>(bar.size()) < until)
      bar.resize(static_cast<std::size_t>(until), part.letter);
  }
  bar.resize(static_cast<std::size_t>(cells), '.');
  return "[" + bar + "]";
}

std::string memory_amounts(const MemoryResult& m, bool fits) {
  std::vector<std::string> parts;
  for (const MemoryPart& part : memory_parts(m, fits)) {
    parts.push_back(
        glued(std::string(1, part.letter) + " " + part.name + " " + bytes_text(part.bytes->value)));
  }
  if (fits && showable(m.free)) parts.push_back(glued(". free " + bytes_text(m.free.value)));
  return join(parts);
}

std::string bound(const BoundResult& b) {
  struct Share {
    const char* name;
    double value;
  };
  std::vector<Share> shares{{"compute", b.compute},
                            {"hbm", b.hbm},
                            {"interconnect", b.interconnect},
                            {"imbalance", b.imbalance},
                            {"host", b.host}};
  std::stable_sort(shares.begin(), shares.end(),
                   [](const Share& x, const Share& y) { return x.value > y.value; });
  std::vector<std::string> parts;
  for (const Share& share : shares) {
    if (std::isfinite(share.value) && share.value > 0.0005) {
      parts.push_back(glued(std::string(share.name) + " " + percent_text(share.value)));
    }
  }
  return "bound by " + printable(b.name) + ": " + join(parts);
}

std::string step(const CandidateResult& c, const char* phase, const char* what, bool marked) {
  std::vector<const OperatorShare*> operators;
  double total = 0;
  for (const OperatorShare& o : c.operators) {
    if (o.phase != phase || !std::isfinite(o.seconds) || o.seconds <= 0) continue;
    operators.push_back(&o);
    total += o.seconds;
  }
  if (operators.empty()) return "";
  std::stable_sort(
      operators.begin(), operators.end(),
      [](const OperatorShare* a, const OperatorShare* b) { return a->seconds > b->seconds; });
  std::vector<std::string> parts;
  for (const OperatorShare* o : operators) {
    if (o->seconds < 0.005 * total) continue;
    const std::string marks(marked ? mark(o->provenance) : "");
    parts.push_back(glued(printable(o->name) + marks + " " + percent_text(o->seconds / total)));
  }
  return what + (" " + glued(seconds_text(total))) + ": " + join(parts);
}

/// ", puts 25.1 MB on the busiest network card (P95 26.3 MB)".
std::string links(const PhaseRouting& p) {
  std::string text;
  const auto add = [&](const LinkBytes& b, const char* what) {
    if (b.max <= 0) return;
    text += (text.empty() ? "; a layer puts " : " and ") + glued(bytes_text(b.mean)) +
            " on the busiest " + what + " (P95 " + glued(bytes_text(b.p95)) + ")";
  };
  add(p.scale_up, "scale-up link");
  add(p.network, "network card");
  return text;
}

std::string busiest(const PhaseRouting& p) {
  return fixed(p.busiest_mean, 2) + " x the mean load (P50 " + fixed(p.busiest_p50, 2) + ", P95 " +
         fixed(p.busiest_p95, 2) + ", most " + fixed(p.busiest_max, 2) + ")";
}

std::string routing(const RoutingResult& r) {
  std::string text =
      printable(r.ffn) + ": a step routes " + count_text(r.tokens) + " tokens to " +
      std::to_string(r.top_k) + " of " + std::to_string(r.experts) + " experts and touches " +
      significant(r.distinct_experts, r.distinct_experts >= 100 ? 4 : 3) + " of them";
  if (r.ranks <= 1) return text;
  text += "; the busiest of " + std::to_string(r.ranks) + " ranks has ";
  if (r.decode.tokens > 0) {
    text += busiest(r.decode) + " and reads " + significant(r.decode.weights_read, 3) + " experts";
  } else {
    text += fixed(r.busiest_rank_ratio, 2) + " x the mean load (P95 " +
            fixed(r.busiest_rank_p95, 2) + " x)";
  }
  text += ", a token goes to " + significant(r.distinct_ranks_per_token, 3) + " ranks";
  text += links(r.decode);
  if (r.prefill.tokens > 0) {
    text += ". Prompts: " + count_text(r.prefill.tokens) + " tokens, busiest rank " +
            busiest(r.prefill) + links(r.prefill);
  }
  return text;
}

/// "step without prompts 60.1 ms on average, P50 60.0 ms, P95 61.2 ms; ...".
std::string steps(const CandidateResult& c) {
  const auto phase = [](const StepSeconds& s, const char* what) {
    return what + (" " + glued(seconds_text(s.mean))) + " on average, P50 " +
           glued(seconds_text(s.p50)) + ", P95 " + glued(seconds_text(s.p95));
  };
  if (c.decode_step.mean <= 0 || c.decode_step.p95 <= c.decode_step.p50) return "";
  return phase(c.decode_step, "step without prompts") + "; " +
         phase(c.prefill_step, "prompt part of a step");
}

/// Who of two pools could carry what, and what sending the caches takes.
std::string pools(const DisaggregationResult& d) {
  const auto rate = [](double value) { return glued(count_text(value) + " requests/s"); };
  const std::string limiting = d.limiting == "link" ? "the links" : "the " + d.limiting + " pool";
  return "limited by " + limiting + ": prefill could carry " +
         rate(d.prefill.most_requests_per_second) + ", decode " +
         rate(d.decode.most_requests_per_second) + ", the links " +
         rate(d.link_requests_per_second) + "; prefill engines compute " +
         percent_text(d.prefill.busy) + " of the time, decode engines hold " +
         batch_text(d.decode.sequences) + " sequences of " +
         batch_text(d.decode.largest_batch.value) + "; the cache of a prompt, " +
         glued(bytes_text(d.bytes_per_prompt)) + " on the busiest link, takes " +
         glued(seconds_text(d.seconds_per_prompt)) + ", with waiting " +
         glued(seconds_text(d.sending)) + " (" + printable(d.link) + ")";
}

/// "[1-4, 7]": the numbers of the sentences.
std::string references(const CandidateResult& c, const std::vector<std::string>& sentences) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < sentences.size();) {
    const auto has = [&](std::size_t k) {
      return k < sentences.size() && std::find(c.assumptions.begin(), c.assumptions.end(),
                                               sentences[k]) != c.assumptions.end();
    };
    std::size_t j = i;
    while (has(j)) ++j;
    if (j > i) parts.push_back(std::to_string(i + 1) + (j > i + 1 ? "-" + std::to_string(j) : ""));
    i = j + 1;
  }
  return parts.empty() ? "" : "[" + join(parts) + "]";
}

}  // namespace

std::string candidate_text(const CandidateResult& c, const BlockContext& context,
                           const RenderOptions& options) {
  const Painter paint(options.colour);
  const auto width = static_cast<std::size_t>(options.width);
  std::string out = paint(wrapped(title(c), width, 0, 4), Style::heading) + "\n";
  const auto line = [&](std::string label, const std::string& text, Style style = Style::plain) {
    if (text.empty()) return;
    label.insert(0, "  ");
    label.resize(indent, ' ');
    out += label + paint(wrapped(text, width, indent, indent), style) + "\n";
  };
  const auto estimate = [&](const Estimate& e, std::string (*text)(double)) {
    return band(e, text, context.mark_estimates);
  };
  if (!c.fits) {
    line("does not fit", printable(c.reason), Style::bad);
  } else if (!c.meets_slo) {
    line("misses target", printable(c.reason), Style::bad);
  }
  if (c.gpus > 0) line("deployment", deployment(c));
  const auto memory = [&](const char* label, const MemoryResult& m) {
    if (!showable(m.capacity) || m.capacity.value <= 0) return;
    const std::string bar = c.fits ? memory_bar(m) + " " : "";
    line(label, bar + "of " + glued(bytes_text(m.capacity.value)) + " usable");
    line("", memory_amounts(m, c.fits));
  };
  if (c.disaggregation) memory("prefill, a GPU", c.disaggregation->prefill.memory);
  memory(c.disaggregation ? "decode, a GPU" : "memory per GPU", c.memory);
  if (has_operating_point(c)) {
    std::string batch = batch_text(c.batch.value) +
                        (c.disaggregation ? " requests" : " sequences") + " in flight per replica" +
                        (c.disaggregation ? "" : ", room for " + batch_text(c.largest_batch.value));
    if (c.meets_slo && !c.reason.empty()) {
      batch += "; " + printable(c.reason);
    } else if (!c.limited_by.empty()) {
      batch += "; limited by " + printable(c.limited_by);
    }
    line("batch", batch);
    if (c.disaggregation) line("pools", pools(*c.disaggregation));
    line("latency", "TTFT " + estimate(c.ttft, seconds_text) + ", TPOT " +
                        estimate(c.tpot, seconds_text) + ", whole request " +
                        estimate(c.end_to_end, seconds_text));
    line("throughput", estimate(c.output_tokens_per_second_per_gpu, count_text) +
                           " output tokens/s per GPU, " +
                           estimate(c.requests_per_second, count_text) + " requests/s per replica");
    if (c.simulated) {
      for (const LabelledLine& l : simulation_lines(*c.simulated)) line(l.label, l.text);
    }
    line("GPU-hours", estimate(c.gpu_hours_per_million_output_tokens, count_text) +
                          " per million output tokens");
    for (const auto& [label, text] : cost_lines(c, context.mark_estimates)) line(label, text);
    line("prefill", bound(c.prefill_bound));
    line("", step(c, "prefill", "prompt part of a step", context.mark_operators));
    line("decode", bound(c.decode_bound));
    line("", step(c, "decode", "step without prompts", context.mark_operators));
    bool first = true;
    for (const RoutingResult& r : c.routing) {
      line(first ? "routing" : "", routing(r));
      first = false;
    }
    line("", steps(c));
  }
  line("rests on", references(c, context.sentences), Style::faint);
  return out;
}

}  // namespace tollgate
