// Import of Hugging Face config.json files: real ones against published sizes and against the
// entries of models/llm, hostile ones against a crash.
#include "sim/spec/hf_import.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "sim/base/file.h"
#include "sim/spec/architecture.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

const std::filesystem::path configs = std::filesystem::path(TOLLGATE_SHARED) / "data/hf_configs";

ImportResult import_file(const std::string& name) {
  const auto path = configs / (name + "_config.json");
  return import_hf_config(read_text_file(path, 1 << 24), path.string());
}

#define NEED_CONFIGS()                                                                    \
  if (!std::filesystem::is_directory(configs)) {                                          \
    GTEST_SKIP() << "the published config.json files are not here: " << configs.string(); \
  }

struct Size {
  const char* config;
  double total;
};

// Published sizes; Llama 4 without its vision tower, MTP modules left out.
constexpr Size published_sizes[] = {
    {"Qwen--Qwen3-0.6B", 0.6e9},
    {"Qwen--Qwen3-8B", 8.2e9},
    {"Qwen--Qwen3-VL-8B-Instruct", 8.2e9},
    {"Qwen--Qwen3-32B", 32.8e9},
    {"Qwen--Qwen3-30B-A3B-FP8", 30.5e9},
    {"Qwen--Qwen3-235B-A22B", 235e9},
    {"Qwen--Qwen3-Coder-480B-A35B-Instruct", 480e9},
    {"Qwen--Qwen3.5-35B-A3B", 35e9},
    {"Qwen--Qwen3.5-122B-A10B", 122e9},
    {"Qwen--Qwen3.5-397B-A17B", 397e9},
    {"deepseek-ai--DeepSeek-V3", 671e9},
    {"deepseek-ai--DeepSeek-R1", 671e9},
    {"deepseek-ai--DeepSeek-V3.2", 671e9},
    {"deepseek-ai--DeepSeek-V4-Flash", 284e9},
    {"sgl-project--DeepSeek-V4-Flash-FP8", 284e9},
    {"google--gemma-4-26B-A4B", 25.2e9},
    {"meta-llama--Meta-Llama-3.1-70B", 70.6e9},
    {"meta-llama--Llama-4-Scout-17B-16E-Instruct", 107.8e9},
    {"meta-llama--Llama-4-Maverick-17B-128E-Instruct", 400e9},
    {"mistralai--Mixtral-8x7B-v0.1", 46.7e9},
    {"mistralai--Mixtral-8x22B-v0.1", 141e9},
    {"moonshotai--Kimi-K2-Instruct", 1026e9},
    {"moonshotai--Kimi-K2.5", 1026e9},
    {"moonshotai--Kimi-K3", 2.8e12},
    {"MiniMaxAI--MiniMax-M2.7", 229e9},
    {"MiniMaxAI--MiniMax-M3", 428e9},
    {"nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 31.6e9},
    {"nvidia--Nemotron-H-56B-Base-8K", 56e9},
    {"openai--gpt-oss-20b", 20.91e9},
    {"openai--gpt-oss-120b", 116.83e9},
    {"stepfun-ai--Step-3.7-Flash", 196e9},
    {"zai-org--GLM-5", 744e9},
};

TEST(HfImport, TotalsAreThePublishedOnes) {
  NEED_CONFIGS();
  for (const Size& size : published_sizes) {
    EXPECT_NEAR(count_parameters(import_file(size.config).model).total(), size.total,
                0.01 * size.total)
        << size.config;
  }
}

struct Pair {
  const char* config;
  const char* entry;
};
constexpr Pair pairs[] = {
    {"Qwen--Qwen3-8B", "Qwen3-8B"},
    {"Qwen--Qwen3-32B", "Qwen3-32B"},
    {"Qwen--Qwen3-30B-A3B-FP8", "Qwen3-30B-A3B"},
    {"Qwen--Qwen3-235B-A22B", "Qwen3-235B-A22B"},
    {"Qwen--Qwen3-Coder-480B-A35B-Instruct", "Qwen3-Coder-480B-A35B"},
    {"Qwen--Qwen3.5-35B-A3B", "Qwen3.5-35B-A3B"},
    {"Qwen--Qwen3.5-122B-A10B", "Qwen3.5-122B-A10B"},
    {"Qwen--Qwen3.5-397B-A17B", "Qwen3.5-397B-A17B"},
    {"deepseek-ai--DeepSeek-V3", "DeepSeek-V3"},
    {"deepseek-ai--DeepSeek-R1", "DeepSeek-R1"},
    {"deepseek-ai--DeepSeek-V3.2", "DeepSeek-V3.2"},
    {"deepseek-ai--DeepSeek-V4-Flash", "DeepSeek-V4-Flash"},
    {"deepseek-ai--DeepSeek-V4-Pro", "DeepSeek-V4-Pro"},
    {"google--gemma-4-26B-A4B", "Gemma-4-26B-A4B"},
    {"meta-llama--Meta-Llama-3.1-70B", "Llama-3.1-70B"},
    {"meta-llama--Llama-4-Scout-17B-16E-Instruct", "Llama-4-Scout"},
    {"meta-llama--Llama-4-Maverick-17B-128E-Instruct", "Llama-4-Maverick"},
    {"mistralai--Mixtral-8x7B-v0.1", "Mixtral-8x7B"},
    {"mistralai--Mixtral-8x22B-v0.1", "Mixtral-8x22B"},
    {"moonshotai--Kimi-K2-Instruct", "Kimi-K2"},
    {"moonshotai--Kimi-K2.5", "Kimi-K2.5"},
    {"moonshotai--Kimi-K3", "Kimi-K3"},
    {"MiniMaxAI--MiniMax-M2.7", "MiniMax-M2.7"},
    {"MiniMaxAI--MiniMax-M3", "MiniMax-M3"},
    {"nvidia--MiniMax-M2.5-NVFP4", "MiniMax-M2.5"},
    {"nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "Nemotron-3-Nano-30B-A3B"},
    {"openai--gpt-oss-20b", "gpt-oss-20b"},
    {"openai--gpt-oss-120b", "gpt-oss-120b"},
    {"stepfun-ai--Step-3.7-Flash", "Step-3.7-Flash"},
    {"zai-org--GLM-5", "GLM-5"},
    {"zai-org--GLM-5.1", "GLM-5.1"},
};

TEST(HfImport, EqualsTheEntryWrittenByHand) {
  NEED_CONFIGS();
  Library library(TOLLGATE_REPOSITORY "/models");
  for (const Pair& pair : pairs) {
    SCOPED_TRACE(pair.config);
    const LlmSpec ours = library.model(pair.entry, {});
    const LlmSpec theirs = import_file(pair.config).model;
    const ParameterCount a = count_parameters(ours), b = count_parameters(theirs);
    EXPECT_EQ(theirs.family, ours.family);
    EXPECT_EQ(theirs.layers.size(), ours.layers.size());
    EXPECT_DOUBLE_EQ(b.total(), a.total());
    EXPECT_DOUBLE_EQ(b.active(true), a.active(true));
    EXPECT_DOUBLE_EQ(b.active(false), a.active(false));
    EXPECT_DOUBLE_EQ(kv_bytes_per_token(theirs, {}), kv_bytes_per_token(ours, {}));
    EXPECT_DOUBLE_EQ(sequence_bytes(theirs, {}, 1e5).total(),
                     sequence_bytes(ours, {}, 1e5).total());
    for (const FfnSpec& ffn : ours.ffns) {
      if (ffn.kind != FfnKind::moe) continue;
      const auto same = std::find_if(theirs.ffns.begin(), theirs.ffns.end(),
                                     [&](const FfnSpec& f) { return f.name == ffn.name; });
      ASSERT_NE(same, theirs.ffns.end());
      EXPECT_EQ(same->top_k, ffn.top_k);
      EXPECT_EQ(same->router.score, ffn.router.score);
      EXPECT_EQ(same->router.order, ffn.router.order);
      EXPECT_EQ(same->router.groups, ffn.router.groups);
      EXPECT_EQ(same->router.groups_kept, ffn.router.groups_kept);
      EXPECT_EQ(same->router.bias, ffn.router.bias);
      EXPECT_EQ(same->router.bias_mode, ffn.router.bias_mode);
      EXPECT_EQ(same->router.group_value, ffn.router.group_value);
      EXPECT_EQ(same->router.expert_scale, ffn.router.expert_scale);
      EXPECT_EQ(same->router.renormalise, ffn.router.renormalise);
      EXPECT_EQ(same->router.scale, ffn.router.scale);
    }
  }
}

TEST(HfImport, EveryPublishedFileImportsOrIsRefusedInOneSentence) {
  NEED_CONFIGS();
  int imported = 0, files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(configs)) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    try {
      const auto result =
          import_hf_config(read_text_file(entry.path(), 1 << 24), entry.path().string());
      const std::string text = to_yaml(*model_schema().write(result.model));
      const LlmSpec again = model_schema().read(*parse_yaml(text, "written.yaml"), "");
      EXPECT_EQ(count_parameters(again).total(), count_parameters(result.model).total());
      EXPECT_EQ(weight_bytes(again, again.precision).total(),
                weight_bytes(result.model, result.model.precision).total());
      ++imported;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(),
                  AllOf(StartsWith(entry.path().string()), HasSubstr("not supported")));
    }
  }
  EXPECT_EQ(imported, files);
}

