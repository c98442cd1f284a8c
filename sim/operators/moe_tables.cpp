#include "sim/base/text.h"
#include "sim/operators/gemm_tables.h"
#include "sim/operators/moe_loads.h"

namespace tollgate {
namespace {

/// Nemotron 3 experts have one up projection (squared ReLU). Tables before 0.5.14 and 0.24.0 timed
/// them as gated: 1.5 times the weights fit their times, and the kernels had no other form.
double gated(const TableRow& row, double inter, double top_k) {
  if (row.text("kernel").find("nongated") != std::string_view::npos) return 0;
  const bool nemotron = top_k == 22 || inter == 1856;
  const std::string_view version = row.text("version");
  return nemotron && version != "0.5.10" && version != "0.14.0" ? 0 : 1;
}

void read(const TableRow& row, std::string kernel, std::vector<OperatorSample>& out) {
  const NumberFormat* format = find_number_format(row.text("dtype"));
  if (!format) {
    row.refuse("dtype is " + quote(row.text("dtype")) + ", which is not a number format.");
  }
  const double inter = row.number("inter"), top_k = row.number("topk");
  const double experts = row.number("experts"), ranks = row.number("moe_ep");
  const double tokens = row.number("tokens");
  // A rank with a part of an expert more than others: no such deployment.
  if (ranks < 1 || static_cast<int>(experts) % static_cast<int>(ranks) != 0) return;
  const RankLoad& load = cached_published_load(static_cast<int>(experts), static_cast<int>(top_k),
                                               static_cast<int>(ranks), static_cast<int>(tokens),
                                               row.text("distribution"));
  OperatorSample s;
  s.key = {"moe", std::string(row.text("backend")), std::string(format->name), std::move(kernel)};
  s.version = row.text("version");
  s.shape = {row.number("hidden"),
             inter / row.number("moe_tp"),
             gated(row, inter, top_k),
             tokens,
             tokens * top_k,
             load.rows,
             load.active,
             load.rows16,
             load.rows64,
             load.rows128,
             experts / ranks,
             1};
  s.seconds = row.number("latency_us") * 1e-6;
  out.push_back(std::move(s));
}

void read_moe(const TableRow& row, std::vector<OperatorSample>& out) {
  // SGLang's tables of its wide expert parallelism come in this layout too. Prefill was launched
  // eagerly (a floor of 300 us) and decode takes tokens per rank: neither is this operator.
  if (row.text("kernel") == "deepepmoe") return;
  // Collected before experts of other ranks were masked: one rank of eight takes as long as one of
  // one (A100, 6144x2560, 16384 tokens: 155 and 161 ms).
  if (row.text("backend") == "sglang" && row.text("version") == "0.5.10" &&
      row.number("moe_ep") > 1) {
    return;
  }
  read(row, std::string(row.text("kernel")), out);
}

/// TensorRT-LLM with wide expert parallelism. Balanced placements (`_eplb`, or more slots than
/// experts) say only how many rows the rank has, not how they spread over its experts.
void read_wide_moe(const TableRow& row, std::vector<OperatorSample>& out) {
  if (row.text("distribution").ends_with("_eplb")) return;
  if (row.number("slots") != row.number("experts")) return;
  read(row, "wideep_" + std::string(row.text("kernel")), out);
}

}  // namespace

std::vector<TableFormat> moe_tables() {
  const std::vector<std::string_view> columns{
      "backend", "version", "dtype",  "kernel", "distribution", "hidden",    "inter",
      "topk",    "experts", "moe_tp", "moe_ep", "tokens",       "latency_us"};
  std::vector<std::string_view> wide = columns;
  wide.insert(wide.end(), {"slots", "rank0_tokens"});
  return {{"wideep_moe", wide, {}, read_wide_moe}, {"moe", columns, {"slots"}, read_moe}};
}

}  // namespace tollgate
