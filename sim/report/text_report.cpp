#include "sim/report/text_report.h"

#include <algorithm>
#include <set>

#include "sim/base/text.h"
#include "sim/base/units.h"
#include "sim/report/candidate_text.h"
#include "sim/report/facts.h"
#include "sim/report/number_format.h"
#include "sim/report/style.h"
#include "sim/report/text_table.h"

namespace tollgate {
namespace {

constexpr std::size_t label_width = 10;

std::string labelled(const std::string& label, const std::string& text,
                     const RenderOptions& options) {
  std::string line = label;
  line.resize(std::max(label_width, line.size() + 1), ' ');
  return line + wrapped(text, static_cast<std::size_t>(options.width), line.size(), label_width) +
         "\n";
}

std::string length_text(const LengthSpec& length) {
  const std::string mean = count_text(length.average());
  switch (length.kind) {
    case LengthKind::fixed:
      return mean;
    case LengthKind::uniform:
      return count_text(length.low) + "-" + count_text(length.high);
    case LengthKind::lognormal:
    case LengthKind::quantiles:
      return "mean " + mean;
  }
  return mean;
}

std::string workload_text(const RunResult& result) {
  std::string text = "mean request " + count_text(result.mean_input) + " tokens in (" +
                     count_text(result.mean_cached) + " of them cached), " +
                     count_text(result.mean_output) + " out";
  if (result.workload.empty()) return text;
  double total = 0;
  for (const RequestClass& c : result.workload) total += c.weight;
  std::vector<std::string> classes;
  for (const RequestClass& c : result.workload) {
    std::string part = result.workload.size() > 1 ? percent_text(c.weight / total) + " " : "";
    classes.push_back(part + printable(c.name) + " (" + length_text(c.input) + " in, " +
                      length_text(c.output) + " out)");
  }
  return text + "; " + join(classes);
}

std::string target_text(const RunResult& result) {
  std::vector<std::string> parts;
  if (result.slo.ttft > 0)
    parts.push_back("mean TTFT at most " + format_quantity(result.slo.ttft, Dimension::seconds));
  if (result.slo.tpot > 0)
    parts.push_back("mean TPOT at most " + format_quantity(result.slo.tpot, Dimension::seconds));
  if (parts.empty()) parts.emplace_back("no latency bound");
  switch (result.load.kind) {
    case LoadKind::saturate:
      parts.emplace_back("as many requests as that allows");
      break;
    case LoadKind::concurrency:
      parts.push_back(shortest(result.load.concurrency) + " requests in flight per replica");
      break;
    case LoadKind::rate:
      parts.push_back(shortest(result.load.rate) + " requests/s for the whole service");
      break;
    case LoadKind::trace:
      parts.push_back("the requests of " + result.load.trace + ", " +
                      significant(result.load.rate, 3) + " requests/s on average");
      break;
  }
  return join(parts);
}

std::string prices_text(const RunResult& result) {
  std::vector<std::string> parts;
  for (const CandidateResult& c : result.candidates) {
    std::string text =
        printable(c.hardware) + " " + money_text(c.price.usd_per_hour) + " USD per GPU-hour";
    std::vector<std::string> from;
    for (const std::string& item : {c.price.level, c.price.date, c.price.from}) {
      if (!item.empty()) from.push_back(printable(item));
    }
    if (!from.empty()) text += " (" + join(from) + ")";
    if (std::find(parts.begin(), parts.end(), text) == parts.end()) parts.push_back(text);
  }
  return join(parts, "; ");
}

std::set<std::string> price_dates(const RunResult& result) {
  std::set<std::string> dates;
  for (const CandidateResult& c : result.candidates) dates.insert(printable(c.price.date));
  return dates;
}

struct Line {
  std::string text;
  Style style = Style::plain;
};

/// The comparison table, heading lines first.
std::vector<Line> comparison(const RunResult& result, bool marked) {
  using Align = TextTable::Align;
  const std::set<std::string> dates = price_dates(result);
  const bool one_date = dates.size() == 1 && !dates.begin()->empty();
  const std::string money = one_date ? "USD/M tokens (" + *dates.begin() + ")" : "USD/M tokens";
  TextTable table;
  table.column("candidate", Align::left);
  table.column("GPUs", Align::left);
  table.column("deployment", Align::left);
  table.column("batch", Align::right);
  table.column("in", Align::right, "tokens/s/GPU");
  table.column("out", Align::right, "tokens/s/GPU");
  table.column("TTFT", Align::right, "mean latency");
  table.column("TPOT", Align::right, "mean latency");
  table.column("output", Align::right, money);
  table.column("P10-P90", Align::right, money);
  table.column("in+out", Align::right, money);
  if (!one_date) table.column("price of", Align::left);

  const auto shown = [&](std::string text, const Estimate& e) {
    return marked ? text.append(mark(e.provenance)) : text;
  };
  std::vector<Style> styles;
  for (const std::size_t i : by_cost(result)) {
    const CandidateResult& c = result.candidates[i];
    const std::string gpus = (c.replicas > 1 ? std::to_string(c.replicas) + " x " : "") +
                             (c.gpus > 0 ? std::to_string(c.gpus) + " " : "") +
                             printable(c.hardware);
    if (!has_operating_point(c)) {
      const char* what = c.fits ? "misses the target" : "does not fit";
      table.note({printable(short_name(c)), gpus},
                 std::string(what) + (c.reason.empty() ? "" : ": " + printable(c.reason)));
      styles.push_back(Style::bad);
      continue;
    }
    const Estimate& usd = c.usd_per_million_output_tokens;
    table.row({printable(short_name(c)) + (c.meets_slo ? "" : " (misses target)"), gpus,
               deployment_text(c), batch_text(c.batch.value),
               count_text(c.input_tokens_per_second_per_gpu.value),
               count_text(c.output_tokens_per_second_per_gpu.value),
               shown(seconds_text(c.ttft.value), c.ttft), shown(seconds_text(c.tpot.value), c.tpot),
               shown(money_text(usd.value), usd),
               usd.low < usd.high ? money_text(usd.low) + "-" + money_text(usd.high) : "-",
               money_text(c.usd_per_million_tokens.value), printable(c.price.date)});
    styles.push_back(!c.meets_slo                             ? Style::bad
                     : static_cast<int>(i) == result.cheapest ? Style::good
                                                              : Style::plain);
  }
  std::vector<Line> lines;
  for (std::string& heading : table.head()) lines.push_back({std::move(heading), Style::heading});
  std::vector<std::string> rows = table.body();
  for (std::size_t i = 0; i < rows.size(); ++i) lines.push_back({std::move(rows[i]), styles[i]});
  return lines;
}

std::set<Provenance> provenances_of_estimates(const RunResult& result) {
  std::set<Provenance> found;
  for (const CandidateResult& c : result.candidates) {
    if (!has_operating_point(c)) continue;
    for (const Estimate* e : {&c.ttft, &c.tpot, &c.usd_per_million_output_tokens})
      found.insert(e->provenance);
  }
  return found;
}

std::set<Provenance> provenances_of_operators(const RunResult& result) {
  std::set<Provenance> found;
  for (const CandidateResult& c : result.candidates) {
    for (const OperatorShare& o : c.operators) found.insert(o.provenance);
  }
  return found;
}

/// What the estimates rest on: one sentence where they are alike, else what the marks mean.
std::string legend(const std::set<Provenance>& found) {
  if (found.size() == 1) {
    switch (*found.begin()) {
      case Provenance::exact:
        return "";
      case Provenance::fitted:
        return "Times and dollars rest on curves fitted to measurements, inside their range.";
      case Provenance::extrapolated:
        return "Times and dollars rest on fitted curves, some outside their range.";
      case Provenance::assumed:
        return "Times and dollars rest on fitted curves and on assumptions, listed below.";
    }
  }
  std::vector<std::string> parts;
  if (found.count(Provenance::extrapolated))
    parts.emplace_back("~ rests on a curve used outside its range");
  if (found.count(Provenance::assumed))
    parts.emplace_back("? rests on an assumption, listed below");
  return join(parts, "; ");
}

/// Every assumption once, in the order of the blocks.
std::vector<std::string> all_assumptions(const RunResult& result) {
  std::vector<std::string> sentences;
  for (const std::size_t i : by_cost(result)) {
    for (const std::string& sentence : result.candidates[i].assumptions) {
      if (std::find(sentences.begin(), sentences.end(), sentence) == sentences.end())
        sentences.push_back(sentence);
    }
  }
  // What holds for most comes first: the references of a block then run on.
  const auto users = [&](const std::string& sentence) {
    return std::count_if(result.candidates.begin(), result.candidates.end(),
                         [&](const CandidateResult& c) {
                           return std::find(c.assumptions.begin(), c.assumptions.end(), sentence) !=
                                  c.assumptions.end();
                         });
  };
  std::stable_sort(sentences.begin(), sentences.end(),
                   [&](const std::string& a, const std::string& b) { return users(a) > users(b); });
  return sentences;
}

/// What is neither exact nor fitted is marked, even where everything is alike.
bool needs_marks(const std::set<Provenance>& found) {
  return found.count(Provenance::extrapolated) > 0 || found.count(Provenance::assumed) > 0;
}

std::string numbered(const std::vector<std::string>& sentences, std::size_t width) {
  std::string out;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    std::string label = "[" + std::to_string(i + 1) + "]";
    label.insert(0, 6 - std::min<std::size_t>(label.size(), 6), ' ');
    out += label + " " + wrapped(printable(sentences[i]), width, 7, 7) + "\n";
  }
  return out;
}

}  // namespace

