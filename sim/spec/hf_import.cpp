#include "sim/spec/hf_import.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/base/text.h"
#include "sim/spec/hf_config.h"
#include "sim/spec/model_schema.h"

namespace tollgate {
namespace {

constexpr Range dimension{1, 1 << 24};
constexpr Range count{0, 1 << 24};
constexpr Range layer_range{1, 2000};
constexpr Range expert_range{0, 1024};

/// What a known model_type means beyond its keys.
struct TypeFacts {
  std::string family;
  GateScore score = GateScore::softmax;
  GateOrder order = GateOrder::score_then_top_k;
  bool renormalise = true;
  bool qk_norm = false;
  bool bias = false;
  bool expert_bias = false;
  int shared_experts = 0;
  bool shared_gate = false;
};

const std::map<std::string, TypeFacts>& known_types() {
  static const std::map<std::string, TypeFacts> types = [] {
    std::map<std::string, TypeFacts> t;
    for (const char* name : {"llama", "mistral", "qwen2"}) t[name].family = "dense";
    t["qwen2"].bias = true;
    for (const char* name : {"qwen3", "qwen3_vl", "qwen3_vl_text", "gemma3", "gemma3_text"}) {
      t[name].family = "dense", t[name].qk_norm = true;
    }
    t["mixtral"] = {.family = "mixtral", .order = GateOrder::top_k_then_score};
    t["olmoe"] = {.family = "olmoe", .renormalise = false, .qk_norm = true};
    t["qwen3_moe"] = {.family = "qwen3-moe", .qk_norm = true};
    for (const char* name :
         {"qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_next"}) {
      t[name] = {.family = "qwen3.5", .qk_norm = true, .shared_gate = true};
    }
    t["deepseek_v2"] = {.family = "deepseek-v2", .renormalise = false};
    for (const char* name : {"deepseek_v3", "deepseek_v32"}) {
      t[name] = {.family = "deepseek-v3", .score = GateScore::sigmoid};
    }
    t["deepseek_v4"] = {
        .family = "deepseek-v4", .score = GateScore::sqrt_softplus, .qk_norm = true};
    t["kimi_k2"] = {.family = "kimi", .score = GateScore::sigmoid};
    t["kimi_linear"] = {.family = "kimi-k3", .score = GateScore::sigmoid};
    t["glm_moe_dsa"] = {.family = "glm", .score = GateScore::sigmoid};
    t["glm4_moe"] = {.family = "glm", .score = GateScore::sigmoid};
    t["gpt_oss"] = {.family = "gpt-oss",
                    .order = GateOrder::top_k_then_score,
                    .bias = true,
                    .expert_bias = true};
    t["minimax_m2"] = {.family = "minimax", .score = GateScore::sigmoid, .qk_norm = true};
    t["minimax_m3"] = {.family = "minimax", .score = GateScore::sigmoid, .qk_norm = true};
    t["llama4_text"] = {.family = "llama4",
                        .score = GateScore::sigmoid,
                        .order = GateOrder::top_k_then_score,
                        .renormalise = false,
                        .shared_experts = 1};
    t["gemma4_text"] = {.family = "gemma", .qk_norm = true};
    t["nemotron_h"] = {.family = "nemotron", .score = GateScore::sigmoid};
    t["step3p5"] = {.family = "step", .score = GateScore::sigmoid, .qk_norm = true};
    t["step3p7"] = t["step3p5"];
    t["step3_text"] = {.family = "step", .renormalise = false};
    t["longcat_flash"] = {.family = "longcat", .renormalise = false};
    t["mimo_v2_flash"] = {.family = "mimo", .score = GateScore::sigmoid};
    return t;
  }();
  return types;
}

class Importer {
 public:
  Importer(const HfConfig& config, const std::string& file) : c_(config), file_(file) {}

  ImportResult read(const nlohmann::json* side_file) {
    identify();
    refuse_unsupported();
    read_dimensions();
    read_feed_forward();
    read_layers();
    read_mtp();
    read_precision(side_file);
    result_.model.sources.push_back(
        {"architecture", "config.json imported from " + file_, "undated", {}});
    return std::move(result_);
  }