TEST(HfImport, ReadsPrecisionByClassOfTensor) {
  NEED_CONFIGS();
  const auto precision = [](const char* name) { return import_file(name).model.precision; };
  const auto kimi = precision("moonshotai--Kimi-K2.5");
  EXPECT_EQ(kimi.experts, Precision::int4);
  EXPECT_EQ(kimi.attention, Precision::bf16);
  EXPECT_EQ(kimi.shared_experts, Precision::bf16);
  EXPECT_EQ(kimi.dense_ffn, Precision::bf16);
  EXPECT_EQ(precision("moonshotai--Kimi-K3").experts, Precision::mxfp4);
  const auto v4 = precision("deepseek-ai--DeepSeek-V4-Flash");
  EXPECT_EQ(v4.experts, Precision::mxfp4);
  EXPECT_EQ(v4.attention, Precision::fp8);
  EXPECT_EQ(v4.router, Precision::bf16);
  const auto minimax = precision("nvidia--MiniMax-M2.5-NVFP4");
  EXPECT_EQ(minimax.experts, Precision::nvfp4);
  EXPECT_EQ(minimax.attention, Precision::bf16);
  EXPECT_EQ(minimax.kv_cache, Precision::fp8);
  EXPECT_EQ(precision("openai--gpt-oss-20b").attention, Precision::bf16);
  EXPECT_THAT(import_file("nvidia--DeepSeek-V3.1-NVFP4").assumptions,
              Contains(HasSubstr("give its hf_quant_config.json")));
}

