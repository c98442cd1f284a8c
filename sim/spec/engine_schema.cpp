#include "sim/base/text.h"
#include "sim/spec/model_schema.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;

const Schema<EngineLimits>& limits_schema() {
  static const auto schema =
      Schema<EngineLimits>("engine limits", "Defaults by device memory.")
          .quantity("memory_from", &EngineLimits::memory_from, Dimension::bytes, required,
                    not_negative, "Device memory from which these hold.")
          .integer("max_num_seqs", &EngineLimits::max_num_seqs, required, Range{1, 1e6},
                   "Sequences a data-parallel group may run at once.")
          .integer("batched_tokens", &EngineLimits::batched_tokens, required, Range{16, 1e6},
                   "Token budget of one engine step.");
  return schema;
}

}  // namespace

const Schema<GraphRange>& graph_schema() {
  static const auto schema =
      Schema<GraphRange>("graph range", "Decode batches captured as CUDA graphs.")
          .integer("to", &GraphRange::to, required, Range{1, 1e6}, "Largest batch of the range.")
          .integer("step", &GraphRange::step, required, Range{1, 1e6},
                   "Distance between captured batches.");
  return schema;
}

const Schema<KernelChoice>& kernel_schema() {
  static const auto schema =
      Schema<KernelChoice>("kernel choice", "A kernel the engine picks among several.")
          .text("op", &KernelChoice::op, required, "Operator, as `tollgate calibrate` names it.")
          .text("precision", &KernelChoice::precision, required, "Number format.")
          .text("kernel", &KernelChoice::kernel, required, "Kernel, as operator tables name it.")
          .text("backend", &KernelChoice::backend, optional,
                "Backend in whose table it is, if not the engine's own.")
          .text("format", &KernelChoice::format, optional,
                "Number format it was measured in, if not this one.")
          .choice<std::string>("architecture", &KernelChoice::architecture, optional,
                               {{"ampere", "ampere"},
                                {"ada", "ada"},
                                {"hopper", "hopper"},
                                {"blackwell", "blackwell"},
                                {"blackwell_rtx", "blackwell_rtx"}},
                               "Only on devices of this architecture.")
          .choice<ExpertLayout>(
              "experts", &KernelChoice::experts, optional,
              {{"sliced", ExpertLayout::sliced}, {"whole", ExpertLayout::whole}},
              "Only where experts are sliced over ranks, or each is whole on one.")
          .number("launches", &KernelChoice::launches, optional, Range{0, 1000},
                  "Experts: launches of a call, each host_per_call; 0: the usual number.")
          .check([](const KernelChoice& k, const std::string& path) {
            if (k.launches > 0 && k.op != "moe")
              throw InputError(place_of(k.places, "launches"),
                               path + ".launches is of experts (op: moe) alone.");
          });
  return schema;
}