 private:
  LlmSpec& model() { return result_.model; }
  void assume(std::string sentence) { result_.assumptions.push_back(std::move(sentence)); }
  int small(HfConfig::Keys keys, Range range, int otherwise) const {
    return static_cast<int>(c_.integer(keys, range).value_or(otherwise));
  }
  bool flag(HfConfig::Keys keys, bool otherwise = false) const {
    return c_.boolean(keys).value_or(otherwise);
  }
  /// Absent, null, false, 0, "" and empty lists switch a feature off.
  bool switched_on(const char* key) const {
    const nlohmann::json* v = c_.find(key);
    if (!v) return false;
    if (v->is_boolean()) return v->get<bool>();
    if (v->is_number()) return v->get<double>() != 0;
    return !v->empty();
  }

  void identify();
  void refuse_unsupported() const;
  void read_dimensions();
  void read_feed_forward();
  RouterSpec read_router();
  void read_layers();
  void read_mtp();
  void read_precision(const nlohmann::json* side_file);

  AttentionSpec softmax_attention() const;
  AttentionSpec windowed(AttentionSpec a) const;
  AttentionSpec global_attention(AttentionSpec a) const;
  AttentionSpec gated_deltanet() const;
  AttentionSpec kda(const HfConfig& linear) const;
  AttentionSpec mamba() const;
  AttentionSpec lightning() const;
  std::vector<int> attention_of_layers();
  std::vector<std::vector<int>> ffns_of_layers();
  int add(AttentionSpec a, const std::string& name);

