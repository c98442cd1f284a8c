#include "sim/report/market_text.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "sim/base/text.h"
#include "sim/report/facts.h"
#include "sim/report/number_format.h"
#include "sim/report/style.h"
#include "sim/report/text_table.h"

namespace tollgate {
namespace {

using Align = TextTable::Align;
constexpr double day = 86400, week = 7 * day, year = 365 * day;

/// Writes the sections one after the other.
class Page {
 public:
  explicit Page(const RenderOptions& options)
      : paint_(options.colour), width_(static_cast<std::size_t>(options.width)) {}

  void heading(const std::string& text) {
    if (!out_.empty()) out_ += '\n';
    out_ += paint_(wrapped(text, width_, 0, 0), Style::heading) + "\n";
  }
  void line(const std::string& text, Style style = Style::plain) {
    out_ += paint_(wrapped(text, width_, 0, 2), style) + "\n";
  }
  void table(const TextTable& table, const std::vector<Style>& styles = {}) {
    for (const std::string& head : table.head()) out_ += paint_(head, Style::heading) + "\n";
    const auto rows = table.body();
    for (std::size_t i = 0; i < rows.size(); ++i)
      out_ += paint_(rows[i], i < styles.size() ? styles[i] : Style::plain) + "\n";
  }
  void findings(const std::vector<std::string>& sentences) {
    for (const std::string& sentence : sentences) line("- " + printable(sentence));
  }
  std::string take() { return std::move(out_); }

