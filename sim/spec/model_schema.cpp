#include "sim/spec/model_schema.h"

#include "sim/base/text.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;
constexpr Range dimension_range{1, 1 << 24};
constexpr Range count_range{0, 1 << 24};
constexpr Range parameter_range{0, 1e14};

FieldInfo custom_field(std::string name, std::string doc, Need need) {
  FieldInfo info;
  info.name = std::move(name);
  info.type = FieldInfo::Type::custom;
  info.doc = std::move(doc);
  info.required = need == required;
  return info;
}

const Schema<SparseIndex>& index_schema() {
  static const auto schema =
      Schema<SparseIndex>("index",
                          "Indexer of a sparse attention: cheap scores choose the positions read.")
          .integer("heads", &SparseIndex::heads, required, dimension_range, "Index query heads.")
          .integer("head_dim", &SparseIndex::head_dim, required, dimension_range,
                   "Width of an index key; one is cached per (compressed) position.")
          .integer("top_k", &SparseIndex::top_k, required, dimension_range,
                   "Cached positions kept per query.")
          .boolean("owns_cache", &SparseIndex::owns_cache, optional,
                   "False where the layer re-uses the choice of an earlier layer.");
  return schema;
}

const Schema<AttentionSpec>& attention_schema() {
  static const auto schema =
      Schema<AttentionSpec>("attention", "One kind of token mixer.")
          .choice<AttentionKind>(
              "kind", &AttentionSpec::kind, required,
              {{"gqa", AttentionKind::gqa},
               {"mla", AttentionKind::mla},
               {"linear", AttentionKind::linear}},
              "gqa covers MHA, GQA, MQA, MFA and shared-KV MQA; mla is multi-head "
              "latent attention; linear keeps a fixed state per sequence.")
          .integer("heads", &AttentionSpec::heads, optional, dimension_range,
                   "Query heads (gqa, mla).")
          .integer("kv_heads", &AttentionSpec::kv_heads, optional, dimension_range,
                   "Key-value heads (gqa).")
          .integer("head_dim", &AttentionSpec::head_dim, optional, dimension_range,
                   "Width of a query and key head (gqa).")
          .integer("v_head_dim", &AttentionSpec::v_head_dim, optional, count_range,
                   "Width of a value head; 0 means head_dim. linear: width of a value head.")
          .integer("q_lora_rank", &AttentionSpec::q_lora_rank, optional, count_range,
                   "Rank of a low-rank query projection; 0 means full rank.")
          .boolean("shared_kv", &AttentionSpec::shared_kv, optional,
                   "Key and value are one cached vector (DeepSeek-V4).")
          .boolean("k_eq_v", &AttentionSpec::k_eq_v, optional,
                   "The value is made by the key's projection (Gemma 4): no weights of its own.")
          .boolean("output_gate", &AttentionSpec::output_gate, optional,
                   "A gate of heads x v_head_dim on the output (Qwen3.5, Kimi K3).")
          .boolean("bias", &AttentionSpec::bias, optional, "Projections carry biases.")
          .boolean("qk_norm", &AttentionSpec::qk_norm, optional,
                   "Query and key are normalised per head.")
          .integer("o_groups", &AttentionSpec::o_groups, optional, count_range,
                   "Groups of a low-rank output projection (DeepSeek-V4).")
          .integer("o_lora_rank", &AttentionSpec::o_lora_rank, optional, count_range,
                   "Rank per group of that projection.")
          .integer("kv_lora_rank", &AttentionSpec::kv_lora_rank, optional, dimension_range,
                   "mla: width of the cached latent.")
          .integer("qk_nope_head_dim", &AttentionSpec::qk_nope_head_dim, optional, dimension_range,
                   "mla: width of the part without rotary position.")
          .integer("qk_rope_head_dim", &AttentionSpec::qk_rope_head_dim, optional, count_range,
                   "mla: width of the cached rotary key; 0 without rotary position.")
          .integer("window", &AttentionSpec::window, optional, count_range,
                   "Sliding window in tokens; 0 sees everything.")
          .integer("chunk", &AttentionSpec::chunk, optional, count_range,
                   "Chunked attention: only positions of the same chunk; 0 is off.")
          .integer("compression", &AttentionSpec::compression, optional, dimension_range,
                   "One cached position per so many tokens, beside the window (DeepSeek-V4).")
          .object("index", &AttentionSpec::index, index_schema(), optional, "Sparse attention.")
          .choice<LinearKind>("linear", &AttentionSpec::linear, optional,
                              {{"gated_deltanet", LinearKind::gated_deltanet},
                               {"kda", LinearKind::kda},
                               {"mamba2", LinearKind::mamba2},
                               {"lightning", LinearKind::lightning}},
                              "Kind of linear attention.")
          .integer("qk_heads", &AttentionSpec::qk_heads, optional, dimension_range,
                   "linear: key heads (mamba2: groups).")
          .integer("v_heads", &AttentionSpec::v_heads, optional, dimension_range,
                   "linear: value heads (mamba2: heads).")
          .integer("qk_head_dim", &AttentionSpec::qk_head_dim, optional, dimension_range,
                   "linear: width of a key head (mamba2: state size).")
          .integer("conv_kernel", &AttentionSpec::conv_kernel, optional, count_range,
                   "linear: width of the short convolution.")
          .check([](const AttentionSpec& a, const std::string& path) {
            const auto need = [&](int value, const char* key) {
              if (value > 0) return;
              throw InputError(place_of(a.places, "kind"),
                               path + " lacks '" + key + "', which this kind of attention needs.");
            };
            if (a.kind == AttentionKind::gqa) {
              need(a.heads, "heads"), need(a.kv_heads, "kv_heads"), need(a.head_dim, "head_dim");
              if (a.heads % a.kv_heads != 0) {
                throw InputError(place_of(a.places, "kv_heads"),
                                 path + ".kv_heads is " + std::to_string(a.kv_heads) +
                                     ", which does not divide the " + std::to_string(a.heads) +
                                     " heads.");
              }
            } else if (a.kind == AttentionKind::mla) {
              need(a.heads, "heads"), need(a.kv_lora_rank, "kv_lora_rank");
              need(a.qk_nope_head_dim, "qk_nope_head_dim"), need(a.v_head_dim, "v_head_dim");
            } else {
              need(a.qk_heads, "qk_heads"), need(a.v_heads, "v_heads");
              need(a.qk_head_dim, "qk_head_dim"), need(a.v_head_dim, "v_head_dim");
            }
          });
  return schema;
}