  const HfConfig& c_;
  std::string file_;
  std::string type_;
  TypeFacts facts_;
  bool known_ = false;
  std::size_t layers_ = 0;
  int dense_ffn_ = -1, moe_ffn_ = -1, hash_ffn_ = -1;
  ImportResult result_;
};

void Importer::identify() {
  const std::filesystem::path path(file_);
  std::string stem = path.stem().string();
  if (stem == "config" || stem.empty()) stem = path.parent_path().filename().string();
  if (stem.ends_with("_config")) stem.resize(stem.size() - 7);
  if (stem.empty()) stem = "imported";
  const std::size_t dashes = stem.find("--");
  model().organisation = dashes == std::string::npos ? "unknown" : stem.substr(0, dashes);
  model().name = dashes == std::string::npos ? stem : stem.substr(dashes + 2);

  type_ = c_.text({"model_type"}).value_or("");
  if (const auto facts = known_types().find(type_); facts != known_types().end()) {
    facts_ = facts->second;
    known_ = true;
  } else {
    facts_.family = "unknown";
    assume(
        "model_type " + quote(type_) +
        " is not known: the config was read by its keys alone; check the layers and the router.");
  }
  model().family = facts_.family;
}

void Importer::refuse_unsupported() const {
  const std::pair<const char*, const char*> parts[] = {
      {"is_encoder_decoder", "an encoder-decoder"},
      {"num_kv_shared_layers", "a cache that layers share"},
      {"hidden_size_per_layer_input", "embeddings per layer"},
      {"use_double_wide_mlp", "feed-forward layers of different widths"},
      {"block_configs", "layers that are configured one by one"},
      {"ffn_config", "the nested ffn_config"},
      {"attn_config", "the nested attn_config"},
      {"ngram_vocab_size_ratio", "n-gram embeddings"},
      {"engram_layer_ids", "n-gram memory layers"},
      {"num_decoder_layers", "an encoder-decoder"},
      {"rwkv_version", "an RWKV mixer"},
  };
  for (const auto& [key, what] : parts) {
    if (switched_on(key)) {
      c_.fail(key, std::string(what) + " (" + key + ") is not supported.");
    }
  }
}

void Importer::read_dimensions() {
  LlmSpec& m = model();
  m.hidden = static_cast<int>(c_.required_integer({"hidden_size", "d_model", "n_embd"}, dimension));
  m.vocab = static_cast<int>(c_.required_integer({"vocab_size"}, dimension));
  if (const auto blocks = c_.integer({"num_layers"}, layer_range);
      blocks && type_ == "longcat_flash") {
    layers_ = 2 * static_cast<std::size_t>(*blocks);
  } else {
    layers_ = static_cast<std::size_t>(c_.required_integer(
        {"num_hidden_layers", "num_layers", "n_layer", "n_layers"}, layer_range));
  }
  const auto context =
      c_.integer({"max_position_embeddings", "max_position_embedding", "max_seq_len", "seq_length"},
                 Range{1, 1e9});
  m.context = context.value_or(4096);
  if (!context)
    assume("The config gives no max_position_embeddings: a context of 4096 is assumed.");
  const auto tied = c_.boolean({"tie_word_embeddings"});
  m.tied_embeddings = tied.value_or(type_.starts_with("gemma"));
  if (!tied) {
    assume(std::string("The config does not say tie_word_embeddings: ") +
           (m.tied_embeddings ? "tied" : "separate") + " embeddings are assumed.");
  }
  m.hyper_connections = small({"hc_mult"}, Range{1, 64}, 1);
  if (c_.has("vision_config") || c_.has("audio_config")) {
    assume("The vision or audio tower is left out: other_parameters is 0.");
  }
}

RouterSpec Importer::read_router() {
  RouterSpec router;
  router.score = facts_.score;
  const auto score = c_.text({"scoring_func", "moe_router_activation_func", "score_function"});
  if (score == "softmax") {
    router.score = GateScore::softmax;
  } else if (score == "sigmoid") {
    router.score = GateScore::sigmoid;
  } else if (score == "sqrtsoftplus") {
    router.score = GateScore::sqrt_softplus;
  } else if (score) {
    c_.fail("scoring_func",
            "the router's scoring function " + quote(*score) + " is not supported.");
  } else if (!known_) {
    assume("The config names no scoring function of the router: softmax is assumed.");
  }
  router.order = facts_.order;
  const auto method = c_.text({"topk_method"});
  router.bias = method == "noaux_tc" || flag({"use_routing_bias"}) ||
                flag({"use_moe_router_bias"}) || type_ == "gpt_oss" || type_ == "nemotron_h" ||
                type_ == "glm4_moe" || type_ == "longcat_flash";
  router.groups = small({"n_group", "num_expert_group"}, Range{1, 1024}, 1);
  router.groups_kept = small({"topk_group"}, Range{1, 1024}, router.groups);
  // A linear layer with a bias (gpt-oss) changes the weights too; a correction bias does not.
  if (type_ == "gpt_oss") router.bias_mode = GateBias::on_logit_and_weight;
  if (router.bias && router.groups > 1) router.group_value = GroupValue::top2_sum;
  router.expert_scale = type_ == "gemma4_text";
  const auto renormalise = c_.boolean({"norm_topk_prob", "moe_renormalize", "norm_expert_weight"});
  router.renormalise = renormalise.value_or(facts_.renormalise);
  if (!renormalise && !known_) {
    assume(
        "The config does not say whether chosen weights are renormalised: they are assumed to be.");
  }
  router.scale =
      c_.number({"routed_scaling_factor", "moe_router_scaling_factor"}, positive).value_or(1);
  return router;
}

void Importer::read_feed_forward() {
  LlmSpec& m = model();
  const auto activation = c_.text({"mlp_hidden_act", "hidden_act", "hidden_activation"});
  const bool gated = activation != "relu2" && activation != "gelu_new" && activation != "relu";
  const int experts = small({"n_routed_experts", "num_experts", "num_local_experts",
                             "num_routed_experts", "moe_num_experts"},
                            expert_range, 0);
  const auto plain = c_.integer({"intermediate_size"}, count);
  const auto expert_width =
      c_.integer({"moe_intermediate_size", "expert_ffn_hidden_size"}, dimension);
  const auto dense_width = c_.integer(
      {"dense_intermediate_size", "intermediate_size_mlp", "ffn_hidden_size"}, dimension);

  if (const auto width = dense_width ? dense_width : plain; width && *width > 0) {
    FfnSpec dense;
    dense.name = "dense";
    dense.intermediate = static_cast<int>(*width);
    dense.gated = gated;
    m.ffns.push_back(dense);
    dense_ffn_ = 0;
  }
  if (experts == 0) {
    if (dense_ffn_ < 0) c_.required_integer({"intermediate_size"}, dimension);
    return;
  }
  FfnSpec moe;
  moe.name = "moe";
  moe.kind = FfnKind::moe;
  moe.gated = gated;
  moe.bias = facts_.expert_bias;
  moe.experts = experts;
  moe.intermediate = static_cast<int>(
      expert_width ? *expert_width : c_.required_integer({"intermediate_size"}, dimension));
  if (!expert_width && !known_) {
    assume("The config gives no width of an expert: intermediate_size is taken.");
  }
  moe.zero_experts = small({"zero_expert_num"}, expert_range, 0);
  moe.top_k = static_cast<int>(
      c_.required_integer({"num_experts_per_tok", "num_experts_per_token", "top_k_experts",
                           "experts_per_token", "moe_topk", "moe_top_k", "moe_k"},
                          Range{1, 32}));
  moe.shared_experts = small({"n_shared_experts", "num_shared_experts", "moe_num_shared_experts"},
                             Range{0, 64}, facts_.shared_experts);
  const auto shared_width =
      c_.integer({"shared_expert_intermediate_size", "shared_intermediate_size",
                  "moe_shared_expert_intermediate_size", "share_expert_dim"},
                 count);
  if (shared_width.value_or(0) > 0) {
    moe.shared_experts = std::max(1, moe.shared_experts);
    if (*shared_width != static_cast<long long>(moe.shared_experts) * moe.intermediate) {
      moe.shared_intermediate = static_cast<int>(*shared_width);
    }
  }
  moe.shared_gate = facts_.shared_gate && moe.shared_experts > 0;
  moe.latent = small({"routed_expert_hidden_size", "moe_latent_size"}, count, 0);
  moe.router = read_router();
  moe_ffn_ = static_cast<int>(m.ffns.size());
  m.ffns.push_back(moe);
  if (const int hashed = small({"num_hash_layers"}, layer_range, 0); hashed > 0) {
    FfnSpec hash = moe;
    hash.name = "moe_hash";
    hash.router.hash = true;
    hash.router.bias = false;
    hash_ffn_ = static_cast<int>(m.ffns.size());
    m.ffns.push_back(hash);
  }
}

AttentionSpec Importer::softmax_attention() const {
  AttentionSpec a;
  a.heads = static_cast<int>(
      c_.required_integer({"num_attention_heads", "n_head", "n_heads"}, dimension));
  a.q_lora_rank = small({"q_lora_rank", "share_q_dim"}, count, 0);
  a.bias = flag({"attention_bias", "qkv_bias"}, facts_.bias);
  a.qk_norm = flag({"use_qk_norm"}, facts_.qk_norm);
  a.output_gate = flag({"attn_output_gate", "mla_use_output_gate", "attention_output_gate"});
  a.index.top_k = small({"index_topk"}, dimension, 0);
  if (a.index.top_k > 0) {
    a.index.heads = static_cast<int>(c_.required_integer({"index_n_heads"}, dimension));
    a.index.head_dim = static_cast<int>(c_.required_integer({"index_head_dim"}, dimension));
  }
  if (c_.has("kv_lora_rank")) {
    a.kind = AttentionKind::mla;
    a.kv_lora_rank = static_cast<int>(c_.required_integer({"kv_lora_rank"}, dimension));
    a.qk_nope_head_dim = static_cast<int>(c_.required_integer({"qk_nope_head_dim"}, dimension));
    a.qk_rope_head_dim = static_cast<int>(c_.required_integer({"qk_rope_head_dim"}, count));
    a.v_head_dim = static_cast<int>(c_.required_integer({"v_head_dim"}, dimension));
    a.bias = false;
    a.qk_norm = false;
    return a;
  }
  a.kv_heads =
      small({"num_key_value_heads", "num_attention_groups", "num_kv_heads"}, dimension, a.heads);
  const int usual = std::max(1, result_.model.hidden / a.heads);
  a.head_dim = small({"head_dim", "attention_head_dim"}, dimension, usual);
  const int value = small({"v_head_dim"}, count, 0);
  if (value != a.head_dim) a.v_head_dim = value;
  if (c_.has("o_groups")) {
    a.shared_kv = true;
    a.o_groups = static_cast<int>(c_.required_integer({"o_groups"}, dimension));
    a.o_lora_rank = static_cast<int>(c_.required_integer({"o_lora_rank"}, dimension));
  }
  return a;
}

AttentionSpec Importer::windowed(AttentionSpec a) const {
  a.window =
      static_cast<int>(c_.required_integer({"sliding_window", "sliding_window_size"}, dimension));
  a.heads = small({"swa_num_attention_heads"}, dimension, a.heads);
  a.kv_heads = small({"swa_num_key_value_heads"}, dimension, a.kv_heads);
  a.head_dim = small({"swa_head_dim"}, dimension, a.head_dim);
  a.v_head_dim = small({"swa_v_head_dim"}, count, a.v_head_dim);
  return a;
}

AttentionSpec Importer::global_attention(AttentionSpec a) const {
  a.head_dim = small({"global_head_dim"}, dimension, a.head_dim);
  a.kv_heads = small({"num_global_key_value_heads"}, dimension, a.kv_heads);
  a.k_eq_v = flag({"attention_k_eq_v"});
  return a;
}

AttentionSpec Importer::gated_deltanet() const {
  AttentionSpec a;
  a.kind = AttentionKind::linear;
  a.linear = LinearKind::gated_deltanet;
  a.qk_heads = static_cast<int>(c_.required_integer({"linear_num_key_heads"}, dimension));
  a.v_heads = static_cast<int>(c_.required_integer({"linear_num_value_heads"}, dimension));
  a.qk_head_dim = static_cast<int>(c_.required_integer({"linear_key_head_dim"}, dimension));
  a.v_head_dim = static_cast<int>(c_.required_integer({"linear_value_head_dim"}, dimension));
  a.conv_kernel = small({"linear_conv_kernel_dim"}, Range{0, 64}, 4);
  return a;
}

AttentionSpec Importer::kda(const HfConfig& linear) const {
  AttentionSpec a;
  a.kind = AttentionKind::linear;
  a.linear = LinearKind::kda;
  a.qk_heads = a.v_heads = static_cast<int>(linear.required_integer({"num_heads"}, dimension));
  a.qk_head_dim = a.v_head_dim = static_cast<int>(linear.required_integer({"head_dim"}, dimension));
  a.conv_kernel =
      static_cast<int>(linear.integer({"short_conv_kernel_size"}, Range{0, 64}).value_or(4));
  a.output_gate = linear.boolean({"use_full_rank_gate"}).value_or(false);
  return a;
}

AttentionSpec Importer::mamba() const {
  AttentionSpec a;
  a.kind = AttentionKind::linear;
  a.linear = LinearKind::mamba2;
  a.qk_heads = static_cast<int>(c_.required_integer({"n_groups", "mamba_n_groups"}, dimension));
  a.qk_head_dim =
      static_cast<int>(c_.required_integer({"ssm_state_size", "mamba_d_state"}, dimension));
  a.v_heads = static_cast<int>(c_.required_integer({"mamba_num_heads"}, dimension));
  a.v_head_dim = static_cast<int>(c_.required_integer({"mamba_head_dim"}, dimension));
  a.conv_kernel = small({"conv_kernel"}, Range{0, 64}, 4);
  return a;
}

AttentionSpec Importer::lightning() const {
  AttentionSpec a;
  a.kind = AttentionKind::linear;
  a.linear = LinearKind::lightning;
  a.qk_heads = a.v_heads =
      static_cast<int>(c_.required_integer({"num_attention_heads"}, dimension));
  const int usual = std::max(1, result_.model.hidden / a.qk_heads);
  a.qk_head_dim = a.v_head_dim = small({"head_dim"}, dimension, usual);
  return a;
}

int Importer::add(AttentionSpec a, const std::string& name) {
  auto& list = model().attentions;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == name) return static_cast<int>(i);
  }
  a.name = name;
  list.push_back(std::move(a));
  return static_cast<int>(list.size()) - 1;
}

