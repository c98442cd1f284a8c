#include <algorithm>

#include "sim/base/text.h"
#include "sim/operators/table.h"

namespace tollgate {
namespace {

double bytes_per_element(const TableRow& row) {
  const std::string_view dtype = row.text("dtype");
  if (dtype == "half" || dtype == "bfloat16" || dtype == "float16") return 2;
  if (dtype == "int8" || dtype == "fp8") return 1;
  row.refuse("dtype is " + quote(dtype) + ", which is not one of half, bfloat16, int8, fp8.");
}

OperatorSample sample_of(const TableRow& row, std::string_view op, std::string_view precision,
                         std::string_view kernel, double us) {
  OperatorSample s;
  s.key = {std::string(op), std::string(row.text("backend")), std::string(precision),
           std::string(kernel)};
  s.version = row.text("version");
  s.seconds = us * 1e-6;
  return s;
}

/// `elements` is the full tensor (aiconfigurator 095f58a5, nccl_perf): what every rank holds after
/// an all_gather, before a reduce_scatter, and on both sides of the other two.
void read_nccl(const TableRow& row, std::vector<OperatorSample>& out) {
  const std::string_view name = row.text("op");
  const std::string_view op = name == "alltoall" ? "all_to_all" : name;
  if (!find_curve(op)) row.refuse("there is no collective " + quote(name) + ".");
  const double element = bytes_per_element(row);
  const bool adds = op == "all_reduce" || op == "reduce_scatter";
  const std::string_view precision = !adds ? bytes_precision : element == 2 ? "bf16" : "int8";
  OperatorSample s = sample_of(row, op, precision, "nccl", row.number("latency_us"));
  s.shape = {row.number("gpus"), row.number("elements") * element};
  out.push_back(std::move(s));
}

void read_all_reduce(const TableRow& row, std::vector<OperatorSample>& out) {
  OperatorSample s =
      sample_of(row, "all_reduce", "bf16", row.text("kernel"), row.number("latency_us"));
  s.shape = {row.number("gpus"), row.number("elements") * bytes_per_element(row)};
  out.push_back(std::move(s));
}

/// One machine is 8 accelerators, of the GB series 4.
double ranks_of(const TableRow& row) {
  const bool grace = row.has("system") && row.text("system").starts_with("gb");
  return row.number("nodes") * (grace ? 4 : 8);
}

/// Low-latency mode: fp8 out, bf16 back (DeepEP README, aiconfigurator wideep_deepep_ll_perf).
void read_deepep_ll(const TableRow& row, std::vector<OperatorSample>& out) {
  for (const bool combine : {false, true}) {
    OperatorSample s = sample_of(row, combine ? "combine_low_latency" : "dispatch_low_latency",
                                 combine ? "bf16" : "fp8", "deepep",
                                 row.number(combine ? "combine_us" : "dispatch_us"));
    s.shape = {ranks_of(row), row.number("tokens"), row.number("hidden"), row.number("topk"),
               row.number("experts")};
    if (s.seconds > 0) out.push_back(std::move(s));
  }
}

void read_deepep_normal(const TableRow& row, std::vector<OperatorSample>& out) {
  for (const bool combine : {false, true}) {
    const std::string phase = combine ? "combine" : "dispatch";
    OperatorSample s =
        sample_of(row, phase, combine ? "bf16" : "fp8", "deepep",
                  row.number(phase + "_transmit_us") + row.number(phase + "_notify_us"));
    s.shape = {ranks_of(row), row.number("tokens"), row.number("hidden"), row.number("topk"),
               row.number(phase + "_sms")};
    if (s.seconds > 0) out.push_back(std::move(s));
  }
}

/// `prepare` (indices only) is left out: it runs beside the router.
void read_alltoall(const TableRow& row, std::vector<OperatorSample>& out) {
  const std::string_view name = row.text("op");
  const bool dispatch = name == "alltoall_dispatch";
  if (!dispatch && name != "alltoall_combine") return;
  const NumberFormat* format = find_number_format(row.text("dtype"));
  if (!format) row.refuse("dtype " + quote(row.text("dtype")) + " is not a number format.");
  // A combine carries bf16 whatever the experts computed in.
  if (!dispatch && row.text("kernel") == "NVLinkTwoSided" && format->name != "bf16") return;
  OperatorSample s =
      sample_of(row, dispatch ? "dispatch" : "combine", dispatch ? format->name : "bf16",
                row.text("kernel"), row.number("latency_us"));
  s.shape = {row.number("moe_ep"), row.number("tokens"), row.number("hidden"), row.number("topk"),
             0};
  out.push_back(std::move(s));
}

}  // namespace

std::vector<TableFormat> collective_tables() {
  return {
      {"aiconfigurator nccl",
       {"backend", "version", "op", "dtype", "gpus", "elements", "latency_us"},
       {},
       read_nccl,
       TableFormat::Repetitions::fastest},
      {"aiconfigurator custom_allreduce",
       {"backend", "version", "kernel", "dtype", "gpus", "elements", "latency_us"},
       {"op"},
       read_all_reduce},
      {"aiconfigurator deepep_ll",
       {"backend", "version", "nodes", "hidden", "topk", "experts", "tokens", "dispatch_us",
        "combine_us"},
       {},
       read_deepep_ll},
      {"aiconfigurator deepep_normal",
       {"backend", "version", "nodes", "hidden", "topk", "dispatch_sms", "combine_sms", "tokens",
        "dispatch_transmit_us", "dispatch_notify_us", "combine_transmit_us", "combine_notify_us"},
       {},
       read_deepep_normal},
      {"aiconfigurator trtllm_alltoall",
       {"backend", "version", "op", "kernel", "dtype", "hidden", "topk", "moe_ep", "tokens",
        "latency_us"},
       {"inter"},
       read_alltoall},
  };
}

}  // namespace tollgate
