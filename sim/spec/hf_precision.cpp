#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/base/text.h"
#include "sim/spec/hf_config.h"

namespace tollgate {
namespace {

using nlohmann::json;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return text;
}

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? lower(found->get<std::string>()) : "";
}

long long integer_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<long long>() : 0;
}

/// Format of one group of weights: {num_bits, type, group_size}.
std::optional<Precision> weight_format(const json& weights, const std::string& format) {
  const long long bits = integer_at(weights, "num_bits");
  const std::string type = text_at(weights, "type");
  if (bits == 8 && type == "float") return Precision::fp8;
  if (bits == 8 && type == "int") return Precision::int8;
  if (bits == 4 && type == "int") return Precision::int4;
  if (bits == 4 && type == "float") {
    const bool mx =
        format.find("mxfp4") != std::string::npos || integer_at(weights, "group_size") == 32;
    return mx ? Precision::mxfp4 : Precision::nvfp4;
  }
  return {};
}

std::optional<Precision> named_format(const std::string& algorithm) {
  if (algorithm == "fp8") return Precision::fp8;
  if (algorithm == "fp8_pb_wo" || algorithm == "fp8_pb_real") return Precision::fp8;
  if (algorithm == "nvfp4") return Precision::nvfp4;
  if (algorithm == "mxfp4") return Precision::mxfp4;
  if (algorithm == "w4a16_awq" || algorithm == "w4a8_awq") return Precision::int4;
  return {};
}

struct Quantisation {
  Precision format = Precision::bf16;
  bool present = false;
  bool kv_fp8 = false;
  std::vector<std::string> ignored;
};

void read_ignored(const HfConfig& config, const json& object, Quantisation& into) {
  for (const char* key :
       {"modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers"}) {
    const auto list = object.find(key);
    if (list == object.end() || list->is_null()) continue;
    if (!list->is_array())
      config.fail(key, std::string(key) + " has to be a list of module names.");
    for (const json& item : *list) {
      if (item.is_string()) into.ignored.push_back(lower(item.get<std::string>()));
    }
  }
}

bool is_fp8_cache(const json& object, const char* key) {
  const auto scheme = object.find(key);
  if (scheme == object.end()) return false;
  if (scheme->is_string()) return lower(scheme->get<std::string>()) == "fp8";
  return scheme->is_object() && integer_at(*scheme, "num_bits") == 8;
}

Quantisation read_quantisation(const HfConfig& config, const json& object) {
  Quantisation q;
  q.present = true;
  const std::string method = text_at(object, "quant_method");
  const std::string algorithm = text_at(object, "quant_algo");
  read_ignored(config, object, q);
  q.kv_fp8 = is_fp8_cache(object, "kv_cache_scheme") || is_fp8_cache(object, "kv_cache_quant_algo");

  std::vector<Precision> found;
  if (!algorithm.empty()) {
    const auto format = named_format(algorithm);
    if (!format) {
      config.fail("quant_algo", "the quantisation " + quote(algorithm) + " is not supported.");
    }
    found.push_back(*format);
  } else if (method == "fp8" || method == "mxfp4") {
    found.push_back(*named_format(method));
  } else if (const auto groups = object.find("config_groups");
             groups != object.end() && groups->is_object()) {
    for (const auto& [name, group] : groups->items()) {
      if (!group.is_object() || !group.contains("weights") || !group["weights"].is_object())
        continue;
      const auto format =
          weight_format(group["weights"], text_at(group, "format") + text_at(object, "format"));
      if (!format) {
        config.fail("config_groups", "the weights of the quantisation group " + quote(name) +
                                         " are in a format that is not supported.");
      }
      if (std::find(found.begin(), found.end(), *format) == found.end()) found.push_back(*format);
    }
  } else if ((method == "awq" || method == "gptq") && integer_at(object, "bits") == 4) {
    found.push_back(Precision::int4);
  }
  if (found.empty()) {
    config.fail("quantization_config", "the quantisation method " +
                                           quote(method.empty() ? "(none)" : method) +
                                           " is not supported.");
  }
  if (found.size() > 1) {
    config.fail("config_groups",
                "a quantisation with different formats per group of layers is not supported.");
  }
  q.format = found[0];
  return q;
}