const Schema<RouterSpec>& router_schema() {
  static const auto schema =
      Schema<RouterSpec>("router", "How a token chooses its experts.")
          .choice<GateScore>("score", &RouterSpec::score, optional,
                             {{"softmax", GateScore::softmax},
                              {"sigmoid", GateScore::sigmoid},
                              {"sqrt_softplus", GateScore::sqrt_softplus}},
                             "Activation of the router's logits.")
          .choice<GateOrder>(
              "order", &RouterSpec::order, optional,
              {{"score_then_top_k", GateOrder::score_then_top_k},
               {"top_k_then_score", GateOrder::top_k_then_score}},
              "Whether the activation runs over all experts or over the chosen ones.")
          .boolean("bias", &RouterSpec::bias, optional, "A bias takes part in the choice.")
          .choice<GateBias>(
              "bias_mode", &RouterSpec::bias_mode, optional,
              {{"on_score", GateBias::on_score},
               {"on_logit", GateBias::on_logit},
               {"on_logit_and_weight", GateBias::on_logit_and_weight}},
              "What the bias is added to: the score for selection only (DeepSeek-V3), "
              "the logit for selection only, or the logit itself, which changes the "
              "weights too (gpt-oss).")
          .integer("groups", &RouterSpec::groups, optional, Range{1, 1024}, "Expert groups.")
          .integer("groups_kept", &RouterSpec::groups_kept, optional, Range{1, 1024},
                   "Groups a token may choose from.")
          .choice<GroupValue>(
              "group_value", &RouterSpec::group_value, optional,
              {{"max", GroupValue::max}, {"top2_sum", GroupValue::top2_sum}},
              "What groups are ranked on: their best expert, or the sum of their two best.")
          .boolean("each_group", &RouterSpec::each_group, optional,
                   "Every group gives top_k / groups experts (Pangu Pro MoE).")
          .boolean("renormalise", &RouterSpec::renormalise, optional,
                   "Chosen weights are divided by their sum.")
          .boolean("expert_scale", &RouterSpec::expert_scale, optional,
                   "Every expert has a learned factor on its weight (Gemma-4).")
          .number("scale", &RouterSpec::scale, optional, positive, "Routed scaling factor.")
          .boolean("hash", &RouterSpec::hash, optional,
                   "Experts are looked up by token id (DeepSeek-V4).")
          .check([](const RouterSpec& r, const std::string& path) {
            if (r.groups_kept > r.groups) {
              throw InputError(place_of(r.places, "groups_kept"),
                               path + ".groups_kept is " + std::to_string(r.groups_kept) +
                                   ", but there are " + std::to_string(r.groups) + " groups.");
            }
            if (r.each_group && r.groups_kept != r.groups) {
              throw InputError(place_of(r.places, "each_group"),
                               path + ".each_group chooses from all " + std::to_string(r.groups) +
                                   " groups, but groups_kept is " + std::to_string(r.groups_kept) +
                                   ".");
            }
            if (r.hash && (r.bias || r.groups > 1)) {
              throw InputError(place_of(r.places, "hash"),
                               path +
                                   ".hash looks experts up by token id; it goes with neither a "
                                   "bias nor groups.");
            }
          });
  return schema;
}

