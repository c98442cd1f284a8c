#include <algorithm>
#include <filesystem>
#include <sstream>

#include "sim/base/text.h"
#include "sim/report/perfetto_trace.h"
#include "sim/report/report.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/market_study.h"
#include "sim/study/run.h"
#include "tools/arguments.h"
#include "tools/engine.h"
#include "tools/output.h"

namespace tollgate {
namespace {

Format format_of(const std::string& name) {
  return name == "json"    ? Format::json
         : name == "csv"   ? Format::csv
         : name == "focus" ? Format::focus
                           : Format::text;
}

void keep_only(Scenario& scenario, const std::vector<std::string>& wanted) {
  if (scenario.compare) {
    throw InputError(
        "tollgate run: the scenario compares its candidates with one another, so "
        "--candidate cannot leave any out.");
  }
  std::vector<std::string> names;
  for (const CandidateSpec& candidate : scenario.candidates) names.push_back(candidate.name);
  for (const std::string& name : wanted) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    throw InputError("tollgate run: the scenario has no candidate " + quote(name) + "." +
                     did_you_mean(name, names) + " It has: " + join(names) + ".");
  }
  std::erase_if(scenario.candidates, [&](const CandidateSpec& candidate) {
    return std::find(wanted.begin(), wanted.end(), candidate.name) == wanted.end();
  });
}

/// Every mix that has candidates has one that keeps the target.
bool answers(const MarketResult& result) {
  return std::all_of(result.mixes.begin(), result.mixes.end(), [](const MixResult& mix) {
    return mix.run.candidates.empty() || mix.run.cheapest >= 0;
  });
}

/// The steps of the only candidate, for --perfetto.
void check_recordable(const Scenario& scenario) {
  if (scenario.asks_market() || scenario.fidelity != Fidelity::simulated) {
    throw InputError(
        "tollgate run: --perfetto needs single requests; add 'fidelity: simulated' to the scenario "
        "or --set fidelity=simulated.");
  }
  if (scenario.candidates.size() > 1) {
    throw InputError(
        "tollgate run: --perfetto writes one candidate; choose it with --candidate NAME.");
  }
}

void write_steps(const RunResult& result, const std::string& path, Console& console) {
  const CandidateResult& c = result.candidates.at(0);
  if (!c.simulated || !c.simulated->recording) return;
  std::ostringstream text;
  write_perfetto_trace(text, *c.simulated->recording);
  deliver(text.str(), path, console);
}

int run(const Arguments& arguments, Console& console) {
  std::vector<std::string> overrides = arguments.texts("--set");
  if (arguments.has("--seed")) {
    overrides.push_back("seed=" +
                        std::to_string(arguments.integer("--seed", 0, 9'000'000'000'000'000)));
  }
  Library library(Library::find_root());
  Scenario scenario = load_scenario(arguments.text("SCENARIO"), overrides, library);
  if (arguments.has("--candidate")) keep_only(scenario, arguments.texts("--candidate"));
  scenario.simulation.record = arguments.has("--perfetto");
  if (scenario.simulation.record) check_recordable(scenario);
  return with_backend(
      arguments, scenario.routing.backend, console, [&](const kernels::RoutingBackend& backend) {
        const std::string path = arguments.text("--output");
        std::error_code error;
        if (!path.empty() && std::filesystem::equivalent(path, arguments.text("SCENARIO"), error)) {
          throw InputError(path + ": the output would overwrite the scenario it answers.");
        }
        RenderOptions options;
        options.colour = console.colour && (path.empty() || path == "-");
        options.width = console.width;
        options.brief = arguments.has("--brief");
        const Format format = format_of(arguments.text("--format"));
        const bool strict = arguments.has("--strict");
        if (scenario.asks_market()) {
          if (format == Format::focus) {
            throw InputError(
                "tollgate run: a market scenario has no bill, which --format focus "
                "writes; take csv.");
          }
          const MarketResult result = run_market(scenario, library, backend, strict);
          deliver(render(result, format, options), path, console);
          return answers(result) ? exit_code::ok : exit_code::infeasible;
        }
        const RunResult result = run_scenario(scenario, library, backend, strict);
        if (scenario.simulation.record) write_steps(result, arguments.text("--perfetto"), console);
        deliver(render(result, format, options), path, console);
        return result.cheapest >= 0 ? exit_code::ok : exit_code::infeasible;
      });
}

}  // namespace

Command run_command() {
  CommandHelp help;
  help.name = "run";
  help.summary = "Compare a scenario's candidates: cost, throughput, latency, memory, and why.";
  help.details = {
      "Exit code 1 means that no candidate fits in memory and meets the latency target; the output "
      "is "
      "written all the same.",
      "--set takes the dotted path of any key of the scenario; list elements are named by position "
      "or by "
      "their `name`. The value is read as YAML, so quantities keep their unit."};
  help.positionals = {{"SCENARIO", "The scenario, a YAML file (docs/scenario.md).", true}};
  help.options = {
      format_option({"text", "json", "csv", "focus"}),
      output_option(),
      {"--brief", "", "", "Text: only the table and the verdict."},
      {"--set", "", "PATH=VALUE", "Replace or add a value of the scenario."},
      {"--candidate", "", "NAME", "Only this candidate."},
      {"--perfetto", "", "FILE",
       "With fidelity: simulated, write the first engine steps of the only candidate as a trace "
       "for Perfetto."},
      {"--strict", "", "",
       "Refuse operator times that are not measured for the device and engine."},
      {"--seed", "", "N", "Seed instead of the scenario's; the same as --set seed=N."},
      backend_option(),
      threads_option(),
  };
  for (OptionHelp& option : help.options) {
    option.repeatable = option.name == "--set" || option.name == "--candidate";
  }
  help.examples = {{"tollgate run scenarios/moe-vs-dense.yaml", "The report for reading."},
                   {"tollgate run scenarios/market-2026-04.yaml --brief",
                    "Simulated cost against market prices, by kind of traffic."},
                   {"tollgate run scenarios/moe-vs-dense.yaml --set 'slo.tpot=30 ms' --set "
                    "pricing.level=on-demand",
                    "The same question with a tighter target and other prices."},
                   {"tollgate run scenarios/moe-vs-dense.yaml --format json -o result.json",
                    "Every number with its band."},
                   {"tollgate run scenarios/rent-or-pay-per-token.yaml --format focus -o bill.csv",
                    "A month's bill in the columns of FOCUS 1.2."}};
  return {help, run};
}

}  // namespace tollgate