std::vector<int> Importer::attention_of_layers() {
  std::vector<int> layers;
  const auto fill = [&](const std::function<int(std::size_t)>& pick) {
    for (std::size_t i = 0; i < layers_; ++i) layers.push_back(pick(i));
    return layers;
  };
  if (const auto pattern = c_.text({"hybrid_override_pattern"})) {
    if (pattern->size() != layers_) {
      c_.fail("hybrid_override_pattern", "hybrid_override_pattern has " +
                                             std::to_string(pattern->size()) + " signs for " +
                                             std::to_string(layers_) + " layers.");
    }
    return fill([&](std::size_t i) {
      switch ((*pattern)[i]) {
        case 'M':
          return add(mamba(), "mamba");
        case '*':
          return add(softmax_attention(), "full");
        case '-':
        case 'E':
          return -1;
        default:
          c_.fail("hybrid_override_pattern", "the layer kind " + quote(pattern->substr(i, 1)) +
                                                 " in hybrid_override_pattern is not supported.");
      }
    });
  }
  if (const auto ratios = c_.integers("compress_ratios", 0)) {
    if (ratios->size() < layers_) {
      c_.fail("compress_ratios", "compress_ratios has " + std::to_string(ratios->size()) +
                                     " elements for " + std::to_string(layers_) + " layers.");
    }
    return fill([&](std::size_t i) {
      const long long ratio = (*ratios)[i];
      if (ratio < 0 || ratio > 1 << 20)
        c_.fail("compress_ratios", "compress_ratios holds a ratio out of range.");
      AttentionSpec a = windowed(softmax_attention());
      a.compression = static_cast<int>(std::max(1LL, ratio));
      if (ratio != 4) a.index = {};
      return add(a, ratio <= 1 ? "window" : "compressed_" + std::to_string(ratio));
    });
  }
  if (const auto linear = c_.child("linear_attn_config")) {
    const auto kda_layers = linear->integers("kda_layers", 0);
    if (!kda_layers) c_.fail("linear_attn_config", "linear_attn_config has no list kda_layers.");
    const std::set<long long> numbers(kda_layers->begin(), kda_layers->end());
    return fill([&](std::size_t i) {
      return numbers.count(static_cast<long long>(i) + 1) ? add(kda(*linear), "kda")
                                                          : add(softmax_attention(), "full");
    });
  }
  if (const auto sparse = c_.child("sparse_attention_config")) {
    const auto on = sparse->integers("sparse_attention_freq", layers_);
    AttentionSpec a = softmax_attention();
    a.index.heads =
        static_cast<int>(sparse->required_integer({"sparse_num_index_heads"}, dimension));
    a.index.head_dim = static_cast<int>(sparse->required_integer({"sparse_index_dim"}, dimension));
    const long long blocks = sparse->required_integer({"sparse_topk_blocks"}, Range{1, 1 << 12});
    a.index.top_k = static_cast<int>(
        blocks * sparse->required_integer({"sparse_block_size"}, Range{1, 1 << 12}));
    assume("Block-sparse attention is read as an index of one key per position that keeps " +
           std::to_string(a.index.top_k) + " positions.");
    return fill([&](std::size_t i) {
      return on && (*on)[i] == 0 ? add(softmax_attention(), "full") : add(a, "sparse");
    });
  }
  if (const auto kinds = c_.texts("layer_types", layers_)) {
    return fill([&](std::size_t i) {
      const std::string& kind = (*kinds)[i];
      if (kind == "full_attention") return add(global_attention(softmax_attention()), "full");
      if (kind == "sliding_attention") {
        AttentionSpec a = windowed(softmax_attention());
        if ((type_ == "step3p5" || type_ == "step3p7") && !c_.has("swa_num_attention_heads")) {
          a.heads = a.heads / 2 * 3;
        }
        return add(a, "window");
      }
      if (kind == "linear_attention") {
        return c_.has("linear_num_key_heads") ? add(gated_deltanet(), "linear")
                                              : add(lightning(), "lightning");
      }
      if (kind == "chunked_attention") {
        AttentionSpec a = softmax_attention();
        a.chunk = static_cast<int>(c_.required_integer({"attention_chunk_size"}, dimension));
        return add(a, "chunked");
      }
      c_.fail("layer_types", "the layer type " + quote(kind) + " is not supported.");
    });
  }
  if (const auto kinds = c_.integers("attn_type_list", layers_)) {
    return fill([&](std::size_t i) {
      return (*kinds)[i] == 1 ? add(softmax_attention(), "full") : add(lightning(), "lightning");
    });
  }
  if (const auto kinds = c_.integers("hybrid_layer_pattern", layers_)) {
    return fill([&](std::size_t i) {
      return (*kinds)[i] == 0 ? add(softmax_attention(), "full")
                              : add(windowed(softmax_attention()), "window");
    });
  }
  if (const auto every = c_.integer({"full_attention_interval"}, layer_range);
      every && c_.has("linear_num_key_heads")) {
    return fill([&](std::size_t i) {
      return (i + 1) % static_cast<std::size_t>(*every) == 0 ? add(softmax_attention(), "full")
                                                             : add(gated_deltanet(), "linear");
    });
  }
  if (const auto chunk = c_.integer({"attention_chunk_size"}, dimension)) {
    const auto rotary = c_.integers("no_rope_layers", layers_);
    if (!rotary)
      assume("Every fourth layer is taken to see the whole context, the others one chunk.");
    AttentionSpec a = softmax_attention();
    a.chunk = static_cast<int>(*chunk);
    return fill([&](std::size_t i) {
      const bool whole = rotary ? (*rotary)[i] == 0 : i % 4 == 3;
      return whole ? add(softmax_attention(), "full") : add(a, "chunked");
    });
  }
  const bool windows =
      c_.has("sliding_window") && c_.boolean({"use_sliding_window"}).value_or(true);
  if (windows) {
    if (const auto every = c_.integer({"sliding_window_pattern"}, layer_range)) {
      return fill([&](std::size_t i) {
        return (i + 1) % static_cast<std::size_t>(*every) == 0
                   ? add(softmax_attention(), "full")
                   : add(windowed(softmax_attention()), "window");
      });
    }
    assume("The config gives a sliding_window and no pattern: it is taken for all layers.");
    return fill([&](std::size_t) { return add(windowed(softmax_attention()), "window"); });
  }
  return fill([&](std::size_t) {
    return add(softmax_attention(), c_.has("kv_lora_rank") ? "mla" : "full");
  });
}