const Schema<FfnSpec>& ffn_schema() {
  static const auto schema =
      Schema<FfnSpec>("ffn", "One kind of feed-forward layer.")
          .choice<FfnKind>("kind", &FfnSpec::kind, required,
                           {{"dense", FfnKind::dense}, {"moe", FfnKind::moe}},
                           "Dense or mixture of experts.")
          .integer("intermediate", &FfnSpec::intermediate, required, dimension_range,
                   "Hidden width (of one expert).")
          .boolean("gated", &FfnSpec::gated, optional, "Three matrices (SwiGLU); false: two.")
          .boolean("bias", &FfnSpec::bias, optional, "Matrices carry biases.")
          .integer("experts", &FfnSpec::experts, optional, Range{1, 1024}, "Routed experts.")
          .integer("zero_experts", &FfnSpec::zero_experts, optional, Range{0, 1024},
                   "Identity experts: routed to, but without weights or work (LongCat-Flash).")
          .integer("top_k", &FfnSpec::top_k, optional, Range{1, 32}, "Experts chosen per token.")
          .integer("shared_experts", &FfnSpec::shared_experts, optional, Range{0, 64},
                   "Experts every token uses.")
          .integer(
              "shared_intermediate", &FfnSpec::shared_intermediate, optional, count_range,
              "Hidden width of all shared experts together; 0 means shared_experts x intermediate.")
          .boolean("shared_gate", &FfnSpec::shared_gate, optional,
                   "A scalar gate on the shared expert (Qwen).")
          .integer("latent", &FfnSpec::latent, optional, count_range,
                   "Width the routed experts work in instead of hidden (Kimi K3); 0 means hidden.")
          .object("router", &FfnSpec::router, router_schema(), optional, "How experts are chosen.")
          .check([](const FfnSpec& f, const std::string& path) {
            if (f.kind != FfnKind::moe) return;
            if (f.experts == 0 || f.top_k == 0) {
              throw InputError(place_of(f.places, "kind"),
                               path + " is a mixture of experts and needs 'experts' and 'top_k'.");
            }
            if (f.top_k > f.experts + f.zero_experts) {
              throw InputError(place_of(f.places, "top_k"),
                               path + ".top_k is " + std::to_string(f.top_k) +
                                   ", but the model has " +
                                   std::to_string(f.experts + f.zero_experts) + " experts.");
            }
            const int all = f.experts + f.zero_experts;
            if (all > 1024) {
              throw InputError(place_of(f.places, "zero_experts"),
                               path + " has " + std::to_string(all) +
                                   " experts, zero experts included, but at most 1024 are "
                                   "supported.");
            }
            if (f.router.hash && f.zero_experts > 0) {
              throw InputError(place_of(f.router.places, "hash"),
                               path +
                                   ".router.hash looks experts up by token id; it does not go "
                                   "with zero experts.");
            }
            if (all % f.router.groups != 0) {
              throw InputError(place_of(f.router.places, "groups"),
                               path + ".router.groups is " + std::to_string(f.router.groups) +
                                   ", which does not divide the " + std::to_string(all) +
                                   " experts.");
            }
            if (f.router.group_value == GroupValue::top2_sum && f.router.groups > 1 &&
                all / f.router.groups < 2) {
              throw InputError(place_of(f.router.places, "group_value"),
                               path +
                                   ".router.group_value sums two experts, but a group holds "
                                   "only one.");
            }
            if (f.router.each_group && f.top_k % f.router.groups != 0) {
              throw InputError(place_of(f.router.places, "each_group"),
                               path + ".router.each_group needs a top_k that the " +
                                   std::to_string(f.router.groups) +
                                   " groups divide, but top_k is " + std::to_string(f.top_k) + ".");
            }
            if (f.top_k > all / f.router.groups * f.router.groups_kept) {
              throw InputError(place_of(f.router.places, "groups_kept"),
                               path + ".router keeps " + std::to_string(f.router.groups_kept) +
                                   " groups of " + std::to_string(all / f.router.groups) +
                                   " experts, too few for top_k " + std::to_string(f.top_k) + ".");
            }
          });
  return schema;
}

