#include "sim/study/measured_row.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "sim/base/text.h"
#include "sim/placement/memory_plan.h"
#include "sim/spec/money.h"
#include "sim/study/trtllm_bench_sizes.h"

namespace tollgate {
namespace {

class Fields {
 public:
  Fields(const CsvTable& table, std::size_t row) : table_(table), row_(row) {}

  const std::string& text(std::string_view column) const { return table_.text(row_, column); }
  const std::string& needed(std::string_view column) const {
    const std::string& value = text(column);
    if (value.empty()) refuse(column, "is missing");
    return value;
  }
  double number(std::string_view column, double otherwise) const {
    const std::string& value = text(column);
    if (value.empty()) return otherwise;
    const auto parsed = parse_number(value);
    if (!parsed || *parsed < 0) refuse(column, "is " + quote(value) + ", not a number from 0 on");
    return *parsed;
  }
  double positive(std::string_view column) const {
    needed(column);
    const double value = number(column, 0);
    if (value <= 0) refuse(column, "must be above 0");
    return value;
  }
  /// Sizes: empty and 0 mean 1.
  int size(std::string_view column) const {
    return text(column).empty() ? 1 : std::max(1, count(column, 16384));
  }
  /// A whole number from 0 to `most`.
  int count(std::string_view column, int most) const {
    const double value = number(column, 0);
    if (value > most || value != std::floor(value))
      refuse(column, "is " + text(column) + ", not a whole number up to " + std::to_string(most));
    return static_cast<int>(value);
  }
  /// A day as 2026-01-31, or "".
  const std::string& day(std::string_view column) const {
    const std::string& value = text(column);
    if (!value.empty() && !(is_date(value) && value.size() == 10))
      refuse(column, "is " + quote(value) + ", no day such as 2026-01-31");
    return value;
  }