std::vector<std::vector<int>> Importer::ffns_of_layers() {
  std::vector<std::vector<int>> layers(layers_);
  if (const auto pattern = c_.text({"hybrid_override_pattern"})) {
    for (std::size_t i = 0; i < layers_; ++i) {
      const char sign = (*pattern)[i];
      if (sign != '-' && sign != 'E') continue;
      const int ffn = sign == '-' ? dense_ffn_ : moe_ffn_;
      if (ffn < 0) {
        c_.fail("hybrid_override_pattern", std::string("hybrid_override_pattern has a layer '") +
                                               sign + "', but the config does not give its sizes.");
      }
      layers[i] = {ffn};
    }
    return layers;
  }
  if (moe_ffn_ < 0) {
    for (auto& layer : layers) layer = {dense_ffn_};
    return layers;
  }
  if (type_ == "longcat_flash") {
    for (std::size_t i = 0; i < layers_; ++i) {
      layers[i] =
          i % 2 == 0 ? std::vector<int>{dense_ffn_, moe_ffn_} : std::vector<int>{dense_ffn_};
    }
    return layers;
  }
  if (flag({"enable_moe_block"})) {
    for (auto& layer : layers) layer = {dense_ffn_, moe_ffn_};
    return layers;
  }

  std::vector<bool> sparse(layers_, true);
  bool said = false;
  const nlohmann::json* frequency = c_.find("moe_layer_freq");
  if (frequency && frequency->is_array()) {
    const auto list = c_.integers("moe_layer_freq", layers_);
    for (std::size_t i = 0; i < layers_; ++i) sparse[i] = (*list)[i] != 0;
    said = true;
  } else if (const auto first = c_.integer({"first_k_dense_replace"}, count)) {
    const auto every = static_cast<std::size_t>(small({"moe_layer_freq"}, layer_range, 1));
    for (std::size_t i = 0; i < layers_; ++i) {
      sparse[i] = static_cast<long long>(i) >= *first && i % every == 0;
    }
    said = true;
  } else if (const auto list = c_.text({"moe_layers_enum"})) {
    std::set<long long> numbers;
    for (std::size_t at = 0; at <= list->size();) {
      const std::size_t comma = std::min(list->find(',', at), list->size());
      const auto number = parse_number(list->substr(at, comma - at));
      if (!number)
        c_.fail("moe_layers_enum", "moe_layers_enum has to be layer numbers with commas.");
      if (*number < 0 || *number >= static_cast<double>(layers_)) {
        c_.fail("moe_layers_enum", "moe_layers_enum names a layer that the model does not have.");
      }
      numbers.insert(static_cast<long long>(*number));
      at = comma + 1;
    }
    for (std::size_t i = 0; i < layers_; ++i)
      sparse[i] = numbers.count(static_cast<long long>(i)) > 0;
    said = true;
  }
  if (const auto step =
          c_.integer({"interleave_moe_layer_step", "decoder_sparse_step"}, layer_range)) {
    for (std::size_t i = 0; i < layers_; ++i)
      sparse[i] = (i + 1) % static_cast<std::size_t>(*step) == 0;
    said = true;
  }
  if (const auto dense_only = c_.integers("mlp_only_layers", 0)) {
    for (const long long i : *dense_only) {
      if (i >= 0 && i < static_cast<long long>(layers_))
        sparse[static_cast<std::size_t>(i)] = false;
    }
    said = true;
  }
  if (!said && !known_)
    assume("The config names no dense layers: every layer is a mixture of experts.");
  const int hashed = small({"num_hash_layers"}, layer_range, 0);
  for (std::size_t i = 0; i < layers_; ++i) {
    if (!sparse[i] && dense_ffn_ < 0) {
      c_.fail("intermediate_size",
              "some layers are dense, but the config lacks intermediate_size.");
    }
    layers[i] = {!sparse[i] ? dense_ffn_ : static_cast<int>(i) < hashed ? hash_ffn_ : moe_ffn_};
  }
  return layers;
}