int find_named(const auto& list, const YamlNode& node, const std::string& path, const char* what) {
  const std::string name = scalar::text(node, path);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == name) return static_cast<int>(i);
    names.push_back(list[i].name);
  }
  throw InputError(node.place, path + ": the model has no " + what + " named " + quote(name) + "." +
                                   did_you_mean(name, names) + " Known: " + join(names) + ".");
}

LayerSpec read_layer(const YamlNode& node, const std::string& path, const LlmSpec& model) {
  LayerSpec layer;
  for (const auto& entry : node.entries) {
    const std::string at = path + "." + entry.key;
    const bool none = entry.value->kind == YamlNode::Kind::scalar && entry.value->scalar == "none";
    if (entry.key == "attention") {
      if (!none) layer.attention = find_named(model.attentions, *entry.value, at, "attention");
    } else if (entry.key == "ffn") {
      if (none) continue;
      if (entry.value->kind == YamlNode::Kind::sequence) {
        for (const auto& item : entry.value->items) {
          layer.ffns.push_back(find_named(model.ffns, *item, at, "ffn"));
        }
      } else {
        layer.ffns.push_back(find_named(model.ffns, *entry.value, at, "ffn"));
      }
    } else if (entry.key != "repeat") {
      throw InputError(entry.place,
                       path + " has no key " + quote(entry.key) + "." +
                           did_you_mean(entry.key, {"attention", "ffn", "repeat", "of"}));
    }
  }
  return layer;
}

void read_layers(const YamlNode& node, const std::string& path, const LlmSpec& model, int depth,
                 std::vector<LayerSpec>& out) {
  expect_kind(node, YamlNode::Kind::sequence, path);
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const YamlNode& item = *node.items[i];
    const std::string at = path + "[" + std::to_string(i) + "]";
    expect_kind(item, YamlNode::Kind::mapping, at);
    const auto* repeat = item.find("repeat");
    const long long times = repeat ? scalar::integer(*repeat->value, at + ".repeat", {1, 2000}) : 1;
    std::vector<LayerSpec> block;
    if (const auto* of = item.find("of")) {
      if (depth > 3) throw InputError(of->place, at + ": layers nest at most four levels deep.");
      for (const auto& entry : item.entries) {
        if (entry.key != "of" && entry.key != "repeat") {
          throw InputError(entry.place, at + " has both 'of' and " + quote(entry.key) +
                                            "; a repeated block has only 'repeat' and 'of'.");
        }
      }
      read_layers(*of->value, at + ".of", model, depth + 1, block);
    } else {
      block.push_back(read_layer(item, at, model));
    }
    for (long long n = 0; n < times; ++n) {
      out.insert(out.end(), block.begin(), block.end());
      if (out.size() > 2000) throw InputError(item.place, path + " makes more than 2000 layers.");
    }
  }
}