 private:
  Painter paint_;
  std::size_t width_;
  std::string out_;
};

std::string percent(double share) {
  const double value = 100 * share;
  if (std::fabs(value) < 0.5) return "0 %";
  return (std::fabs(value) < 1000 ? fixed(value, 0) : grouped(value, 0)) + " %";
}

std::string times(double ratio) {
  if (ratio <= 0) return "-";
  return (ratio < 10 ? fixed(ratio, 2) : count_text(ratio)) + "x";
}

/// Tokens with a letter: 2.94 T, 41.0 M.
std::string tokens_text(double tokens) {
  static constexpr struct {
    double from;
    const char* letter;
  } scales[] = {{1e15, " P"}, {1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}};
  for (const auto& scale : scales) {
    if (tokens >= scale.from * 0.9995) return count_text(tokens / scale.from) + scale.letter;
  }
  return count_text(tokens);
}

std::string mix_text(const MixResult& mix) {
  std::string text = printable(mix.name) + ": " + count_text(mix.run.mean_input) + " tokens in, " +
                     count_text(mix.run.mean_output) + " out (" + ratio_text(mix.input_per_output) +
                     " to 1), " + percent(mix.hit_rate) + " of the prompt cached";
  return text;
}

void margins(const MarketResult& r, std::size_t m, const RenderOptions& options, Page& page) {
  page.heading(mix_text(r.mixes[m]));
  TextTable table;
  table.column("model", Align::left);
  table.column("seller", Align::left);
  table.column("price of", Align::left);
  table.column("price", Align::right, "USD/M tokens");
  table.column("cost", Align::right, "USD/M tokens");
  table.column("P10-P90", Align::right, "USD/M tokens");
  table.column("margin", Align::right, "gross margin");
  table.column("P10-P90", Align::right, "gross margin");
  table.column("even at", Align::right);
  table.column("GPUs", Align::left);
  std::vector<Style> styles;
  for (const OfferResult& offer : r.offers) {
    const MarketCell& cell = offer.cells[m];
    std::vector<std::string> cells{printable(offer.offer.model), printable(offer.offer.seller),
                                   printable(offer.offer.tariff.date), money_text(cell.price)};
    if (cell.candidate < 0) {
      const std::string why = offer.not_simulated.empty() ? "no candidate keeps the target"
                              : offer.not_simulated == "closed"
                                  ? "not simulated (closed)"
                                  : "not simulated (" + offer.not_simulated + ")";
      table.note(cells, why);
      styles.push_back(Style::faint);
      continue;
    }
    const CandidateResult& c = r.mixes[m].run.candidates[static_cast<std::size_t>(cell.candidate)];
    const bool loss = cell.margin.value < 0;
    cells.insert(
        cells.end(),
        {money_text(cell.cost.value) + std::string(mark(cell.cost.provenance)),
         money_text(cell.cost.low) + "-" + money_text(cell.cost.high), percent(cell.margin.value),
         percent(cell.margin.low) + " to " + percent(cell.margin.high),
         percent(cell.break_even_utilisation),
         std::to_string(c.gpus) + " " + printable(c.hardware) + (loss ? "  LOSS" : "")});
    table.row(cells);
    styles.push_back(loss ? Style::bad : Style::plain);
  }
  page.table(table, styles);
  if (options.brief) return;

  TextTable moved;
  moved.column("what moves the margin", Align::left);
  moved.column("assumption", Align::left);
  moved.column("margin", Align::left);
  moved.column("from, to", Align::left);
  bool any = false;
  for (const OfferResult& offer : r.offers) {
    const MarketCell& cell = offer.cells[m];
    for (std::size_t i = 0; i < cell.swings.size(); ++i) {
      const Swing& s = cell.swings[i];
      any = true;
      moved.row({i == 0 ? printable(offer.offer.model) : "",
                 s.assumption + (i == 0 ? " (most)" : ""),
                 percent(s.low_margin) + " to " + percent(s.high_margin),
                 printable(s.low_case) + "; " + printable(s.high_case)});
    }
  }
  if (any) {
    page.line("");
    page.table(moved);
  }
}

void rent(const MarketResult& r, std::size_t m, Page& page) {
  TextTable table;
  table.column("rent or buy", Align::left);
  table.column("GPUs", Align::left);
  table.column("rent USD/month", Align::right);
  table.column("buys tokens/month", Align::right);
  table.column("can serve", Align::right);
  bool any = false;
  for (const OfferResult& offer : r.offers) {
    const MarketCell& cell = offer.cells[m];
    if (cell.candidate < 0 || cell.rent.crossing_tokens <= 0) continue;
    any = true;
    const CandidateResult& c = r.mixes[m].run.candidates[static_cast<std::size_t>(cell.candidate)];
    table.row({printable(offer.offer.model), std::to_string(c.gpus) + " " + printable(c.hardware),
               money_text(cell.rent.usd_per_month), tokens_text(cell.rent.crossing_tokens),
               tokens_text(cell.rent.tokens_per_month.value)});
  }
  if (!any) return;
  page.line("");
  page.table(table);
}

/// The price of an accelerator that stands behind the costs, with its date.
void gpu_prices(const MarketResult& r, Page& page) {
  std::set<std::string> seen;
  for (const MixResult& mix : r.mixes) {
    for (const CandidateResult& c : mix.run.candidates) {
      std::string text =
          printable(c.hardware) + " " + money_text(c.price.usd_per_hour) + " USD per GPU-hour";
      std::vector<std::string> from;
      for (const std::string& item : {c.price.level, c.price.date, c.price.from}) {
        if (!item.empty()) from.push_back(printable(item));
      }
      seen.insert(text + " (" + join(from) + ")");
    }
  }
  if (seen.empty()) return;
  page.line("GPU prices: " + join({seen.begin(), seen.end()}, "; ") + ".");
}

/// Offers by mix, where nothing is simulated.
void price_list(const MarketResult& r, Page& page) {
  page.heading("Prices of a token of each mix: prompt, cached and generated tokens alike");
  for (const MixResult& mix : r.mixes) page.line(mix_text(mix));
  TextTable table;
  table.column("model", Align::left);
  table.column("seller", Align::left);
  table.column("price of", Align::left);
  for (const MixResult& mix : r.mixes)
    table.column(printable(mix.name), Align::right, "USD/M tokens");
  table.column("", Align::left);
  for (const OfferResult& offer : r.offers) {
    std::vector<std::string> cells{printable(offer.offer.model), printable(offer.offer.seller),
                                   printable(offer.offer.tariff.date)};
    for (const MarketCell& cell : offer.cells) cells.push_back(money_text(cell.price));
    cells.push_back("not simulated (" + offer.not_simulated + ")");
    table.row(cells);
  }
  page.table(table);
}

void market(const MarketResult& r, const RenderOptions& options, Page& page) {
  if (r.offers.empty()) return;
  if (std::all_of(r.offers.begin(), r.offers.end(),
                  [](const OfferResult& o) { return !o.not_simulated.empty(); })) {
    price_list(r, page);
    return;
  }
  for (std::size_t m = 0; m < r.mixes.size(); ++m) {
    margins(r, m, options, page);
    if (!options.brief) rent(r, m, page);
  }
  page.line("");
  page.line(
      "Price and cost are of a token of the mix: prompt, cached and generated tokens alike. Margin "
      "is 1 - cost / price; \"even at\" is the utilisation at which they are equal.");
  page.line("~ rests on a curve used outside its range; ? rests on an assumption.", Style::faint);
  if (!options.brief) {
    page.line(
        "\"buys\" are the tokens that the rent of the deployment would buy at the offer: renting "
        "is "
        "cheaper for more than that, if the deployment can serve them.");
  }
  page.line("");
  page.findings(r.findings);
}

std::string offer_text(const OfferSpec& offer) {
  return printable(offer.model) + ", " + printable(offer.seller) + ", " +
         printable(offer.tariff.date);
}

void prices(const MarketResult& r, Page& page) {
  if (r.prices.empty()) return;
  page.heading("Prices side by side: the first over the second");
  TextTable table;
  table.column("", Align::left);
  table.column("the first", Align::left);
  table.column("the second", Align::left);
  for (const char* name : {"input", "cached", "output"}) table.column(name, Align::right, "price");
  for (const MixResult& mix : r.mixes) table.column(printable(mix.name), Align::right, "mix");
  std::vector<std::string> findings;
  for (const PriceRatios& p : r.prices) {
    std::vector<std::string> cells{printable(p.comparison.name),
                                   offer_text(p.comparison.dear),
                                   offer_text(p.comparison.cheap),
                                   times(p.input),
                                   times(p.cached),
                                   times(p.output)};
    for (const double ratio : p.mixes) cells.push_back(times(ratio));
    table.row(cells);
    findings.insert(findings.end(), p.findings.begin(), p.findings.end());
  }
  page.table(table);
  page.findings(findings);
}

void seats(const MarketResult& r, Page& page) {
  if (r.seats.empty()) return;
  page.heading("Flat fee against usage: tokens per person and month");
  TextTable table;
  table.column("", Align::left);
  table.column("usage billed at", Align::left);
  table.column("bill USD", Align::right);
  for (const MixResult& mix : r.mixes) table.column(printable(mix.name), Align::right, "tokens");
  for (const SeatResult& seat : r.seats) {
    for (std::size_t i = 0; i < seat.bills.size(); ++i) {
      const auto& bill = seat.bills[i];
      std::vector<std::string> cells{
          i == 0 ? printable(seat.seat.usage.seller) + " " + printable(seat.seat.plan) : "",
          i == 0 ? offer_text(seat.seat.usage) : "", money_text(bill.usd)};
      for (const double tokens : bill.tokens) cells.push_back(tokens_text(tokens));
      table.row(cells);
    }
  }
  page.table(table);
}

void packs(const MarketResult& r, Page& page) {
  if (r.packs.empty()) return;
  page.heading("Prepaid tokens against tokens one by one");
  TextTable table;
  table.column("pack", Align::left);
  table.column("of", Align::left);
  table.column("USD/M tokens", Align::right);
  table.column("against", Align::left);
  for (const MixResult& mix : r.mixes)
    table.column(printable(mix.name), Align::right, "pack over offer");
  for (const PackRatios& p : r.packs) {
    std::vector<std::string> cells{
        printable(p.comparison.seller) + " " + printable(p.comparison.name),
        printable(p.comparison.pack.date), money_text(p.usd_per_million),
        offer_text(p.comparison.against)};
    for (const double ratio : p.over_offer) cells.push_back(times(ratio));
    table.row(cells);
  }
  page.table(table);
}

void comparison(const MarketResult& r, Page& page) {
  if (!r.compare) return;
  for (std::size_t m = 0; m < r.mixes.size(); ++m) {
    const RunResult& run = r.mixes[m].run;
    page.heading(mix_text(r.mixes[m]));
    TextTable table;
    table.column("candidate", Align::left);
    table.column("GPUs", Align::left);
    table.column("parameters", Align::right, "weights");
    table.column("on a GPU", Align::right, "weights");
    table.column("batch", Align::right);
    table.column("TPOT", Align::right);
    table.column("out tokens/s/GPU", Align::right);
    table.column("P10-P90", Align::right);
    const std::string over =
        "over " + printable(run.candidates[static_cast<std::size_t>(r.compare->reference)].name);
    for (const char* name : {"parameters", "sequence", "throughput", "cost"})
      table.column(name, Align::right, over);
    for (const CandidateRatio& ratio : r.compare->mixes[m]) {
      const CandidateResult& c = run.candidates[static_cast<std::size_t>(ratio.candidate)];
      const std::string gpus = std::to_string(c.gpus) + " " + printable(c.hardware);
      if (!has_operating_point(c)) {
        table.note({printable(c.name), gpus}, printable(c.reason));
        continue;
      }
      const Estimate& out = c.output_tokens_per_second_per_gpu;
      table.row({printable(c.name), gpus, parameters_text(c.total_parameters),
                 bytes_text(c.memory.weights.value), batch_text(c.batch.value),
                 seconds_text(c.tpot.value), count_text(out.value),
                 count_text(out.low) + "-" + count_text(out.high), times(ratio.parameters),
                 times(ratio.sequence), times(ratio.throughput), times(ratio.cost)});
    }
    page.table(table);
  }
  page.line("");
  page.findings(r.compare->findings);
}

void volumes(const MarketResult& r, Page& page) {
  const DemandResult& d = *r.demand;
  if (d.volumes.empty()) return;
  page.heading("Demand");
  TextTable table;
  table.column("", Align::left);
  table.column("when", Align::left);
  table.column("day", Align::right, "tokens per");
  table.column("week", Align::right, "tokens per");
  table.column("share", Align::right);
  table.column("change", Align::right);
  table.column("week before", Align::right);
  const bool revenue = std::any_of(d.volumes.begin(), d.volumes.end(),
                                   [](const VolumeResult& v) { return !v.revenue.empty(); });
  if (revenue) {
    for (const MixResult& mix : r.mixes)
      table.column(printable(mix.name), Align::right, "revenue, million USD/week");
  }
  for (const VolumeResult& v : d.volumes) {
    std::vector<std::string> cells{(v.volume.part_of.empty() ? "" : "  ") +
                                       printable(v.volume.name) +
                                       (v.volume.gone ? " (left the list)" : ""),
                                   printable(v.volume.date),
                                   tokens_text(v.volume.tokens * day),
                                   tokens_text(v.volume.tokens * week),
                                   v.share > 0 ? percent(v.share) : "-",
                                   v.volume.change ? percent(*v.volume.change) : "-",
                                   v.before > 0 ? tokens_text(v.before * week) : "-"};
    for (const double usd : v.revenue) cells.push_back(count_text(usd / 1e6));
    table.row(cells);
  }
  page.table(table);
  page.findings(d.findings);
}

void fleets(const MarketResult& r, Page& page) {
  const DemandResult& d = *r.demand;
  if (d.fleets.empty()) return;
  page.heading("Fleets" +
               (d.mix.empty() ? std::string() : ", simulated at the mix " + printable(d.mix)));
  TextTable table;
  table.column("demand", Align::left);
  table.column("served like", Align::left);
  table.column("replicas", Align::right);
  table.column("GPUs", Align::right);
  table.column("P10-P90", Align::right);
  table.column("MW", Align::right);
  table.column("million USD/day", Align::right);
  table.column("USD/M tokens", Align::right);
  std::string last;
  for (const FleetRow& row : d.fleets) {
    const Fleet& f = row.fleet;
    const bool band = f.gpus.low < f.gpus.high;
    table.row({row.volume == last ? "" : printable(row.volume),
               printable(row.server) + (row.simulated ? "" : " (published)"),
               grouped(f.replicas.value, 0), grouped(f.gpus.value, 0),
               band ? grouped(f.gpus.low, 0) + "-" + grouped(f.gpus.high, 0) : "-",
               row.power_known ? count_text(f.megawatts.value) : "-",
               count_text(f.usd_per_day.value / 1e6), money_text(f.usd_per_million_tokens.value)});
    last = row.volume;
  }
  page.table(table);
  if (d.pue > 1) page.line("Megawatts include a PUE of " + ratio_text(d.pue) + ".");
}

void users(const MarketResult& r, Page& page) {
  const DemandResult& d = *r.demand;
  if (!d.users.empty()) {
    page.heading("Users: tokens per day");
    TextTable table;
    table.column("", Align::left);
    table.column("users", Align::right);
    table.column("in", Align::right, "tokens per day");
    table.column("repeated", Align::right, "tokens per day");
    table.column("out", Align::right, "tokens per day");
    table.column("all", Align::right, "tokens per day");
    table.column("of a user", Align::right);
    table.column("over the first", Align::right);
    TokenDemand sum;
    const auto row = [&](const std::string& name, double count, const TokenDemand& t) {
      const double first = d.users.front().tokens.total() /
                           (d.users.front().user.users * d.users.front().user.penetration);
      const double each = count > 0 ? t.total() / count : 0;
      table.row({name, tokens_text(count), tokens_text(t.input),
                 t.input > 0 ? percent(t.cached_input / t.input) : "-", tokens_text(t.output),
                 tokens_text(t.total()), tokens_text(each),
                 first > 0 && count > 0 ? times(each / first) : "-"});
    };
    double count = 0;
    for (const UserResult& u : d.users) {
      const double active = u.user.users * u.user.penetration;
      row(printable(u.user.name), active, u.tokens);
      sum.input += u.tokens.input;
      sum.cached_input += u.tokens.cached_input;
      sum.output += u.tokens.output;
      count += active;
    }
    if (d.users.size() > 1) row("all", count, sum);
    page.table(table);
  }
  if (d.agents && !d.agents->multiples.empty()) {
    page.heading("Agents besides chatbots: tokens over those of chatbots alone");
    TextTable table;
    table.column("penetration", Align::right);
    table.column("tokens", Align::right);
    for (std::size_t i = 0; i < d.agents->multiples.size(); ++i)
      table.row({percent(d.agents->agents.penetrations[i]), times(d.agents->multiples[i])});
    page.table(table);
  }
  if (d.volumes.empty()) page.findings(d.findings);
}

void growth(const MarketResult& r, Page& page) {
  for (const GrowthResult& g : r.growth) {
    page.heading(printable(g.growth.name));
    TextTable table;
    if (!g.growth.series.empty()) {
      table.column("when", Align::left);
      table.column("tokens per week", Align::right);
      table.column("step", Align::right);
      for (std::size_t i = 0; i < g.growth.series.size(); ++i) {
        const SeriesPoint& p = g.growth.series[i];
        table.row({printable(p.date), tokens_text(p.tokens * week),
                   i == 0 ? "-" : percent(p.tokens / g.growth.series[i - 1].tokens - 1)});
      }
      page.table(table);
      page.line("Growth " + times(g.total) + ", " + significant(100 * g.per_step, 4) +
                (g.growth.periods > 0 ? " % a period, of " + std::to_string(g.growth.periods) + "."
                                      : " % a step."));
      page.findings(g.findings);
      continue;
    }
    const std::vector<std::pair<const char*, const std::optional<Growth>*>> ways{
        {"by the yearly growth", &g.by_rate},
        {"by the multiple", &g.by_multiple},
        {"by base and end", &g.by_end}};
    table.column(g.growth.from > 0 ? "year" : "after years", Align::right);
    for (const auto& [name, way] : ways) {
      if (!*way) continue;
      table.column("times", Align::right, name);
      if (g.growth.base > 0) table.column("tokens/day", Align::right, name);
    }
    for (int y = 0; y <= static_cast<int>(std::min(g.growth.years, 50.0)); ++y) {
      std::vector<std::string> cells{std::to_string(g.growth.from + y)};
      for (const auto& [name, way] : ways) {
        if (!*way) continue;
        const double multiple = std::pow(1 + (*way)->yearly_rate, y);
        cells.push_back(times(multiple));
        if (g.growth.base > 0) cells.push_back(tokens_text(g.growth.base * multiple * day));
      }
      table.row(cells);
    }
    page.table(table);
    for (const auto& [name, way] : ways) {
      if (!*way) continue;
      page.line(
          std::string("Growth ") + name + ": " + significant(100 * (*way)->yearly_rate, 4) +
          " % a year, " + times((*way)->multiple) + " in " + shortest(g.growth.years) + " years" +
          (g.growth.base > 0
               ? ", to " + tokens_text(g.growth.base * (*way)->multiple * year) + " tokens a year."
               : "."));
    }
    page.findings(g.findings);
  }
}

}  // namespace

std::string market_text(const MarketResult& r, const RenderOptions& options) {
  Page page(options);
  page.heading(printable(r.question.empty() ? r.scenario : r.question));
  gpu_prices(r, page);
  market(r, options, page);
  prices(r, page);
  seats(r, page);
  packs(r, page);
  comparison(r, page);
  if (r.demand) {
    volumes(r, page);
    fleets(r, page);
    users(r, page);
  }
  growth(r, page);
  std::string out = page.take();
  if (!options.brief)
    out += "\ninputs    " + printable(r.scenario) + ", digest " + r.inputs_digest + "\n";
  return out;
}

}  // namespace tollgate