void Importer::read_layers() {
  if ((type_ == "step3p5" || type_ == "step3p7") && c_.has("layer_types") &&
      !c_.has("swa_num_attention_heads")) {
    assume(
        "Windowed layers are taken to have 96 heads for each 64 of the others, as Step-3.5-Flash "
        "has.");
  }
  const auto attentions = attention_of_layers();
  const auto ffns = ffns_of_layers();
  for (std::size_t i = 0; i < layers_; ++i) model().layers.push_back({attentions[i], ffns[i]});
  std::vector<int> number(model().ffns.size(), -1);
  std::vector<FfnSpec> used;
  for (LayerSpec& layer : model().layers) {
    for (int& ffn : layer.ffns) {
      int& renamed = number[static_cast<std::size_t>(ffn)];
      if (renamed < 0) {
        renamed = static_cast<int>(used.size());
        used.push_back(model().ffns[static_cast<std::size_t>(ffn)]);
      }
      ffn = renamed;
    }
  }
  model().ffns = std::move(used);
}

void Importer::read_mtp() {
  LlmSpec& m = model();
  const Range range{0, 16};
  const auto layers =
      c_.integer({"num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_layers"}, range);
  const auto modules = c_.integer({"num_mtp_modules"}, range);
  if (layers && modules && *layers != *modules) {
    assume("num_mtp_modules is " + std::to_string(*modules) + " and num_nextn_predict_layers is " +
           std::to_string(*layers) + ": the modules are taken to share the weights of the layers.");
  }
  m.mtp.modules = static_cast<int>(layers ? *layers : modules.value_or(0));
  if (m.mtp.modules == 0) return;
  for (auto layer = m.layers.rbegin(); layer != m.layers.rend(); ++layer) {
    if (layer->attention < 0) continue;
    if (m.attentions[static_cast<std::size_t>(layer->attention)].kind == AttentionKind::linear)
      continue;
    m.mtp.layer = *layer;
    break;
  }
  if (const auto ratios = c_.integers("compress_ratios", 0); ratios && ratios->size() > layers_) {
    if ((*ratios)[layers_] <= 1) {
      AttentionSpec a = windowed(softmax_attention());
      a.index = {};
      m.mtp.layer.attention = add(a, "window");
    }
  }
  assume("The layer of the MTP module is taken to be like the last layer with attention.");
}