std::string config(const std::string& more = "", const std::string& type = "mixtral") {
  return "{\n  \"model_type\": \"" + type +
         "\",\n  \"hidden_size\": 64, \"vocab_size\": 100, \"num_hidden_layers\": 2,\n"
         "  \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"max_position_embeddings\": "
         "128,\n"
         "  \"intermediate_size\": 128, \"num_local_experts\": 4, \"num_experts_per_tok\": 2,\n"
         "  \"tie_word_embeddings\": false" +
         (more.empty() ? "" : ",\n  " + more) + "\n}\n";
}
ImportResult import_text(const std::string& text) { return import_hf_config(text, "dir/x.json"); }
std::string error_of(const std::string& text) {
  try {
    import_text(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(HfImport, ReadsAPlainConfigWithoutAssumptions) {
  const auto result = import_text(config());
  EXPECT_EQ(result.model.name, "x");
  EXPECT_EQ(result.model.family, "mixtral");
  EXPECT_THAT(result.assumptions, testing::IsEmpty());
  EXPECT_EQ(import_hf_config(config(), "org/Nice-7B/config.json").model.name, "Nice-7B");
  EXPECT_EQ(import_hf_config(config(), "a--Nice-7B_config.json").model.organisation, "a");
}

TEST(HfImport, ListsWhatItAssumesOfAnUnknownType) {
  const auto result = import_text(config("", "brand_new"));
  EXPECT_EQ(result.model.family, "unknown");
  EXPECT_GE(result.assumptions.size(), 4u);
  EXPECT_THAT(result.assumptions, Contains(HasSubstr("model_type 'brand_new' is not known")));
  EXPECT_THAT(result.assumptions, Contains(HasSubstr("softmax is assumed")));
}

TEST(HfImport, ReadsTheSideFileOfModelOpt) {
  const std::string side =
      R"({"quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8",
          "exclude_modules": ["lm_head", "model.layers.*.self_attn*"]}})";
  const auto model = import_hf_config(config(), "x.json", side).model;
  EXPECT_EQ(model.precision.experts, Precision::nvfp4);
  EXPECT_EQ(model.precision.attention, Precision::bf16);
  EXPECT_EQ(model.precision.kv_cache, Precision::fp8);
  EXPECT_THROW(import_hf_config(config(), "x.json", "{"), InputError);
  EXPECT_THROW(import_hf_config(config(), "x.json", R"({"quantization": {"quant_algo": "W2"}})"),
               InputError);
}

TEST(HfImport, AliasesHaveToAgree) {
  EXPECT_THAT(error_of(config(R"("n_routed_experts": 8)")),
              AllOf(StartsWith("dir/x.json:"),
                    HasSubstr("n_routed_experts is '8', but num_local_experts is '4'")));
  EXPECT_EQ(error_of(config(R"("n_routed_experts": 4, "num_experts": null)")),
            "nothing was thrown");
}

TEST(HfImport, DoesNotTakeSamplingForRouting) {
  EXPECT_EQ(import_text(config(R"("top_k": 50)")).model.ffns.at(0).top_k, 2);
}

