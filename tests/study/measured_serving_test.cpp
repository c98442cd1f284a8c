// Holds the steady-state estimate against public measurements (SemiAnalysis InferenceX and NVIDIA
// runs as carried by ai-dynamo/aiconfigurator 095f58a5, silicon_sample.csv; clean aggregated rows).
// The data is not part of the repository: without it the test skips.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "kernels/registry.h"
#include "sim/placement/memory_plan.h"
#include "sim/serving/steady_state.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

const std::string data = TOLLGATE_SHARED "/data/serving/measured_serving.csv";

std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> out(1);
  bool quotes = false;
  for (const char c : line) {
    if (c == '"') {
      quotes = !quotes;
    } else if (c == ',' && !quotes) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

const std::map<std::string, std::string> hardware_names{
    {"h100_sxm", "H100-SXM"}, {"h200_sxm", "H200-SXM"}, {"b200_sxm", "B200-SXM"}};

std::string model_name(const std::string& path) {
  static const std::map<std::string, std::string> parts{
      {"DeepSeek-V3", "DeepSeek-V3"},     {"DeepSeek-R1", "DeepSeek-R1"},
      {"MiniMax-M2.5", "MiniMax-M2.5"},   {"gpt-oss-120b", "gpt-oss-120b"},
      {"Llama-3.1-70B", "Llama-3.1-70B"}, {"Llama-3.1-8B", "Llama-3.1-8B"},
      {"Qwen3-32B", "Qwen3-32B"},         {"Qwen3.5-397B", "Qwen3.5-397B-A17B"}};
  for (const auto& [part, name] : parts) {
    if (path.find(part) != std::string::npos) return name;
  }
  return "";
}

Precision precision(const std::string& name) {
  if (name.find("fp4") != std::string::npos) return Precision::nvfp4;
  return name.find("fp8") != std::string::npos ? Precision::fp8 : Precision::bf16;
}

struct Errors {
  std::vector<double> log_ratio;  ///< ln(predicted / measured)
  int inside = 0;

  double median_ape() const {
    std::vector<double> ape;
    for (const double e : log_ratio) ape.push_back(std::fabs(std::expm1(e)));
    std::nth_element(ape.begin(), ape.begin() + static_cast<std::ptrdiff_t>(ape.size() / 2),
                     ape.end());
    return ape[ape.size() / 2];
  }
};

TEST(measured_serving, token_times_of_public_runs_are_within_the_stated_band) {
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "the data set " << data << " is not here";
  Library library(TOLLGATE_REPOSITORY "/models");
  std::map<std::string, LlmSpec> models;
  std::map<std::string, HardwareSpec> machines;
  std::map<std::string, RoutingTables> routing;
  const MethodSpec method;

  std::ifstream in(data);
  std::string line;
  std::getline(in, line);
  std::map<std::string, std::size_t> column;
  for (const std::string& name : fields(line)) column.emplace(name, column.size());

  Errors tpot;
  std::set<std::string> groups;
  while (std::getline(in, line)) {
    const auto row = fields(line);
    const auto text = [&](const char* name) { return row[column.at(name)]; };
    const auto number = [&](const char* name) {
      return text(name).empty() ? 0 : std::stod(text(name));
    };
    const auto size = [&](const char* name) { return std::max(1, static_cast<int>(number(name))); };
    const std::string flags = text("flags");
    if (text("mode") != "agg" || !text("exact_dup_of").empty() || text("spec_decoding") != "none")
      continue;
    if (text("source_class") != "inferencex" || !(flags.empty() || flags == "gpu_count_fixed"))
      continue;
    const std::string name = model_name(text("model"));
    if (name.empty() || !hardware_names.count(text("system"))) continue;
    const std::string machine = hardware_names.at(text("system"));

    if (!models.count(name)) models[name] = library.model(name, {});
    if (!machines.count(machine)) machines[machine] = library.hardware(machine, {});
    const LlmSpec& model = models[name];
    const bool mixture = std::any_of(model.ffns.begin(), model.ffns.end(),
                                     [](const FfnSpec& f) { return f.kind == FfnKind::moe; });
    const Deployment d{size("tp"), 1, mixture ? size("moe_ep") : 1, size("attn_dp")};
    if (d.stage_ranks() % d.expert != 0) continue;
    PrecisionMap formats = model.precision;
    if (name != "gpt-oss-120b") {
      formats.attention = formats.dense_ffn = formats.shared_experts =
          precision(text("gemm_quant"));
      formats.experts =
          precision(text("moe_quant").empty() ? text("gemm_quant") : text("moe_quant"));
    }
    if (precision(text("precision")) != Precision::bf16) formats.kv_cache = Precision::fp8;

    RoutingTables& tables = routing[name + std::to_string(d.expert)];
    if (tables.empty()) {
      tables.resize(model.ffns.size());
      for (std::size_t i = 0; i < tables.size(); ++i) {
        if (model.ffns[i].kind == FfnKind::moe) {
          const auto made = [&](int run) {
            return make_routing_tables(model.ffns[i], library.popularity(model.family), {}, 1,
                                       {d.expert}, kernels::find_backend("auto"), run);
          };
          tables[i] = {made(1), made(1024)};
        }
      }
    }
    RequestClass request;
    request.input.tokens = number("isl") * number("len_factor");
    request.output.tokens = number("osl") * number("len_factor");
    const WorkloadMix mix = summarise({request});
    const StepModel step(model, machines[machine], d, formats, {}, method, tables, mix.contexts);
    SchedulerLimits limits;
    limits.host_per_request = method.host_per_request;
    const SteadyState s = solve_steady_state(step, mix, limits, number("concurrency"));

    const double error = std::log(s.tpot * 1e3 / number("mean_tpot_ms"));
    const double step_sd =
        std::max(step.detail(s.decode_load).log_sd, step.detail(s.mixed_load).log_sd);
    tpot.log_ratio.push_back(error);
    if (std::fabs(error) <= 1.2816 * std::hypot(step_sd, method.serving_log_sd)) ++tpot.inside;
    groups.insert(name + machine + text("backend"));
  }
  const auto rows = static_cast<double>(tpot.log_ratio.size());
  ASSERT_GE(rows, 500) << "too few rows for a statement";
  const double coverage = tpot.inside / rows;
  RecordProperty("rows", static_cast<int>(rows));
  std::printf("%.0f rows in %zu groups: median TPOT error %.1f %%, %.1f %% inside P10-P90\n", rows,
              groups.size(), 100 * tpot.median_ape(), 100 * coverage);
  EXPECT_LE(tpot.median_ape(), 0.12);
  EXPECT_GE(coverage, 0.75);
  EXPECT_LE(coverage, 0.90);
}

}  // namespace
}  // namespace tollgate