void Importer::read_precision(const nlohmann::json* side_file) {
  LlmSpec& m = model();
  m.precision = read_hf_precision(c_, side_file, result_.assumptions);
  const auto none = [&](auto&& has) { return std::none_of(m.ffns.begin(), m.ffns.end(), has); };
  if (none([](const FfnSpec& f) { return f.kind == FfnKind::dense; }))
    m.precision.dense_ffn = Precision::bf16;
  if (none([](const FfnSpec& f) { return f.kind == FfnKind::moe; }))
    m.precision.experts = Precision::bf16;
  if (none([](const FfnSpec& f) { return f.shared_experts > 0; })) {
    m.precision.shared_experts = Precision::bf16;
  }
  const bool declared = side_file || c_.has("quantization_config") || c_.has("expert_dtype");
  for (const char* mark : {"NVFP4", "FP8", "FP4", "INT4", "AWQ", "GPTQ"}) {
    if (declared || m.name.find(mark) == std::string::npos) continue;
    assume("The name says " + std::string(mark) +
           ", but config.json declares no quantisation: give its hf_quant_config.json; bf16 is "
           "assumed.");
    break;
  }
}

/// The model read back through the strict reader, which checks what the importer may have missed.
void check_model(const LlmSpec& model, const std::string& file) {
  try {
    const auto node = model_schema().write(model);
    model_schema().read(*parse_yaml(to_yaml(*node), file), "");
  } catch (const InputError& error) {
    std::string sentence = error.what();
    if (const auto at = sentence.find(": ");
        at != std::string::npos && sentence.starts_with(file)) {
      sentence = sentence.substr(at + 2);
    }
    throw InputError(Place{file, 0, 0}, "the config does not make a model: " + sentence);
  }
}

}  // namespace

ImportResult import_hf_config(const std::string& json_text, const std::string& file,
                              const std::optional<std::string>& quant_json) {
  const nlohmann::json root = parse_hf_json(json_text, file);
  nlohmann::json side;
  if (quant_json) side = parse_hf_json(*quant_json, file + " (hf_quant_config.json)");
  const HfConfig config(root, json_text, file);
  ImportResult result = Importer(config, file).read(quant_json ? &side : nullptr);
  check_model(result.model, file);
  return result;
}

}  // namespace tollgate