/// The pattern names whole modules of the kind: nothing but a projection or a wildcard follows.
bool covers(const std::string& pattern, std::string_view module) {
  const std::size_t at = pattern.find(module);
  if (at == std::string::npos) return false;
  const std::string rest = pattern.substr(at + module.size());
  return rest.empty() || rest[0] == '*' || rest[0] == 's' || rest == ".*" || rest == ".*$" ||
         rest.starts_with(".*") || rest.starts_with(".q_proj") || rest.starts_with(".o_proj") ||
         rest.starts_with(".qkv_proj") || rest.starts_with(".down_proj") ||
         rest.starts_with(".gate_up_proj");
}

void leave_ignored(const Quantisation& q, PrecisionMap& map,
                   std::vector<std::string>& assumptions) {
  bool linear_only = false;
  for (const std::string& pattern : q.ignored) {
    const bool shared = covers(pattern, "shared_expert");
    const bool gate = pattern.find("shared_expert_gate") != std::string::npos;
    if (shared && !gate) map.shared_experts = Precision::bf16;
    if (covers(pattern, "self_attn")) map.attention = Precision::bf16;
    if (covers(pattern, "linear_attn") && map.attention != Precision::bf16) {
      map.attention = Precision::bf16;
      linear_only = true;
    }
    if (!shared && covers(pattern, ".experts")) map.experts = Precision::bf16;
    const bool projections = pattern.find("mlp\\.(gate") != std::string::npos ||
                             pattern.find("mlp.down_proj") != std::string::npos ||
                             pattern.find("mlp.gate_up_proj") != std::string::npos;
    if (projections || pattern.ends_with("layers.0*") || pattern.ends_with("layers.0.mlp*")) {
      map.dense_ffn = Precision::bf16;
    }
  }
  if (linear_only) {
    assumptions.push_back(
        "The linear mixers are left unquantised by the checkpoint; full attention is taken as bf16 "
        "too.");
  }
}

}  // namespace

PrecisionMap read_hf_precision(const HfConfig& config, const json* side_file,
                               std::vector<std::string>& assumptions) {
  PrecisionMap map;
  const auto dtype = config.text({"torch_dtype", "dtype"});
  if (dtype && *dtype != "bfloat16" && *dtype != "float16" && *dtype != "auto") {
    if (*dtype != "float32")
      config.fail("torch_dtype", "weights of type " + quote(*dtype) + " are not supported.");
    map.embedding = map.attention = map.dense_ffn = map.experts = map.shared_experts = map.router =
        Precision::fp32;
  }
  Quantisation q;
  if (const json* object = config.find("quantization_config")) {
    if (!object->is_object())
      config.fail("quantization_config", "quantization_config is not an object.");
    q = read_quantisation(config, *object);
  }
  if (side_file) {
    const auto inner = side_file->find("quantization");
    const json& object = inner != side_file->end() && inner->is_object() ? *inner : *side_file;
    const Quantisation side = read_quantisation(config, object);
    if (q.present && side.format != q.format) {
      config.fail("quantization_config", "quantization_config says " +
                                             std::string(info(q.format).name) +
                                             ", but hf_quant_config.json says " +
                                             std::string(info(side.format).name) + ".");
    }
    q = side;
  }
  if (q.present) {
    map.attention = map.dense_ffn = map.experts = map.shared_experts = q.format;
    leave_ignored(q, map, assumptions);
    if (q.kv_fp8) map.kv_cache = Precision::fp8;
  }
  if (const auto expert_type = config.text({"expert_dtype"})) {
    if (*expert_type == "fp4") {
      map.experts = Precision::mxfp4;
    } else if (*expert_type == "fp8") {
      map.experts = Precision::fp8;
    } else if (*expert_type != "bfloat16") {
      config.fail("expert_dtype", "experts of type " + quote(*expert_type) + " are not supported.");
    }
  }
  if (const auto state = config.text({"mamba_ssm_dtype", "mamba_ssm_cache_dtype"})) {
    if (*state == "bfloat16" || *state == "float16") map.state = Precision::bf16;
  }
  return map;
}

}  // namespace tollgate