const Schema<EngineSpec>& engine_schema() {
  static const auto schema = [] {
    Schema<EngineSpec> s("engine", "A serving engine at one version.");
    s.text("name", &EngineSpec::name, required, "Name; equals the file name.");
    s.text("version", &EngineSpec::version, required, "Version the figures are of.");
    s.text("backend", &EngineSpec::backend, optional, "Its name in operator tables.");
    s.text("released", &EngineSpec::released, optional, "ISO date or month of that version.");
    s.choice<SchedulingPolicy>("policy", &EngineSpec::policy, required,
                               {{"running_first", SchedulingPolicy::running_first},
                                {"prefill_first", SchedulingPolicy::prefill_first},
                                {"no_evict", SchedulingPolicy::no_evict}},
                               "Whose turn it is when prompts wait and sequences run.");
    s.boolean("async_scheduling", &EngineSpec::async_scheduling, optional,
              "The host prepares a step while the device runs the one before.");
    s.boolean("fuses_rotary", &EngineSpec::fuses_rotary, optional,
              "Rotary positions and the cache write are part of the attention call.");
    s.boolean(
        "fuses_all_reduce", &EngineSpec::fuses_all_reduce, optional,
        "The residual sum and the norm behind a short all-reduce are part of it, but for small "
        "dense models.");
    s.boolean(
        "static_scales", &EngineSpec::static_scales, optional,
        "fp8 inputs are quantised with the checkpoint's scale, operator tables search for it.");
    s.choice<ExpertExchange>(
        "expert_exchange", &EngineSpec::expert_exchange, optional,
        {{"allgather_reducescatter", ExpertExchange::allgather_reducescatter},
         {"deepep", ExpertExchange::deepep},
         {"nvlink", ExpertExchange::nvlink}},
        "How tokens reach expert-parallel ranks under data-parallel attention: all of them "
        "gathered on every rank and the sums scattered, each sent to its experts by DeepEP, or "
        "sent "
        "by TensorRT-LLM's kernels where NVLink reaches across nodes and gathered elsewhere.");
    s.boolean("gathers_quantised", &EngineSpec::gathers_quantised, optional,
              "Rows gathered for experts are quantised to NVFP4, MXFP8 or per-tensor fp8 before.");
    s.integer("expert_chunk", &EngineSpec::expert_chunk, optional, Range{0, 1e7},
              "Tokens whose choices the experts' kernels take at once; 0: all of a step.");
    s.quantity("host_per_step", &EngineSpec::host_per_step, Dimension::seconds, required,
               not_negative, "Time per engine step outside the device's kernels.");
    s.quantity("host_per_sequence", &EngineSpec::host_per_sequence, Dimension::seconds, required,
               not_negative, "Time per sequence and step outside the kernels.");
    s.quantity("draft_host_per_step", &EngineSpec::draft_host_per_step, Dimension::seconds,
               optional, not_negative, "Time per step with drafts, beside host_per_step.");
    s.quantity("draft_host_per_sequence", &EngineSpec::draft_host_per_sequence, Dimension::seconds,
               optional, not_negative,
               "Time per sequence and step with drafts, beside host_per_sequence.");
    s.quantity("host_per_eager_step", &EngineSpec::host_per_eager_step, Dimension::seconds,
               optional, not_negative,
               "Time of the host for a step that no graph covers, beside launching its kernels.");
    s.quantity("host_per_call", &EngineSpec::host_per_call, Dimension::seconds, optional,
               not_negative, "Time to launch one kernel of a step with prompt tokens.");
    s.integer("prompt_graph_rows", &EngineSpec::prompt_graph_rows, optional, Range{0, 1e6},
              "Rows up to which steps with prompt tokens run in graphs as well.");
    s.boolean(
        "piecewise_prompts", &EngineSpec::piecewise_prompts, optional,
        "Steps with prompt tokens run in graphs but for attention, which is launched kernel by "
        "kernel.");
    s.number("latent_prompt_calls", &EngineSpec::latent_prompt_calls, optional, Range{1, 100},
             "Kernels of a prompt in latent attention beside the products.");
    s.integer("absorbs_below", &EngineSpec::absorbs_below, optional, Range{0, 1e6},
              "Latent attention: prompts behind fewer cached positions do not expand keys and "
              "values; 0: all do.");
    s.quantity("host_per_request", &EngineSpec::host_per_request, Dimension::seconds, required,
               not_negative, "Time from arrival to the first step that can take a request.");
    s.quantity("host_per_prompt_token", &EngineSpec::host_per_prompt_token, Dimension::seconds,
               optional, Range{0, 1e-3},
               "Time of the server's process to read and tokenise a token of a prompt.");
    s.number("memory_utilisation", &EngineSpec::memory_utilisation, required, Range{0.1, 1},
             "Share of memory the engine may use.");
    s.choice<MemoryBase>("memory_utilisation_of", &EngineSpec::memory_utilisation_of, optional,
                         {{"device", MemoryBase::device}, {"free", MemoryBase::free}},
                         "Of the device's memory, or for the cache of what the rest leaves free.");
    s.boolean("windowed_cache", &EngineSpec::windowed_cache, optional,
              "Layers with a sliding window cache the window only, not the whole sequence.");
    s.integer("kv_block", &EngineSpec::kv_block, optional, Range{1, 4096},
              "Tokens of a KV cache block.");
    s.list("limits", &EngineSpec::limits, limits_schema(), required,
           "Scheduler defaults by device memory.");
    s.list("graphs", &EngineSpec::graphs, graph_schema(), optional,
           "Decode batches captured as CUDA graphs, rising.");
    s.boolean("graphs_before_cache", &EngineSpec::graphs_before_cache, optional,
              "Graphs are captured before the cache is sized, which leaves room for their buffers "
              "and logits.");
    s.boolean("sorted_sampling", &EngineSpec::sorted_sampling, optional,
              "Tokens are drawn from sorted logits, as top-k and top-p do without a kernel of "
              "their own.");
    s.list("kernels", &EngineSpec::kernels, kernel_schema(), optional,
           "Kernels picked where operator tables know several.");
    s.list("sources", &EngineSpec::sources, source_schema(), optional,
           "Where the figures come from.");
    s.text_list("notes", &EngineSpec::notes, "What else to know.");
    s.check([](const EngineSpec& e, const std::string& path) {
      if (e.limits.empty())
        throw InputError(place_of(e.places, "limits"), path + ".limits is empty.");
      int last = 0;
      for (const GraphRange& range : e.graphs) {
        if (range.to <= last) {
          throw InputError(place_of(range.places, "to"),
                           path + ".graphs must rise, but " + std::to_string(range.to) +
                               " follows " + std::to_string(last) + ".");
        }
        last = range.to;
      }
    });
    return s;
  }();
  return schema;
}

}  // namespace tollgate