std::string text_report(const RunResult& result, const RenderOptions& options) {
  const Painter paint(options.colour);
  const auto width = static_cast<std::size_t>(options.width);
  const std::string title = printable(result.question.empty() ? result.scenario : result.question);
  const std::set<Provenance> provenances = provenances_of_estimates(result);
  BlockContext context;
  context.mark_estimates = needs_marks(provenances);
  context.mark_operators = needs_marks(provenances_of_operators(result));
  context.sentences = all_assumptions(result);

  std::string out = paint(wrapped(title, width, 0, 0), Style::heading) + "\n\n";
  out += labelled("workload", workload_text(result), options);
  out += labelled("target", target_text(result), options);
  out += labelled("prices", prices_text(result), options);
  out += '\n';
  for (const Line& line : comparison(result, context.mark_estimates))
    out.append(paint(line.text, line.style)).append("\n");
  // The marks of the table, and in the full report those of the operators too.
  std::set<Provenance> marked = provenances;
  if (!options.brief && context.mark_operators) marked.merge(provenances_of_operators(result));
  if (const std::string marks = legend(marked);
      !marks.empty() && (!options.brief || context.mark_estimates)) {
    out.append(paint(marks, Style::faint)).append("\n");
  }
  if (!options.brief) {
    for (const std::size_t i : by_cost(result))
      out.append("\n").append(candidate_text(result.candidates[i], context, options));
    if (!context.sentences.empty()) {
      out.append("\n").append(paint("What the numbers rest on", Style::heading)).append("\n");
      out += numbered(context.sentences, width);
    }
    out += '\n';
    out += labelled("inputs", printable(result.scenario) + ", digest " + result.inputs_digest,
                    options);
  }
  out += '\n';
  out +=
      paint(wrapped(verdict(result), width, 0, 0), result.cheapest >= 0 ? Style::good : Style::bad);
  out += '\n';
  return out;
}

}  // namespace tollgate