 private:
  [[noreturn]] void refuse(std::string_view column, const std::string& what) const {
    throw InputError(table_.place(row_, column), std::string(column) + " " + what + ".");
  }
  const CsvTable& table_;
  std::size_t row_;
};

std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

/// "nvidia/DeepSeek-R1-0528-NVFP4-v2" -> "DeepSeek-R1-0528-NVFP4-v2".
std::string last_part(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

/// The longest known name that a written one begins with, "" if there is none.
std::string longest_prefix(const std::string& written, const std::vector<std::string>& known) {
  const std::string text = plain(written);
  std::string best;
  for (const std::string& name : known) {
    if (text.starts_with(plain(name)) && plain(name).size() > plain(best).size()) best = name;
  }
  return best;
}

std::optional<Precision> format_of(const std::string& written) {
  if (written.empty()) return std::nullopt;
  if (written.find("mxfp4") != std::string::npos) return Precision::mxfp4;
  if (written.find("fp4") != std::string::npos) return Precision::nvfp4;
  if (written.find("fp8") != std::string::npos) return Precision::fp8;
  if (written.find("int8") != std::string::npos) return Precision::int8;
  if (written.find("int4") != std::string::npos) return Precision::int4;
  return Precision::bf16;
}

/// Public tables that name only the GPUs of a worker: data-parallel attention with one expert group
/// where heads share one cache (as DeepSeek deploys it), tensor parallelism for the rest.
Deployment worker_of(const LlmSpec& model, int gpus, bool tensor) {
  const bool shared = std::any_of(
      model.attentions.begin(), model.attentions.end(),
      [](const AttentionSpec& a) { return a.kind == AttentionKind::mla || a.shared_kv; });
  const bool mixture = model.has_experts();
  if (shared && !tensor) return {1, 1, mixture ? gpus : 1, gpus};
  return {gpus, 1, shared && mixture ? gpus : 1, 1};
}

/// "1.0.0rc3" -> {1, 0, 0, 3}; no numbers where it does not begin with one.
std::vector<int> version_numbers(const std::string& version) {
  std::vector<int> numbers;
  if (version.empty() || !std::isdigit(static_cast<unsigned char>(version[0]))) return numbers;
  bool inside = false;
  for (const char c : version) {
    const bool digit = std::isdigit(static_cast<unsigned char>(c));
    if (digit && !inside) numbers.push_back(0);
    if (digit) numbers.back() = std::min(10 * numbers.back() + (c - '0'), 1'000'000);
    inside = digit;
  }
  return numbers;
}

/// Formats of the row's checkpoint: the shipped one, where its experts are in that format or in
/// MXFP4, whatever a table calls that; else the published one; else as the row says.
PrecisionMap formats_of(const MeasuredRow& row, const LlmSpec& model, bool mixture) {
  PrecisionMap p = model.precision;
  const auto gemm = format_of(row.gemm_format), moe = format_of(row.moe_format);
  const bool shipped = p.experts == Precision::mxfp4 || (mixture && moe == p.experts);
  if (!shipped && moe && model.release(*moe)) {
    p = precision_in(model, *moe);
  } else if (!shipped) {
    if (gemm) p.attention = p.dense_ffn = p.shared_experts = *gemm;
    if (moe) p.experts = *moe;
  }
  if (row.narrow_cache) p.kv_cache = Precision::fp8;
  return p;
}

/// Of one backend's engines the oldest that is not older than the row's version, which is how a
/// default that changed since is known; the newest where none is, or the version is not stated.
/// Releases of one minor version count as one.
const EngineSpec* engine_of(const std::map<std::string, EngineSpec>& engines,
                            const MeasuredRow& row) {
  const auto minor = [](const std::string& version) {
    std::vector<int> numbers = version_numbers(version);
    numbers.resize(std::min<std::size_t>(numbers.size(), 2));
    return numbers;
  };
  const std::vector<int> wanted = minor(row.version);
  const EngineSpec* newest = nullptr;
  const EngineSpec* best = nullptr;
  for (const auto& [name, engine] : engines) {
    if (engine.backend != row.backend) continue;
    const std::vector<int> own = minor(engine.version);
    if (!newest || minor(newest->version) < own) newest = &engine;
    if (!wanted.empty() && own >= wanted && (!best || own < minor(best->version))) best = &engine;
  }
  return best ? best : newest;
}

}  // namespace

MeasuredRow measured_row(const CsvTable& table, std::size_t row) {
  const Fields f(table, row);
  MeasuredRow r;
  r.line = row;
  r.id = f.text("id").empty() ? std::to_string(table.place(row, "id").line) : f.text("id");
  r.model = f.needed("model");
  r.system = table.has("system") ? f.needed("system") : f.needed("hardware");
  r.backend = f.text("backend").empty() ? "vllm" : f.text("backend");
  r.version = f.text("backend_version");
  r.mode = f.text("mode").empty() ? "agg" : f.text("mode");
  r.source = f.text("source_class");
  r.measured = f.day("measured");
  r.multi_token = f.text("spec_decoding") == "mtp";
  const std::string& precision = f.text("precision");
  r.gemm_format = f.text("gemm_quant").empty() ? precision : f.text("gemm_quant");
  r.moe_format = f.text("moe_quant").empty() ? r.gemm_format : f.text("moe_quant");
  r.narrow_cache = !precision.empty() && format_of(precision) != Precision::bf16;
  r.input = f.positive("isl");
  r.output = f.positive("osl");
  r.length_factor = f.number("len_factor", 1);
  if (r.length_factor <= 0.5 || r.length_factor > 1)
    throw InputError(table.place(row, "len_factor"), "len_factor must be above 0.5 and at most 1.");
  r.concurrency = f.positive("concurrency");
  r.tensor = f.size("tp");
  r.data_attention = f.size("attn_dp");
  r.expert = f.size("moe_ep");
  constexpr int most = 1'000'000;
  r.prefill_workers = f.count("prefill_workers", most);
  r.prefill_gpus = f.count("prefill_gpus", most);
  r.decode_workers = f.count("decode_workers", most);
  r.decode_gpus = f.count("decode_gpus", most);
  if (!f.text("requests").empty()) r.requests = f.count("requests", 10'000'000);
  r.ttft = f.number("mean_ttft_ms", 0) * 1e-3;
  r.tpot = f.number("mean_tpot_ms", 0) * 1e-3;
  r.throughput = f.number("output_tok_s_gpu", 0);
  r.whole_run = r.throughput > 0;
  return r;
}

RowResolver::RowResolver(Library& library) : library_(library) {
  for (const std::string& name : library.names(Library::Shelf::engines))
    engines_[name] = library.engine(name, {});
}

/// The engine with what the recipe changes of it, under a name that tells what: kernels go before
/// its own, graphs instead of them.
const EngineSpec& RowResolver::with_options(const EngineSpec& engine, const RecipeRule& options) {
  const std::vector<KernelChoice>& kernels = options.kernels;
  std::string name = engine.name;
  if (options.prompts_without_graphs) name += "+eager prompts";
  if (options.piecewise_prompts) name += "+piecewise prompts";
  if (options.without_graphs) name += "+no graphs";
  if (options.sorted_sampling) name += "+sorted";
  for (const GraphRange& g : options.graphs)
    name += "+" + std::to_string(g.to) + "/" + std::to_string(g.step);
  for (const KernelChoice& k : kernels) {
    name += "+" + k.op + "." + k.precision + "." + k.kernel + "." + k.backend + "." + k.format +
            "." + k.architecture + "." + std::to_string(static_cast<int>(k.experts)) + "." +
            std::to_string(k.launches);
  }
  if (name == engine.name) return engine;
  const auto [at, fresh] = variants_.try_emplace(name, engine);
  if (fresh) {
    at->second.name = name;
    at->second.kernels.insert(at->second.kernels.begin(), kernels.begin(), kernels.end());
    if (!options.graphs.empty()) at->second.graphs = options.graphs;
    if (options.without_graphs) at->second.graphs.clear();
    if (options.prompts_without_graphs) at->second.prompt_graph_rows = 0;
    if (options.piecewise_prompts) at->second.piecewise_prompts = true;
    if (options.sorted_sampling) at->second.sorted_sampling = true;
  }
  return at->second;
}

RowScenario RowResolver::resolve(const MeasuredRow& row) {
  RowScenario s;
  const auto refuse = [&](std::string why) {
    s.why = std::move(why);
    return s;
  };
  const std::string name =
      longest_prefix(last_part(row.model), library_.names(Library::Shelf::llm));
  if (name.empty()) return refuse("no model of models/llm is called " + quote(row.model));
  if (!models_.count(name)) models_[name] = library_.model(name, {});
  s.model = &models_[name];
  if (s.model->closed) return refuse(name + " is closed, its architecture is not published");

  const std::vector<std::string> devices = library_.names(Library::Shelf::hardware);
  const std::string wanted = plain(row.system);
  std::string device;
  for (const std::string& d : devices) {
    // gb200 is GB200-NVL72, rtx_pro_6000_server is RTX-PRO-6000.
    const std::string known = plain(d);
    if (known == wanted || known.starts_with(wanted) || wanted.starts_with(known)) {
      device = d;
      if (known == wanted) break;
    }
  }
  if (device.empty()) return refuse("no device of models/hardware is called " + quote(row.system));
  if (!hardware_.count(device)) hardware_[device] = library_.hardware(device, {});
  s.hardware = &hardware_[device];

  s.engine = engine_of(engines_, row);
  if (!s.engine) return refuse("no engine of models/engines is called " + quote(row.backend));

  const bool mixture = s.model->has_experts();
  s.precision = formats_of(row, *s.model, mixture);
  if (row.mode == "disagg") {
    if (row.prefill_workers < 1 || row.decode_workers < 1 ||
        row.prefill_gpus < row.prefill_workers || row.decode_gpus < row.decode_workers) {
      return refuse("the row does not say how many workers and GPUs prefill and decode have");
    }
    s.ranks = worker_of(*s.model, row.decode_gpus / row.decode_workers, false);
    s.other_ranks = worker_of(*s.model, row.decode_gpus / row.decode_workers, true);
    s.prefill_ranks = worker_of(*s.model, row.prefill_gpus / row.prefill_workers, false);
    s.note = "layout of the workers assumed";
  } else if (row.mode == "agg") {
    s.ranks = {row.tensor, 1, mixture ? row.expert : 1, row.data_attention};
  } else {
    return refuse("mode is " + quote(row.mode) + ", neither agg nor disagg");
  }
  if (mixture && s.ranks.expert == 1 && !slices_hold_whole_blocks(*s.model, s.precision, s.ranks)) {
    s.ranks.expert = s.ranks.stage_ranks();
    s.note = "experts split by rank, because slices of them are no whole blocks of scales";
  }
  if (s.ranks.stage_ranks() % s.ranks.expert != 0) {
    return refuse("moe_ep " + std::to_string(s.ranks.expert) +
                  " does not divide tp x attn_dp = " + std::to_string(s.ranks.stage_ranks()));
  }
  for (const AttentionSpec& a : s.model->attentions) {
    const int heads = a.kind == AttentionKind::linear ? a.v_heads : a.heads;
    if (heads % s.ranks.tensor != 0) {
      return refuse("tp " + std::to_string(s.ranks.tensor) + " does not divide the " +
                    std::to_string(heads) + " heads of " + name);
    }
  }
  if (!row.source.empty() && row.mode == "agg") {
    if (!recipes_.count(row.source)) recipes_[row.source] = library_.recipes(row.source);
    RecipeQuestion question;
    question.engine = s.engine->backend;
    question.model = name;
    question.device = device;
    question.precision = info(mixture ? s.precision.experts : s.precision.dense_ffn).name;
    question.input = row.input;
    question.output = row.output;
    question.concurrency = row.concurrency;
    question.measured = row.measured;
    question.version = row.version;
    question.tensor = s.ranks.tensor;
    question.data_attention = s.ranks.data_attention;
    question.drafts = row.multi_token;
    s.options = options_for(recipes_[row.source], question);
    if (s.options.attention_by_rank) {
      s.ranks.data_attention = question.data_attention = s.ranks.stage_ranks();
      s.ranks.tensor = 1;
      s.options = options_for(recipes_[row.source], question);
    }
    if (mixture && s.options.expert_parallel) s.ranks.expert = s.ranks.stage_ranks();
    s.engine = &with_options(*s.engine, s.options);
  }
  DeploymentSpec deployment;
  if (row.multi_token) {
    deployment.mtp_draft_tokens = std::max(1, s.options.draft_tokens);
    deployment.mtp_acceptance_length =
        acceptance_of(recipes_[row.source], name, deployment.mtp_draft_tokens);
    if (s.model->mtp.modules < 1) return refuse(name + " has no multi-token prediction module");
    if (deployment.mtp_acceptance_length == 0)
      return refuse("how many drafts of " + name + " are accepted is not known");
    s.note = std::to_string(deployment.mtp_draft_tokens) + " draft tokens, " +
             shortest(deployment.mtp_acceptance_length) +
             " tokens per step, as published for such heads";
  }
  const double longest = row.input + row.output;
  if (longest > static_cast<double>(s.model->context))
    return refuse("isl + osl exceeds the context of " + name);
  if (!s.options.kv_cache.empty()) {
    s.precision.kv_cache = s.options.kv_cache == "fp8" ? Precision::fp8 : Precision::bf16;
  }
  if (s.options.bench_sizes) {
    const double share =
        s.options.memory_share > 0 ? s.options.memory_share : s.engine->memory_utilisation;
    const BenchSizes sizes = trtllm_bench_sizes(*s.model, *s.hardware, s.ranks, s.precision,
                                                row.input, row.output, share);
    if (s.options.max_num_seqs == 0) s.options.max_num_seqs = sizes.max_num_seqs;
    if (s.options.batched_tokens == 0) s.options.batched_tokens = sizes.batched_tokens;
  }
  deployment.batched_tokens = s.options.batched_tokens;
  deployment.max_num_seqs = s.options.max_num_seqs;
  deployment.memory_utilisation = s.options.memory_share;
  s.deployment = with_engine_defaults(deployment, *s.engine, *s.hardware);

  s.request.name = row.id;
  const auto length = [&](double nominal) {
    LengthSpec l;
    if (row.length_factor == 1) {
      l.tokens = nominal;
    } else {
      l.kind = LengthKind::uniform;
      l.low = std::max(1.0, (2 * row.length_factor - 1) * nominal);
      l.high = nominal;
    }
    return l;
  };
  s.request.input = length(row.input);
  s.request.output = length(row.output);
  return s;
}

}  // namespace tollgate