TEST(HfImport, NamesWhatItCannotExpress) {
  EXPECT_THAT(error_of(config(R"("is_encoder_decoder": true)")), HasSubstr("an encoder-decoder"));
  EXPECT_THAT(error_of(config(R"("num_kv_shared_layers": 3)")),
              HasSubstr("a cache that layers share"));
  EXPECT_THAT(error_of(config(R"("layer_types": ["full_attention", "hyena"])")),
              HasSubstr("the layer type 'hyena' is not supported"));
  EXPECT_THAT(error_of(config(R"("quantization_config": {"quant_method": "bitsandbytes"})")),
              HasSubstr("'bitsandbytes' is not supported"));
  EXPECT_THAT(error_of(config(R"("scoring_func": "softplus")")),
              HasSubstr("scoring function 'softplus'"));
  EXPECT_THAT(error_of(config(R"("hybrid_override_pattern": "-X")")), HasSubstr("not supported"));
}

TEST(HfImport, SurvivesHostileText) {
  EXPECT_EQ(error_of("{\n  \"a\": 1,\n  oops\n}"), "dir/x.json:3:3: this is not JSON here.");
  EXPECT_THAT(error_of(""), HasSubstr("this is not JSON"));
  EXPECT_THAT(error_of("[]"), HasSubstr("not an object"));
  EXPECT_THAT(error_of("{}"), HasSubstr("lacks hidden_size"));
  EXPECT_THAT(error_of("{\"a\": \"\xff\"}"), HasSubstr("not UTF-8"));
  EXPECT_THAT(error_of(std::string(100000, '[')), HasSubstr("levels deep"));
  EXPECT_THAT(error_of(config(R"("tie_word_embeddings": true)")),
              HasSubstr("'tie_word_embeddings' is given twice"));
  EXPECT_THAT(error_of(config(R"("rope_theta": 1e999)")), HasSubstr("too large"));
  EXPECT_EQ(error_of(config(R"("time_step_limit": [0.0, Infinity])")), "nothing was thrown");
  EXPECT_EQ(error_of(config(R"("note": "NaN [[[ \" Infinity")")), "nothing was thrown");
  EXPECT_THAT(error_of(config(R"("text_config": 3)")), HasSubstr("text_config is not an object"));
  EXPECT_THAT(error_of(config(R"("quantization_config": [1])")), HasSubstr("not an object"));
  EXPECT_THAT(
      error_of(config(R"("quantization_config": {"config_groups": {"g": {"weights": 7}}})")),
      HasSubstr("not supported"));
}

TEST(HfImport, RefusesEveryWrongValueOfEveryField) {
  const char* keys[] = {"hidden_size",         "vocab_size",          "num_hidden_layers",
                        "num_attention_heads", "num_key_value_heads", "max_position_embeddings",
                        "intermediate_size",   "num_local_experts",   "num_experts_per_tok"};
  const char* values[] = {"-1",    "1.5",      "1e30",      "99999999999999999999",
                          "\"7\"", "[7]",      "{}",        "true",
                          "NaN",   "Infinity", "-Infinity", "18446744073709551615"};
  for (const char* key : keys) {
    for (const char* value : values) {
      std::string text = config();
      const std::string quoted = std::string("\"") + key + "\": ";
      const std::size_t from = text.find(quoted) + quoted.size();
      const std::size_t to = text.find_first_of(",\n", from);
      text.replace(from, to - from, value);
      EXPECT_THAT(error_of(text), AllOf(StartsWith("dir/x.json"), HasSubstr(key)))
          << key << " = " << value;
    }
  }
  for (const char* more : {R"("routed_scaling_factor": "x")",
                           R"("n_group": 0)",
                           R"("topk_group": 99)",
                           R"("moe_layer_freq": [1])",
                           R"("moe_layer_freq": ["a", "b"])",
                           R"("layer_types": ["full_attention"])",
                           R"("layer_types": 5)",
                           R"("mlp_only_layers": [1.5])",
                           R"("num_nextn_predict_layers": 400)",
                           R"("sliding_window": -4)",
                           R"("tie_word_embedding": 1, "attention_bias": "no")",
                           R"("kv_lora_rank": 4)",
                           R"("o_groups": 2)",
                           R"("index_topk": 3)",
                           R"("linear_attn_config": {})",
                           R"("sparse_attention_config": {})",
                           R"("compress_ratios": [4])",
                           R"("compress_ratios": [-4, 4])",
                           R"("torch_dtype": "int3")",
                           R"("moe_layers_enum": "1,x")",
                           R"("moe_layers_enum": "1,99")",
                           R"("hc_mult": 1000)"}) {
    EXPECT_THAT(error_of(config(more)), StartsWith("dir/x.json")) << more;
  }
}

}  // namespace
}  // namespace tollgate