bool same(const LayerSpec& a, const LayerSpec& b) {
  return a.attention == b.attention && a.ffns == b.ffns;
}

YamlPtr write_layer(const LayerSpec& layer, const LlmSpec& model, int repeat) {
  auto node = yaml_mapping();
  if (repeat > 1) node->add("repeat", yaml_scalar(std::to_string(repeat)));
  node->add("attention",
            yaml_scalar(layer.attention < 0
                            ? "none"
                            : model.attentions[static_cast<std::size_t>(layer.attention)].name));
  if (layer.ffns.size() == 1) {
    node->add("ffn", yaml_scalar(model.ffns[static_cast<std::size_t>(layer.ffns[0])].name));
  } else if (layer.ffns.empty()) {
    node->add("ffn", yaml_scalar("none"));
  } else {
    auto list = yaml_sequence();
    for (const int ffn : layer.ffns) {
      list->items.push_back(yaml_scalar(model.ffns[static_cast<std::size_t>(ffn)].name));
    }
    node->add("ffn", list);
  }
  return node;
}

/// Runs of equal layers; a block that repeats at least twice is written once with `of`.
YamlPtr write_layers(const LlmSpec& model) {
  auto list = yaml_sequence();
  const auto& layers = model.layers;
  const auto run = [&](std::size_t from, std::size_t to, YamlNode& into) {
    for (std::size_t i = from; i < to;) {
      std::size_t j = i;
      while (j < to && same(layers[i], layers[j])) ++j;
      into.items.push_back(write_layer(layers[i], model, static_cast<int>(j - i)));
      i = j;
    }
  };
  std::size_t plain = 0;
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t best_period = 0, best_times = 1;
    for (std::size_t period = 2; period <= 12 && i + 2 * period <= layers.size(); ++period) {
      std::size_t times = 1;
      while (i + (times + 1) * period <= layers.size()) {
        bool equal = true;
        for (std::size_t k = 0; k < period && equal; ++k) {
          equal = same(layers[i + k], layers[i + times * period + k]);
        }
        if (!equal) break;
        ++times;
      }
      bool uniform = true;
      for (std::size_t k = 1; k < period; ++k) uniform = uniform && same(layers[i], layers[i + k]);
      if (!uniform && times > 1 &&
          times * period > best_times * std::max<std::size_t>(best_period, 1)) {
        best_period = period, best_times = times;
      }
    }
    if (best_period == 0) {
      ++i;
      continue;
    }
    run(plain, i, *list);
    auto block = yaml_mapping();
    block->add("repeat", yaml_scalar(std::to_string(best_times)));
    auto of = yaml_sequence();
    run(i, i + best_period, *of);
    block->add("of", of);
    list->items.push_back(block);
    i += best_period * best_times;
    plain = i;
  }
  run(plain, layers.size(), *list);
  return list;
}

const Schema<PublishedFigures>& published_schema() {
  static const auto schema =
      Schema<PublishedFigures>("published",
                               "Figures stated by the publisher, which ours are checked against.")
          .number("total_parameters", &PublishedFigures::total_parameters, optional,
                  parameter_range, "All parameters; 0 means not stated.")
          .number("active_parameters", &PublishedFigures::active_parameters, optional,
                  parameter_range, "Parameters used per token; 0 means not stated.")
          .boolean("active_counts_embeddings", &PublishedFigures::active_counts_embeddings,
                   optional, "Whether active_parameters counts the embedding and the LM head.")
          .boolean(
              "active_counts_lm_head", &PublishedFigures::active_counts_lm_head, optional,
              "Whether active_parameters counts the LM head, where it leaves the embedding out.")
          .number("kv_bytes_per_token", &PublishedFigures::kv_bytes_per_token, optional,
                  parameter_range, "Cached bytes per token of context; 0 means not stated.");
  return schema;
}

}  // namespace

