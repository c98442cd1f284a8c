#include "sim/report/cost_text.h"

#include <algorithm>
#include <cmath>

#include "sim/base/text.h"
#include "sim/report/number_format.h"

namespace tollgate {
namespace {

std::string signed_money(double usd) { return usd < 0 ? "-" + money_text(-usd) : money_text(usd); }

std::string signed_percent(double share) {
  return share < 0 ? "-" + percent_text(-share) : percent_text(share);
}

/// "0.43 (0.31-0.60)".
std::string band(const Estimate& e, std::string (*text)(double), bool marked) {
  std::string out = text(e.value);
  if (marked) out += mark(e.provenance);
  if (!(e.low < e.high)) return glued(out);
  return glued(out) + " (" + glued(text(e.low) + (e.low < 0 ? " to " : "-") + text(e.high)) + ")";
}

/// " (2025-08)", or nothing where the scenario gives the figure.
std::string dated(const std::string& date) {
  return date.empty() ? "" : " (" + printable(date) + ")";
}

std::string stack_text(const CostResult& c) {
  std::vector<std::string> parts;
  for (const CostLine& line : c.stack.lines) {
    parts.push_back(glued(printable(line.name) + " " + money_text(line.usd_per_gpu_hour.value)) +
                    dated(line.date));
  }
  return glued(money_text(c.stack.total().value) + " USD") + ", " + printable(c.stack.level) +
         ": " + join(parts, " + ");
}

std::string price_dates(const CandidateResult& c) {
  return c.price.date.empty() ? "" : ", GPU price of " + printable(c.price.date);
}

std::string classes_text(const CandidateResult& c, bool marked) {
  std::vector<std::string> hours, usd;
  for (const ClassCost& line : c.cost.classes) {
    hours.push_back(glued(line.name + " " + count_text(line.gpu_hours.value)));
    usd.push_back(line.name + " " + band(line.usd, money_text, marked));
  }
  if (usd.empty()) return "";
  return "GPU-hours: " + join(hours) + "; USD: " + join(usd) + " (by " +
         std::string(to_string(c.cost.rule)) +
         (is_additive(c.cost.rule) ? "" : ", which counts the bill twice") + " at " +
         glued(percent_text(c.cost.utilisation) + " use") + price_dates(c) + ")";
}

std::string energy_text(const CostResult& c, bool marked) {
  const TokenEnergy& e = c.energy;
  if (e.kwh_per_million.value <= 0) return "";
  std::string text = band(e.kwh_per_million, count_text, marked) + " kWh";
  if (c.carbon_known) text += " and " + glued(count_text(e.kg_co2_per_million.value) + " kg CO2");
  return text + " per million output tokens: " + glued(count_text(e.tokens_per_joule.value)) +
         " tokens per J, " + glued(count_text(e.tokens_per_second_per_mw.value)) +
         " tokens/s per MW (" + printable(c.energy_from) + ")";
}

std::string price_text(const TokenPrice& p) {
  std::string text = "input " + money_text(p.input);
  if (p.cached_input >= 0) text += ", cached " + money_text(p.cached_input);
  if (p.cache_write >= 0) text += ", write " + money_text(p.cache_write);
  return text + ", output " + money_text(p.output);
}

std::string sales_text(const SalesResult& s, const CostResult& c, bool marked) {
  std::string text = price_text(s.price) + " USD per million (" + printable(s.price.seller) + ", " +
                     printable(s.price.date) +
                     (s.currency.empty() ? "" : ", " + printable(s.currency)) + "), " +
                     glued(money_text(s.price_per_million)) + " blended; gross margin " +
                     band(s.gross_margin, signed_percent, marked) + ", markup " +
                     glued(signed_percent(s.markup.value));
  std::vector<std::string> margins;
  for (const ClassCost& line : c.classes) {
    if (line.margin)
      margins.push_back(glued(line.name + " " + signed_percent(line.margin->gross_margin)));
  }
  if (!margins.empty()) text += "; margin by class: " + join(margins);
  text += "; breaks even at ";
  text += s.break_even_utilisation.value > 1 ? "no use (" : "";
  text += glued(percent_text(s.break_even_utilisation.value) + " use");
  return text + (s.break_even_utilisation.value > 1 ? " would be needed)" : "");
}

std::string earnings_text(const SalesResult& s, bool marked) {
  std::string text = "revenue " + band(s.revenue_per_gpu_hour, signed_money, marked) + ", profit " +
                     band(s.profit_per_gpu_hour, signed_money, marked) + " USD per GPU-hour";
  if (s.revenue_per_mw_hour.value > 0) {
    text += "; " + glued(signed_money(s.revenue_per_mw_hour.value)) + " and " +
            glued(signed_money(s.profit_per_mw_hour.value)) + " USD per MW and hour";
  }
  return text + " (prices of " + printable(s.price.date) + ")";
}

/// Tokens of a month or a task: "6.9 G", "310 M".
std::string tokens_text(double tokens) {
  if (tokens >= 1e9) return count_text(tokens / 1e9) + " G";
  if (tokens >= 1e6) return count_text(tokens / 1e6) + " M";
  return count_text(tokens);
}

std::string rent_text(const RentOrPayResult& r) {
  const RentOrPay& x = r.crossing;
  const std::string machines = std::to_string(r.gpus) + " GPUs at " +
                               money_text(r.rent.usd_per_hour) + " USD/h (" +
                               printable(r.rent.level) + ", " + printable(r.rent.date) + ")";
  std::string text =
      glued(grouped(x.usd_per_month, 0) + " USD") + " a month for " + machines + " buy " +
      glued(tokens_text(x.crossing_tokens)) + " tokens at " + glued(money_text(x.usd_per_million)) +
      " USD per million; the machines serve " + glued(tokens_text(x.tokens_per_month.value)) + ". ";
  if (x.crossing_use.value <= 1) {
    const std::string above =
        "above " + glued(tokens_text(x.crossing_tokens)) + " tokens a month (" +
        glued(percent_text(x.crossing_use.value) + " use, " + percent_text(x.crossing_use.low) +
              "-" + percent_text(x.crossing_use.high)) +
        ")";
    return text + "Buyer: renting is cheaper " + above +
           "; seller: billing by the token earns more than letting the machines " + above + ".";
  }
  return text +
         "Buyer: paying by the token is always cheaper; seller: letting the machines always "
         "earns more than billing by the token.";
}

std::string commitment_text(const CommitmentResult& r) {
  const std::string prices =
      printable(r.reserved.level) + " " + money_text(r.reserved.usd_per_hour) +
      dated(r.reserved.date) + " against " + printable(r.on_demand.level) + " " +
      money_text(r.on_demand.usd_per_hour) + dated(r.on_demand.date) + " USD/h: ";
  if (r.break_even_use > 1) return prices + "reserving never pays";
  return prices + "reserving pays from " + glued(percent_text(r.break_even_use) + " of hours") +
         " in use";
}

std::string pack_text(const PackResult& p) {
  return printable(p.pack.seller) + " " + printable(p.pack.name) + ": " +
         glued(shortest(p.pack.price) + " " + p.pack.currency) + " for " +
         glued(tokens_text(p.pack.tokens)) + " tokens (" + printable(p.pack.date) + "), " +
         glued(money_text(p.usd_per_million) + " USD") + " per million used" +
         (p.breakage > 0 ? " with " + percent_text(p.breakage) + " lapsing" : "");
}

std::string task_text(const InflationResult& t, const InflationResult& base) {
  const bool plain = t.knob == "as it is";
  std::string text = plain ? t.knob : printable(t.knob) + " " + shortest(t.value);
  text += ": " + glued(tokens_text(t.input)) + " in (" + glued(percent_text(t.cached / t.input)) +
          " cached), " + glued(tokens_text(t.output)) + " out";
  if (t.usd_per_task.value <= 0) return text + "; does not fit";
  text += ", cost " + glued(money_text(1000 * t.usd_per_task.value));
  if (t.price_per_task) text += ", price " + glued(money_text(1000 * *t.price_per_task));
  if (!plain && base.usd_per_task.value > 0) {
    text += " (" + glued("x" + ratio_text(t.usd_per_task.value / base.usd_per_task.value));
    if (t.price_per_task && base.price_per_task && *base.price_per_task > 0)
      text += " and " + glued("x" + ratio_text(*t.price_per_task / *base.price_per_task));
    text += ")";
  }
  return text + (t.runs ? "" : ", misses the target");
}

}  // namespace

std::vector<std::pair<std::string, std::string>> cost_lines(const CandidateResult& candidate,
                                                            bool marked) {
  const CostResult& c = candidate.cost;
  std::vector<std::pair<std::string, std::string>> lines;
  const auto add = [&](const char* label, const std::string& text) {
    if (!text.empty()) lines.emplace_back(label, text);
  };
  add("cost per GPU-h", stack_text(c));
  add("cost per M", classes_text(candidate, marked));
  add("energy", energy_text(c, marked));
  if (c.sales) {
    add("sold at", sales_text(*c.sales, c, marked));
    add("earns", earnings_text(*c.sales, marked));
  }
  if (c.pack) add("prepaid", pack_text(*c.pack));
  if (c.rent_or_pay) add("rent or pay", rent_text(*c.rent_or_pay));
  if (c.commitment) add("commitment", commitment_text(*c.commitment));
  for (std::size_t i = 0; i < c.inflation.size(); ++i) {
    std::string text = task_text(c.inflation[i], c.inflation[0]);
    if (i == 0) {
      text += " (USD per 1,000 tasks" + price_dates(candidate) +
              (c.sales ? ", token price of " + printable(c.sales->price.date) : "") + ")";
    }
    lines.emplace_back(i == 0 ? "a task" : "", text);
  }
  return lines;
}

}  // namespace tollgate