std::vector<std::pair<std::string, Precision>> precision_choices() {
  std::vector<std::pair<std::string, Precision>> choices;
  for (const PrecisionInfo& p : all_precisions) choices.emplace_back(p.name, p.precision);
  return choices;
}

const Schema<Source>& source_schema() {
  static const auto schema =
      Schema<Source>("source", "Where figures were read.")
          .text("what", &Source::what, required, "What was taken from there.")
          .text("from", &Source::from, required, "Document, or repository and commit.")
          .text("date", &Source::date, required, "ISO date of the source or of its reading.");
  return schema;
}

const Schema<PrecisionMap>& precision_schema() {
  const auto field = [](Schema<PrecisionMap>& schema, const char* name,
                        Precision PrecisionMap::*member, const char* doc) {
    schema.choice<Precision>(name, member, optional, precision_choices(), doc);
  };
  static const auto schema = [&] {
    Schema<PrecisionMap> s("precision", "Storage format of each class of tensors, as shipped.");
    field(s, "embedding", &PrecisionMap::embedding, "Token embedding and LM head.");
    field(s, "attention", &PrecisionMap::attention, "Projections of attention and linear mixers.");
    field(s, "dense_ffn", &PrecisionMap::dense_ffn, "Dense feed-forward layers.");
    field(s, "experts", &PrecisionMap::experts, "Routed experts.");
    field(s, "shared_experts", &PrecisionMap::shared_experts, "Shared experts.");
    field(s, "router", &PrecisionMap::router, "Router weights.");
    field(s, "kv_cache", &PrecisionMap::kv_cache, "KV cache.");
    field(s, "index_cache", &PrecisionMap::index_cache, "Keys of a sparse-attention indexer.");
    field(s, "state", &PrecisionMap::state, "Recurrent state of linear attention.");
    return s;
  }();
  return schema;
}

const Schema<ReleaseSpec>& release_schema() {
  static const auto schema = [] {
    Schema<ReleaseSpec> s("release", "A checkpoint of the model in another number format.");
    s.choice<Precision>("format", &ReleaseSpec::format, required, precision_choices(),
                        "Number format, what a deployment asks for as `weights`.");
    s.text_list("kept", &ReleaseSpec::kept,
                "Classes of tensors that stay in bf16: attention, dense_ffn, experts or "
                "shared_experts.");
    s.boolean("scales_per_block", &ReleaseSpec::scales_per_block, optional,
              "fp8: a scale per block of 128 x 128 weights instead of one per tensor.");
    s.text("from", &ReleaseSpec::from, required, "Where that was read.");
    s.check([](const ReleaseSpec& r, const std::string& path) {
      for (const std::string& name : r.kept) {
        if (name != "attention" && name != "dense_ffn" && name != "experts" &&
            name != "shared_experts") {
          throw InputError(place_of(r.places, "kept"),
                           path + ".kept: " + quote(name) +
                               " is not attention, dense_ffn, experts or shared_experts.");
        }
      }
    });
    return s;
  }();
  return schema;
}

const Schema<LlmSpec>& model_schema() {
  static const auto schema = [] {
    Schema<LlmSpec> s("model", "The architecture of a language model.");
    s.text("name", &LlmSpec::name, required, "Name; equals the file name.");
    s.text("organisation", &LlmSpec::organisation, required, "Publisher.");
    s.text("family", &LlmSpec::family, optional, "Family, by which routing defaults are chosen.");
    s.text("released", &LlmSpec::released, optional, "ISO date or month of release.");
    s.boolean("closed", &LlmSpec::closed, optional,
              "The architecture is not published: the entry carries prices only.");
    s.integer("hidden", &LlmSpec::hidden, optional, dimension_range,
              "Width of the residual stream.");
    s.integer("vocab", &LlmSpec::vocab, optional, dimension_range, "Vocabulary size.");
    s.integer("context", &LlmSpec::context, optional, Range{1, 1e9}, "Longest context in tokens.");
    s.boolean("tied_embeddings", &LlmSpec::tied_embeddings, optional,
              "The LM head is the token embedding.");
    s.integer("hyper_connections", &LlmSpec::hyper_connections, optional, Range{1, 64},
              "Residual streams (DeepSeek-V4 mHC).");
    s.number("other_parameters", &LlmSpec::other_parameters, optional, parameter_range,
             "Parameters outside the decoder (vision tower): resident, never active.");
    s.named_map("attention", &LlmSpec::attentions, attention_schema(), optional,
                "Kinds of attention, by a name the layers use.");
    s.named_map("ffn", &LlmSpec::ffns, ffn_schema(), optional,
                "Kinds of feed-forward layers, by a name the layers use.");
    s.custom(
        custom_field(
            "layers",
            "The layers in order: a list of {repeat, attention, ffn} or {repeat, of: [...]}; "
            "`none` means no such part, a list of ffn names runs side by side.",
            optional),
        [](const YamlNode& node, const std::string& path, LlmSpec& model) {
          model.layers.clear();
          read_layers(node, path, model, 0, model.layers);
        },
        [](const LlmSpec& model) { return model.layers.empty() ? nullptr : write_layers(model); });
    s.custom(
        custom_field("mtp",
                     "Multi-token-prediction modules: {modules, attention, ffn}; each has one "
                     "layer and a projection from 2 x hidden.",
                     optional),
        [](const YamlNode& node, const std::string& path, LlmSpec& model) {
          expect_kind(node, YamlNode::Kind::mapping, path);
          YamlNode layer = node;
          const auto* modules = node.find("modules");
          if (!modules) throw InputError(node.place, path + " lacks the required key 'modules'.");
          model.mtp.modules =
              static_cast<int>(scalar::integer(*modules->value, path + ".modules", {1, 16}));
          std::erase_if(layer.entries, [](const auto& entry) { return entry.key == "modules"; });
          model.mtp.layer = read_layer(layer, path, model);
        },
        [](const LlmSpec& model) -> YamlPtr {
          if (model.mtp.modules == 0) return nullptr;
          auto node = yaml_mapping();
          node->add("modules", yaml_scalar(std::to_string(model.mtp.modules)));
          const YamlPtr layer = write_layer(model.mtp.layer, model, 1);
          for (auto& entry : layer->entries) node->entries.push_back(std::move(entry));
          return node;
        });
    s.object("precision", &LlmSpec::precision, precision_schema(), optional,
             "Storage formats as shipped.");
    s.list("releases", &LlmSpec::releases, release_schema(), optional,
           "Checkpoints in other formats, as published.");
    s.object("published", &LlmSpec::published, published_schema(), optional, "Published figures.");
    s.list("sources", &LlmSpec::sources, source_schema(), required, "Where the figures were read.");
    s.text_list("notes", &LlmSpec::notes, "Remarks shown with the model.");
    s.check([](const LlmSpec& m, const std::string& path) {
      if (m.sources.empty())
        throw InputError(place_of(m.places, "sources"), path + ".sources is empty.");
      if (m.closed) return;
      if (m.hidden == 0)
        throw InputError(place_of(m.places, ""), path + " lacks the key 'hidden'.");
      if (m.vocab == 0) throw InputError(place_of(m.places, ""), path + " lacks the key 'vocab'.");
      if (m.context == 0)
        throw InputError(place_of(m.places, ""), path + " lacks the key 'context'.");
      if (m.layers.empty())
        throw InputError(place_of(m.places, "layers"), path + " has no layers.");
    });
    return s;
  }();
  return schema;
}

void check_schema_version(const YamlNode& root) {
  expect_kind(root, YamlNode::Kind::mapping, "the document");
  const auto* version = root.find("schema_version");
  if (!version)
    throw InputError(root.place, "the file lacks 'schema_version: 1', which comes first.");
  const long long number = scalar::integer(*version->value, "schema_version", {1, 1000});
  if (number != 1) {
    throw InputError(version->value->place, "schema_version is " + std::to_string(number) +
                                                ", but this program reads version 1.");
  }
}

}  // namespace tollgate
