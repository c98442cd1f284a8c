#include "sim/spec/scenario_schema.h"

#include <algorithm>
#include <set>

#include "sim/base/file.h"
#include "sim/base/text.h"
#include "sim/spec/cost_schema.h"
#include "sim/spec/disaggregation_schema.h"
#include "sim/spec/market_schema.h"
#include "sim/spec/model_schema.h"
#include "sim/spec/money.h"
#include "sim/spec/price_lookup.h"
#include "sim/spec/scenario_prices.h"
#include "sim/spec/workload_schema.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;
constexpr std::size_t scenario_file_limit = 1 << 20;
constexpr std::size_t trace_limit = std::size_t{1} << 30;

/// A scenario as written, with references not yet resolved.
struct CandidateText {
  std::string name;
  YamlPtr model, hardware, engine, deployment, routing, pricing;
  Places places;
};

struct ScenarioText {
  std::string name, question;
  long long seed = 1;
  std::vector<CandidateText> candidates;
  YamlPtr workload, engine, deployment, pricing;
  YamlPtr market, compare, demand;
  std::vector<MixText> mixes;
  std::vector<GrowthSpec> growth;
  LoadSpec load;
  SloSpec slo;
  RoutingSpec routing;
  MethodSpec method;
  Fidelity fidelity = Fidelity::analytic;
  SimulationSpec simulation;
  AnswersSpec answers;
  Places places;
};

template <class T>
void keep(Schema<T>& schema, YamlPtr T::*member, FieldInfo info) {
  schema.custom(std::move(info), [member](const YamlNode& node, const std::string&, T& t) {
    t.*member = std::make_shared<YamlNode>(node);
  });
}

FieldInfo reference(const char* name, const SchemaInfo& child, Need need, const char* doc) {
  FieldInfo info;
  info.name = name;
  info.type = FieldInfo::Type::object;
  info.reference = true;
  info.child = &child;
  info.required = need == required;
  info.doc = doc;
  return info;
}

FieldInfo part(const char* name, const SchemaInfo& child, const char* doc) {
  FieldInfo info;
  info.name = name;
  info.type = FieldInfo::Type::object;
  info.child = &child;
  info.doc = doc;
  return info;
}

const Schema<CandidateText>& candidate_schema() {
  static const auto schema = [] {
    Schema<CandidateText> s("candidate", "One architecture on one kind of accelerator.");
    s.text("name", &CandidateText::name, optional,
           "Name in the report; by default made of model and hardware.");
    keep(s, &CandidateText::model,
         reference("model", model_schema().info(), required,
                   "Name of a models/llm entry, a path ending in .yaml, or an inline model; an "
                   "inline model "
                   "may begin with `base: NAME` and give only the keys that differ (maps such as "
                   "`ffn` are replaced whole)."));
    keep(s, &CandidateText::hardware,
         reference("hardware", hardware_schema().info(), required,
                   "Name of a models/hardware entry, a path, an inline accelerator (also with "
                   "`base`), or a "
                   "list of names: one candidate each."));
    keep(
        s, &CandidateText::engine,
        reference("engine", engine_schema().info(), optional,
                  "Name of a models/engines entry, a path, or an inline engine (also with `base`). "
                  "Default: the scenario's."));
    keep(s, &CandidateText::deployment,
         reference("deployment", deployment_schema().info(), optional,
                   "`auto` searches; a mapping fixes what it names. Default: the scenario's."));
    keep(s, &CandidateText::pricing,
         reference("pricing", pricing_schema().info(), optional,
                   "On top of the scenario's pricing."));
    keep(s, &CandidateText::routing,
         reference("routing", routing_schema().info(), optional,
                   "On top of the scenario's routing."));
    return s;
  }();
  return schema;
}

FieldInfo workload_field() {
  FieldInfo info;
  info.name = "workload";
  info.type = FieldInfo::Type::list;
  info.child = &request_class_schema().info();
  info.doc =
      "Mix of request classes. Required unless the scenario has `mixes`, `demand` or `growth`, or "
      "a "
      "trace, which brings its requests. An element is a class, or {traffic: NAME, weight: W} to "
      "take one of models/traffic, with any key on top.";
  return info;
}

const Schema<ScenarioText>& scenario_schema() {
  static const auto schema = [] {
    Schema<ScenarioText> s("scenario",
                           "A question: candidates, a workload, a load and a latency target.");
    s.text("name", &ScenarioText::name, required, "Short name of the scenario.");
    s.text("question", &ScenarioText::question, optional,
           "What the scenario asks, in one sentence.");
    s.integer("seed", &ScenarioText::seed, optional, Range{0, 9e15},
              "Seed of every random number.");
    s.list("candidates", &ScenarioText::candidates, candidate_schema(), optional,
           "What is compared. Required unless only prices, `demand` or `growth` are asked for.");
    keep(s, &ScenarioText::workload, workload_field());
    s.object("load", &ScenarioText::load, load_schema(), optional,
             "What is offered to the service. Required where there are candidates.");
    s.object("slo", &ScenarioText::slo, slo_schema(), optional, "Latency target.");
    keep(
        s, &ScenarioText::engine,
        reference("engine", engine_schema().info(), optional,
                  "Serving engine of the candidates; `{base: vllm, host_per_step: 0.2 ms}` changes "
                  "one constant. Default: vllm."));
    keep(s, &ScenarioText::deployment,
         reference("deployment", deployment_schema().info(), optional,
                   "Default deployment of the candidates."));
    keep(s, &ScenarioText::pricing,
         reference("pricing", pricing_schema().info(), optional, "Where the dollars come from."));
    s.object("routing", &ScenarioText::routing, routing_schema(), optional,
             "How tokens spread over experts.");
    s.object("method", &ScenarioText::method, method_schema(), optional,
             "Constants of the method; docs/method.md says where the defaults come from.");
    s.choice<Fidelity>("fidelity", &ScenarioText::fidelity, optional,
                       {{"analytic", Fidelity::analytic}, {"simulated", Fidelity::simulated}},
                       "Requests on average, in closed form, or one by one through the engine's "
                       "scheduler: percentiles, bursts, conversations, preemption.");
    s.object("simulation", &ScenarioText::simulation, simulation_schema(), optional,
             "How requests are simulated, with `fidelity: simulated`.");
    s.check([](const ScenarioText& t, const std::string&) {
      if (t.places.count("simulation") && t.fidelity != Fidelity::simulated) {
        throw InputError(place_of(t.places, "simulation"),
                         "simulation goes with 'fidelity: simulated'.");
      }
    });
    s.object("answers", &ScenarioText::answers, answers_schema(), optional,
             "Further questions, answered for every candidate.");
    s.list("mixes", &ScenarioText::mixes, mix_schema(), optional,
           "Several workloads, which the candidates are tried with one after the other.");
    keep(s, &ScenarioText::market,
         part("market", market_schema().info(),
              "Prices of models against what the candidates cost to serve at each mix."));
    keep(s, &ScenarioText::compare,
         part("compare", comparison_schema().info(),
              "The candidates as ratios to one of them, at each mix."));
    keep(s, &ScenarioText::demand,
         part("demand", demand_schema().info(),
              "Tokens that are asked for, and the fleets that serve them."));
    s.list("growth", &ScenarioText::growth, growth_schema(), optional,
           "Growth as a yearly rate, as a multiple, or as a series.");
    return s;
  }();
  return schema;
}

/// A reference by name, a path, or an inline mapping on top of a `base`.
template <class T>
T resolve(const YamlNode& node, const std::string& path, const Schema<T>& schema,
          const std::function<T(const std::string&, const Place&)>& by_name) {
  if (node.kind == YamlNode::Kind::scalar) return by_name(scalar::text(node, path), node.place);
  expect_kind(node, YamlNode::Kind::mapping, path);
  const auto* base = node.find("base");
  if (!base) return schema.read(node, path);
  T start = by_name(scalar::text(*base->value, path + ".base"), base->value->place);
  YamlNode rest = node;
  std::erase_if(rest.entries, [](const auto& entry) { return entry.key == "base"; });
  return schema.read(rest, path, std::move(start), true);
}

DeploymentSpec read_deployment(const YamlPtr& node, const std::string& path, DeploymentSpec start) {
  if (!node) return start;
  if (node->kind == YamlNode::Kind::scalar) {
    if (node->scalar != "auto") {
      throw InputError(node->place,
                       path + " must be 'auto' or a mapping, but is " + quote(node->scalar) + ".");
    }
    start.gpus = start.tensor = start.pipeline = start.expert = start.data_attention = 0;
    return start;
  }
  return deployment_schema().read(*node, path, std::move(start), true);
}

std::vector<RequestClass> read_workload(const YamlNode& node, const std::string& name,
                                        Library& library) {
  expect_kind(node, YamlNode::Kind::sequence, name);
  if (node.items.empty()) {
    throw InputError(node.place,
                     name + " has no request classes; there would be nothing to serve.");
  }
  std::vector<RequestClass> classes;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const YamlNode& item = *node.items[i];
    const std::string path = name + "[" + std::to_string(i) + "]";
    expect_kind(item, YamlNode::Kind::mapping, path);
    if (const auto* traffic = item.find("traffic")) {
      RequestClass start =
          library.traffic(scalar::text(*traffic->value, path + ".traffic"), traffic->value->place);
      YamlNode rest = item;
      std::erase_if(rest.entries, [](const auto& entry) { return entry.key == "traffic"; });
      if (rest.find("session") || rest.find("agent")) {
        // The entry's averages are not those of other conversations.
        start.places.erase("input");
        start.places.erase("prefix_hit_rate");
      }
      classes.push_back(request_class_schema().read(rest, path, std::move(start), true));
    } else {
      classes.push_back(request_class_schema().read(item, path));
    }
  }
  return classes;
}

/// A path as the scenario at `asked` writes it, from here.
std::filesystem::path path_from_here(std::filesystem::path path, const Place& asked) {
  if (path.is_relative()) path = std::filesystem::path(asked.file).parent_path() / path;
  if (!std::filesystem::exists(path)) {
    throw InputError(asked, "there is no file or folder " + quote(path.string(), 200) + ".");
  }
  return path;
}

/// Makes the path of a trace one from here, and counts its files among the inputs.
void find_trace(RoutingSpec& routing, Library& library) {
  if (routing.popularity != RoutingSpec::Popularity::trace) return;
  const std::filesystem::path path =
      path_from_here(routing.trace, place_of(routing.places, "trace"));
  routing.trace = path.string();
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  for (const auto& file : files) library.note(file, digest(read_text_file(file, trace_limit)));
}

/// The same for recorded requests, which stand instead of a workload.
void find_requests(LoadSpec& load, const YamlPtr& workload, Library& library) {
  if (load.kind != LoadKind::trace) return;
  if (workload) {
    throw InputError(workload->place,
                     "workload does not go with a trace, which brings its own requests.");
  }
  const Place asked = place_of(load.places, "trace");
  const std::filesystem::path path = path_from_here(load.trace, asked);
  if (!std::filesystem::is_regular_file(path)) {
    throw InputError(asked, quote(path.string(), 200) + " is not a file.");
  }
  load.trace = path.string();
  library.note(path, digest(read_text_file(path, trace_limit)));
}

/// The places where `expert` and friends contradict each other or the model.
void check_sizes(const CandidateSpec& c, const DeploymentSpec& d, const std::string& path) {
  const auto at = [&](const char* key) {
    return d.places.count(key) ? place_of(d.places, key) : place_of(c.places, "");
  };
  const long long known =
      1LL * std::max(1, d.tensor) * std::max(1, d.pipeline) * std::max(1, d.data_attention);
  if (known > 16384) {
    throw InputError(at("tensor"), path + ".tensor x pipeline x data_attention is " +
                                       std::to_string(known) +
                                       ", more than the 16384 accelerators a replica may have.");
  }
  for (const AttentionSpec& a : c.model.attentions) {
    const int heads = a.kind == AttentionKind::linear ? a.v_heads : a.heads;
    if (d.tensor > 1 && heads % d.tensor != 0) {
      throw InputError(at("tensor"), path + ".tensor is " + std::to_string(d.tensor) +
                                         ", which does not divide the " + std::to_string(heads) +
                                         " heads of " + c.model.name + ".");
    }
  }
  if (d.mtp_draft_tokens > 0 && c.model.mtp.modules == 0) {
    throw InputError(at("mtp_draft_tokens"),
                     path + ".mtp_draft_tokens is " + std::to_string(d.mtp_draft_tokens) +
                         ", but " + c.model.name + " has no multi-token-prediction module.");
  }
  if (d.two_batch_overlap && !c.model.has_experts()) {
    throw InputError(at("two_batch_overlap"), path + ".two_batch_overlap has nothing to overlap: " +
                                                  c.model.name + " has no experts.");
  }
  if (d.two_batch_overlap && !c.engine.sends_to_experts(c.hardware)) {
    throw InputError(at("two_batch_overlap"),
                     path + ".two_batch_overlap has nothing to overlap: " + c.engine.name +
                         " gathers all tokens on every rank of " + c.hardware.name +
                         "; 'expert_exchange: deepep' of the engine sends them.");
  }
  if (d.gpus > 0 && d.tensor && d.pipeline && d.data_attention && known != d.gpus) {
    throw InputError(at("gpus"), path + ".gpus is " + std::to_string(d.gpus) +
                                     ", but tensor x pipeline x "
                                     "data_attention is " +
                                     std::to_string(known) + ".");
  }
  if (d.pipeline > static_cast<int>(c.model.layers.size())) {
    throw InputError(at("pipeline"), path + ".pipeline is " + std::to_string(d.pipeline) +
                                         ", but the model has " +
                                         std::to_string(c.model.layers.size()) + " layers.");
  }
  if (d.expert > 1) {
    int fewest = 0;
    for (const FfnSpec& ffn : c.model.ffns) {
      if (ffn.kind == FfnKind::moe) fewest = fewest ? std::min(fewest, ffn.experts) : ffn.experts;
    }
    if (fewest == 0) {
      throw InputError(at("expert"), path + ".expert is " + std::to_string(d.expert) + ", but " +
                                         c.model.name + " has no experts.");
    }
    if (d.expert > fewest) {
      throw InputError(at("expert"), path + ".expert is " + std::to_string(d.expert) + ", but " +
                                         c.model.name + " has only " + std::to_string(fewest) +
                                         " experts.");
    }
    if (d.tensor && d.data_attention && (d.tensor * d.data_attention) % d.expert != 0) {
      throw InputError(at("expert"), path + ".expert is " + std::to_string(d.expert) +
                                         ", which does not divide tensor x data_attention = " +
                                         std::to_string(d.tensor * d.data_attention) + ".");
    }
  }
}

void check_deployment(const CandidateSpec& c) {
  const DeploymentSpec& d = c.deployment;
  if (!d.disaggregation) {
    check_sizes(c, d, "deployment");
    return;
  }
  for (const char* key : {"gpus", "max_batch"}) {
    if (d.places.count(key)) {
      throw InputError(place_of(d.places, key),
                       std::string("deployment.") + key +
                           " does not go with disaggregation; give it for each pool.");
    }
  }
  check_sizes(c, pool_deployment(d, d.disaggregation->prefill),
              "deployment.disaggregation.prefill");
  check_sizes(c, pool_deployment(d, d.disaggregation->decode), "deployment.disaggregation.decode");
}

/// A plain scenario needs candidates, a workload and a load; a market scenario needs mixes and a
/// load where it has candidates, and has no workload of its own.
void check_parts(const ScenarioText& raw, const YamlNode& root) {
  const auto lacks = [&](const char* key, const char* why) {
    throw InputError(root.place,
                     "scenario lacks the required key '" + std::string(key) + "'" + why + ".");
  };
  const bool market =
      !raw.mixes.empty() || raw.market || raw.compare || raw.demand || !raw.growth.empty();
  if (market && raw.workload) {
    throw InputError(place_of(raw.places, "workload"),
                     "workload does not go with mixes, market, compare, demand or growth; make it "
                     "one of the mixes.");
  }
  if (!market && !raw.places.count("candidates")) lacks("candidates", "");
  if (!market && !raw.workload && raw.load.kind != LoadKind::trace) lacks("workload", "");
  const bool simulates = raw.places.count("candidates") > 0;
  if (simulates && market && raw.mixes.empty()) lacks("mixes", ", which candidates are tried with");
  if (simulates && !raw.places.count("load")) lacks("load", "");
  if (simulates && raw.candidates.empty())
    throw InputError(place_of(raw.places, "candidates"), "candidates is empty.");
  if (raw.compare && !simulates) lacks("candidates", ", which 'compare' compares");
  if (!raw.mixes.empty() && !simulates && !raw.market && !raw.demand && raw.growth.empty())
    lacks("candidates", "");
}

void check_context(const CandidateSpec& c, const std::vector<RequestClass>& workload) {
  for (const RequestClass& r : workload) {
    double prompt = r.input.average();
    if (r.session) {
      const SessionSpec& s = *r.session;
      prompt = static_cast<double>(s.system_prompt) +
               (s.first_input.given() ? s.first_input : s.new_input).average();
    }
    const double mean = prompt + r.output.average();
    if (!c.model.closed && mean > static_cast<double>(c.model.context)) {
      throw InputError(place_of(r.places, r.session ? "session" : "input"),
                       "class " + quote(r.name) + " needs " + fixed(mean, 0) +
                           " tokens of context on average, but " + c.model.name + " has " +
                           std::to_string(c.model.context) + ".");
    }
  }
}

}  // namespace

const Schema<DeploymentSpec>& deployment_schema() {
  static const auto schema = [] {
    constexpr Range degree{1, 16384};
    Schema<DeploymentSpec> s(
        "deployment", "How a model is spread over accelerators; what is left out is searched.");
    s.integer(
        "gpus", &DeploymentSpec::gpus, optional, degree,
        "Accelerators per replica; left out: one machine, or as many as the sizes below make.");
    s.integer("tensor", &DeploymentSpec::tensor, optional, degree,
              "Tensor-parallel size of attention.");
    s.integer("pipeline", &DeploymentSpec::pipeline, optional, degree, "Pipeline stages.");
    s.integer("expert", &DeploymentSpec::expert, optional, degree,
              "Expert-parallel size; tensor x data_attention / expert ranks share each expert.");
    s.integer("data_attention", &DeploymentSpec::data_attention, optional, degree,
              "Data-parallel attention groups, each with its own KV cache.");
    const auto precision = [&](const char* name, std::optional<Precision> DeploymentSpec::*member,
                               const char* doc) {
      FieldInfo info;
      info.name = name;
      info.type = FieldInfo::Type::choice;
      info.doc = doc;
      info.default_text = "as shipped";
      for (const PrecisionInfo& p : all_precisions) info.choices.emplace_back(p.name);
      s.custom(
          info,
          [member, choices = info.choices](const YamlNode& n, const std::string& p,
                                           DeploymentSpec& d) {
            d.*member = all_precisions[scalar::choice(n, p, choices)].precision;
          },
          [member](const DeploymentSpec& d) -> YamlPtr {
            if (!(d.*member)) return nullptr;
            return yaml_scalar(std::string(tollgate::info(*(d.*member)).name));
          });
    };
    precision(
        "weights", &DeploymentSpec::weights,
        "Storage format of the weight matrices instead of the shipped one: that of the published "
        "checkpoint where the model has one in it (`releases`); else embedding, router and "
        "whatever "
        "is already narrower stay.");
    precision("kv_cache", &DeploymentSpec::kv_cache,
              "Storage format of the KV cache instead of the model's.");
    s.integer("max_batch", &DeploymentSpec::max_batch, optional, Range{1, 1e6},
              "Most sequences in flight per replica; left out: memory decides.");
    s.integer("max_num_seqs", &DeploymentSpec::max_num_seqs, optional, Range{1, 1e6},
              "Sequences a data-parallel group may run at once; left out: the engine's default.");
    s.integer("batched_tokens", &DeploymentSpec::batched_tokens, optional, Range{16, 1e6},
              "Token budget of one engine step; left out: the engine's default.");
    s.number(
        "memory_utilisation", &DeploymentSpec::memory_utilisation, optional, Range{0.1, 1},
        "Share of memory the engine may use (of the device's, TensorRT-LLM's cache: of what the "
        "rest leaves free); left out: the engine's default.");
    s.choice<WindowCache>("window_cache", &DeploymentSpec::window_cache, optional,
                          {{"window", WindowCache::window}, {"sequence", WindowCache::sequence}},
                          "What layers with a sliding window keep in the cache; left out: the "
                          "engine's default.");
    s.choice<bool>("expert_placement", &DeploymentSpec::planned_placement, optional,
                   {{"contiguous", false}, {"eplb", true}},
                   "Where experts sit: in blocks, or planned by load with EPLB.");
    s.boolean("two_batch_overlap", &DeploymentSpec::two_batch_overlap, optional,
              "Steps run as two batches of which one computes while the tokens of the other pass "
              "between expert-parallel ranks.");
    s.integer("redundant_experts", &DeploymentSpec::redundant_experts, optional, Range{0, 4096},
              "Replicas beyond one per expert, rounded up to whole slots per rank (eplb).");
    s.integer("plan_domains", &DeploymentSpec::plan_domains, optional, Range{0, 64},
              "Kinds of traffic the plan was made from, where that differs from what is served; 0 "
              "means as served "
              "(eplb).");
    s.integer("mtp_draft_tokens", &DeploymentSpec::mtp_draft_tokens, optional, Range{0, 16},
              "Draft tokens per step of multi-token prediction; 0 is off.");
    s.number("mtp_acceptance_length", &DeploymentSpec::mtp_acceptance_length, optional,
             Range{1, 17},
             "Tokens emitted per verify step, the certain one included; measured, never predicted "
             "here.");
    FieldInfo disaggregation =
        reference("disaggregation", disaggregation_schema().info(), optional,
                  "Prompts in one pool of engines and answers in another: `auto` searches both, a "
                  "mapping fixes what it names, `none` is the default. The sizes above are then "
                  "those of an engine of either pool.");
    disaggregation.default_text = "none";
    s.custom(std::move(disaggregation), read_disaggregation);
    s.check([](const DeploymentSpec& d, const std::string& path) {
      for (const char* key : {"redundant_experts", "plan_domains"}) {
        if (d.places.count(key) && !d.planned_placement) {
          throw InputError(place_of(d.places, key),
                           path + "." + key + " goes with 'expert_placement: eplb'.");
        }
      }
      if (d.mtp_acceptance_length > 1 + d.mtp_draft_tokens) {
        throw InputError(place_of(d.places, "mtp_acceptance_length"),
                         path + ".mtp_acceptance_length is " + shortest(d.mtp_acceptance_length) +
                             ", but " + std::to_string(d.mtp_draft_tokens) +
                             " draft tokens give at most " +
                             std::to_string(d.mtp_draft_tokens + 1) + ".");
      }
    });
    return s;
  }();
  return schema;
}

namespace {

/// A routing key that a family has a value for.
FieldInfo family_field(const char* name, const char* range, const char* doc,
                       FieldInfo::Type type = FieldInfo::Type::number) {
  FieldInfo info;
  info.name = name;
  info.type = type;
  info.doc = doc;
  info.range = range;
  info.default_text = "the family's";
  return info;
}
auto read_number(std::optional<double> RoutingSpec::*member, Range range) {
  return [member, range](const YamlNode& n, const std::string& p, RoutingSpec& r) {
    r.*member = scalar::number(n, p, range);
  };
}
auto write_number(std::optional<double> RoutingSpec::*member) {
  return [member](const RoutingSpec& r) -> YamlPtr {
    return r.*member ? yaml_scalar(shortest(*(r.*member))) : nullptr;
  };
}
auto read_count(std::optional<int> RoutingSpec::*member) {
  return [member](const YamlNode& n, const std::string& p, RoutingSpec& r) {
    r.*member = static_cast<int>(scalar::integer(n, p, Range{1, 64}));
  };
}
auto write_count(std::optional<int> RoutingSpec::*member) {
  return [member](const RoutingSpec& r) -> YamlPtr {
    return r.*member ? yaml_scalar(std::to_string(*(r.*member))) : nullptr;
  };
}

/// Keys that go with another key's value.
void check_sources(const RoutingSpec& r, const std::string& path) {
  using Popularity = RoutingSpec::Popularity;
  const auto goes_with = [&](const char* key, bool holds, const char* what) {
    if (r.places.count(key) && !holds) {
      throw InputError(place_of(r.places, key), path + "." + key + " goes with " + what + ".");
    }
  };
  const bool family = r.popularity == Popularity::family;
  const bool exponent = r.popularity == Popularity::zipf || r.popularity == Popularity::power_law;
  goes_with("sigma", r.popularity == Popularity::lognormal, "'popularity: lognormal'");
  goes_with("exponent", exponent, "'popularity: zipf' or 'power_law'");
  goes_with("trace", r.popularity == Popularity::trace, "'popularity: trace'");
  for (const char* key : {"sigma_global", "sigma_domain", "sigma_topic", "topics"}) {
    goes_with(key, family, "'popularity: family'");
  }
  for (const char* key : {"stickiness", "layer_jitter"}) {
    goes_with(key, r.form == RoutingSpec::Form::alias, "'form: alias'");
  }
  const auto needs = [&](const char* kind, bool is, const char* key) {
    if (is && !r.places.count(key)) {
      throw InputError(place_of(r.places, "popularity"),
                       path + " lacks '" + key + "', which " + kind + " needs.");
    }
  };
  needs("lognormal", r.popularity == Popularity::lognormal, "sigma");
  needs("zipf", r.popularity == Popularity::zipf, "exponent");
  needs("power_law", r.popularity == Popularity::power_law, "exponent");
  needs("trace", r.popularity == Popularity::trace, "trace");
}

}  // namespace

const Schema<RoutingSpec>& routing_schema() {
  static const auto schema =
      Schema<RoutingSpec>("routing", "How tokens spread over experts.")
          .choice<RoutingSpec::Popularity>(
              "popularity", &RoutingSpec::popularity, optional,
              {{"family", RoutingSpec::Popularity::family},
               {"uniform", RoutingSpec::Popularity::uniform},
               {"lognormal", RoutingSpec::Popularity::lognormal},
               {"zipf", RoutingSpec::Popularity::zipf},
               {"power_law", RoutingSpec::Popularity::power_law},
               {"trace", RoutingSpec::Popularity::trace}},
              "family: log-normal with the spread of the model's family (models/routing); uniform: "
              "perfect balance in expectation; lognormal: the `sigma` given; zipf and power_law: "
              "the `exponent` given; trace: what a real router chose, in `trace`.")
          .number("sigma", &RoutingSpec::sigma, optional, Range{0, 4},
                  "lognormal: standard deviation of the logarithm of expert popularity.")
          .number("exponent", &RoutingSpec::exponent, optional, Range{0, 4},
                  "zipf: popularity falls as rank to minus this; power_law: density of loads, as "
                  "AIConfigurator draws them.")
          .text("trace", &RoutingSpec::trace, optional,
                "trace: what serving engines record of routing (choices are replayed, counts drawn "
                "again); a file or folder, relative to the scenario.")
          .choice<RoutingSpec::Form>(
              "form", &RoutingSpec::form, optional,
              {{"logits", RoutingSpec::Form::logits}, {"alias", RoutingSpec::Form::alias}},
              "logits: noise on every expert, through the model's gate; alias: experts drawn one "
              "after the other, sticky from token to token, without expert groups.")
          .custom(family_field("sigma_global", "0 to 4", "family: spread that all traffic shares."),
                  read_number(&RoutingSpec::sigma_global, Range{0, 4}),
                  write_number(&RoutingSpec::sigma_global))
          .custom(
              family_field("sigma_domain", "0 to 4", "family: spread between kinds of traffic."),
              read_number(&RoutingSpec::sigma_domain, Range{0, 4}),
              write_number(&RoutingSpec::sigma_domain))
          .custom(family_field("sigma_topic", "0 to 4", "family: spread between topics."),
                  read_number(&RoutingSpec::sigma_topic, Range{0, 4}),
                  write_number(&RoutingSpec::sigma_topic))
          .custom(
              family_field("stickiness", "0 to 0.9",
                           "alias: share of proposals that repeat an expert of the token before."),
              read_number(&RoutingSpec::stickiness, Range{0, 0.9}),
              write_number(&RoutingSpec::stickiness))
          .custom(family_field("layer_jitter", "0 to 1",
                               "alias: standard deviation of the logarithm of sigma_domain over "
                               "layers."),
                  read_number(&RoutingSpec::layer_jitter, Range{0, 1}),
                  write_number(&RoutingSpec::layer_jitter))
          .custom(family_field("domains", "1 to 64",
                               "family: kinds of traffic that are mixed; 1 is the most skewed.",
                               FieldInfo::Type::integer),
                  read_count(&RoutingSpec::domains), write_count(&RoutingSpec::domains))
          .custom(family_field("topics", "1 to 64", "family: topics of each kind of traffic.",
                               FieldInfo::Type::integer),
                  read_count(&RoutingSpec::topics), write_count(&RoutingSpec::topics))
          .integer("layers", &RoutingSpec::layers, optional, Range{1, 256},
                   "Independent popularity draws.")
          .integer("tokens", &RoutingSpec::tokens, optional, Range{64, 1 << 20},
                   "Tokens routed per draw.")
          .check([](const RoutingSpec& r, const std::string& path) {
            check_sources(r, path);
            if (1LL * r.layers * r.tokens > (1 << 24)) {
              throw InputError(place_of(r.places, "tokens"),
                               path + ".layers x tokens is " +
                                   std::to_string(1LL * r.layers * r.tokens) +
                                   ", more than the 16777216 that are routed per run.");
            }
          })
          .choice<std::string>(
              "backend", &RoutingSpec::backend, optional,
              {{"auto", "auto"}, {"reference", "reference"}, {"tbb", "tbb"}, {"cuda", "cuda"}},
              "Where the routing engine runs; results do not depend on it.");
  return schema;
}

namespace {

/// An object of `pricing`; a candidate's keys go on top of the scenario's.
template <class C>
void part(Schema<PricingSpec>& s, const char* name, C PricingSpec::*member, const Schema<C>& child,
          const char* doc) {
  FieldInfo info;
  info.name = name;
  info.type = FieldInfo::Type::object;
  info.doc = doc;
  info.child = &child.info();
  s.custom(std::move(info),
           [member, &child](const YamlNode& n, const std::string& p, PricingSpec& t) {
             t.*member = child.read(n, p, t.*member, true);
           });
}

template <class C>
void part(Schema<PricingSpec>& s, const char* name, std::optional<C> PricingSpec::*member,
          const Schema<C>& child, const char* doc) {
  FieldInfo info;
  info.name = name;
  info.type = FieldInfo::Type::object;
  info.doc = doc;
  info.child = &child.info();
  s.custom(std::move(info), [member, &child](const YamlNode& n, const std::string& p,
                                             PricingSpec& t) { t.*member = child.read(n, p); });
}

void check_pricing(const PricingSpec& p, const std::string& path) {
  const auto given = [&](const char* key) { return p.places.count(key) > 0; };
  if (p.ownership && (given("usd_per_gpu_hour") || given("rent"))) {
    const char* key = given("rent") ? "rent" : "usd_per_gpu_hour";
    throw InputError(place_of(p.places, key), path + "." + key + " does not go with ownership.");
  }
  if (given("ratio") && p.allocation != AllocationChoice::token_ratio) {
    throw InputError(place_of(p.places, "ratio"),
                     path + ".ratio goes with 'allocation: token_ratio'.");
  }
  if (p.allocation == AllocationChoice::revenue_weighted && !p.tariff) {
    throw InputError(place_of(p.places, "allocation"),
                     path + ".allocation revenue_weighted needs a tariff.");
  }
  if (p.ownership && p.ownership->places.count("availability") &&
      p.utilisation.places.count("availability")) {
    throw InputError(place_of(p.utilisation.places, "availability"),
                     path + " has an availability in ownership and in utilisation; give one.");
  }
}

}  // namespace

const Schema<PricingSpec>& pricing_schema() {
  static const auto schema = [] {
    Schema<PricingSpec> s("pricing", "Where the dollars come from.");
    s.text("level", &PricingSpec::level, optional,
           "Kind of price looked up in models/prices: rent-3yr, rent-1yr, on-demand, "
           "hyperscaler-own, "
           "neocloud-own, ...");
    FieldInfo date;
    date.name = "date";
    date.doc = "Day on which the GPU price held; left out: the latest.";
    s.custom(std::move(date), [](const YamlNode& n, const std::string& p, PricingSpec& t) {
      t.date = read_date(n, p);
    });
    s.quantity("usd_per_gpu_hour", &PricingSpec::usd_per_gpu_hour, Dimension::usd_per_hour,
               optional, positive,
               "Price of one accelerator for one hour, instead of looking it up.");
    part(s, "rent", &PricingSpec::rent, rent_schema(),
         "What interruptions and upfront payments add.");
    part(s, "ownership", &PricingSpec::ownership, ownership_schema(),
         "Owning the machines instead of renting them.");
    part(s, "power", &PricingSpec::power, power_spec_schema(), "Electricity of the machines.");
    FieldInfo utilisation;
    utilisation.name = "utilisation";
    utilisation.type = FieldInfo::Type::object;
    utilisation.doc = "Time-average over peak throughput: what idle hours cost.";
    utilisation.default_text = "1";
    utilisation.child = &utilisation_schema().info();
    s.custom(std::move(utilisation), [](const YamlNode& n, const std::string& p, PricingSpec& t) {
      t.utilisation = read_utilisation(n, p);
    });
    s.choice<AllocationChoice>(
        "allocation", &PricingSpec::allocation, optional,
        {{"phase_time", AllocationChoice::phase_time},
         {"token_ratio", AllocationChoice::token_ratio},
         {"output_only", AllocationChoice::output_only},
         {"total_tokens", AllocationChoice::total_tokens},
         {"marginal_resource", AllocationChoice::marginal_resource},
         {"revenue_weighted", AllocationChoice::revenue_weighted},
         {"same_hours_twice", AllocationChoice::same_hours_twice}},
        "How the bill is split over input, cached input and output tokens (docs/method.md, "
        "\"Allocation\"); same_hours_twice does not add up to the bill.");
    s.number("ratio", &PricingSpec::ratio, optional, positive,
             "token_ratio: what an output token costs in input tokens.");
    s.quantity("cache_hold", &PricingSpec::cache_hold, Dimension::seconds, optional, not_negative,
               "phase_time: how long a cached token stays in accelerator memory for one use.");
    part(s, "tariff", &PricingSpec::tariff, tariff_choice_schema(),
         "The prices tokens are sold at: gives revenue, margins and break-even.");
    part(s, "pack", &PricingSpec::pack, pack_choice_schema(),
         "Prepaid tokens: what a used one costs, and their rows in the FOCUS export.");
    s.check(check_pricing);
    return s;
  }();
  return schema;
}

const Schema<MethodSpec>& method_schema() {
  static const auto schema =
      Schema<MethodSpec>("method", "Constants of the method.")
          .number("activation_factor", &MethodSpec::activation_factor, optional, positive,
                  "Workspace per accelerator, times what engines reserve (docs/method.md, "
                  "\"Placement\").")
          .quantity("runtime_overhead", &MethodSpec::runtime_overhead, Dimension::bytes, optional,
                    not_negative,
                    "Memory per accelerator for context and the like; NCCL's buffers and, with "
                    "`graphs_before_cache`, graphs come on top.")
          .number("serving_log_sd", &MethodSpec::serving_log_sd, optional, Range{0, 3},
                  "Log standard deviation of steady-state predictions beyond the operators' own.")
          .number("draft_log_sd", &MethodSpec::draft_log_sd, optional, Range{0, 3},
                  "What draft tokens add to it, in quadrature.")
          .number("pools_log_sd", &MethodSpec::pools_log_sd, optional, Range{0, 3},
                  "What prompts and answers in pools of their own add to it, in quadrature.");
  return schema;
}

namespace {

/// The parts of a market scenario, with their prices and names looked up.
void read_market(const ScenarioText& raw, const std::vector<PriceBook>& books, Library& library,
                 Scenario& scenario) {
  std::vector<std::string> hardware, candidates;
  for (const CandidateSpec& c : scenario.candidates) {
    candidates.push_back(c.name);
    if (std::find(hardware.begin(), hardware.end(), c.hardware.name) == hardware.end())
      hardware.push_back(c.hardware.name);
  }
  if (raw.market) {
    scenario.market = market_schema().read(*raw.market, "market");
    const MarketSpec& asked = *scenario.market;
    if (asked.offers.empty() && asked.comparisons.empty() && asked.seats.empty() &&
        asked.packs.empty()) {
      throw InputError(place_of(raw.places, "market"),
                       "market has nothing to show; give offers, comparisons, seats or packs.");
    }
    find_market_prices(*scenario.market, hardware, books, library);
    check_market_names(*scenario.market, scenario.mixes);
  }
  if (raw.compare) {
    scenario.compare = comparison_schema().read(*raw.compare, "compare");
    check_comparison_names(*scenario.compare, candidates, scenario.mixes);
  }
  if (raw.demand) {
    scenario.demand = demand_schema().read(*raw.demand, "demand");
    check_demand_names(*scenario.demand, scenario.mixes, library);
  }
  scenario.growth = raw.growth;
}

}  // namespace

const SchemaInfo& scenario_schema_info() { return scenario_schema().info(); }

Scenario parse_scenario(const std::string& text, const std::string& file,
                        const std::vector<std::string>& overrides, Library& library) {
  YamlPtr root = parse_yaml(text, file);
  for (const std::string& override_text : overrides) apply_override(*root, override_text);
  check_schema_version(*root);
  std::erase_if(root->entries, [](const auto& entry) { return entry.key == "schema_version"; });
  const ScenarioText raw = scenario_schema().read(*root, "");

  Scenario scenario;
  scenario.name = raw.name;
  scenario.question = raw.question;
  scenario.seed = static_cast<std::uint64_t>(raw.seed);
  scenario.load = raw.load;
  scenario.slo = raw.slo;
  scenario.routing = raw.routing;
  scenario.method = raw.method;
  scenario.fidelity = raw.fidelity;
  scenario.simulation = raw.simulation;
  check_parts(raw, *root);
  find_requests(scenario.load, raw.workload, library);
  if (raw.workload) scenario.workload = read_workload(*raw.workload, "workload", library);
  for (const MixText& mix : raw.mixes) {
    for (const MixSpec& other : scenario.mixes) {
      if (other.name == mix.name)
        throw InputError(place_of(mix.places, "name"),
                         "there are two mixes named " + quote(mix.name) + ".");
    }
    scenario.mixes.push_back({mix.name, read_workload(*mix.workload, "workload", library),
                              mix.hit_rate_low, mix.hit_rate_high, mix.places});
  }

  scenario.answers = raw.answers;
  const std::vector<PriceBook> books = library.prices();
  const PricingSpec pricing =
      raw.pricing ? pricing_schema().read(*raw.pricing, "pricing") : PricingSpec{};
  const DeploymentSpec deployment = read_deployment(raw.deployment, "deployment", {});
  const auto engine_of = [&](const YamlPtr& node, const std::string& where) {
    return resolve<EngineSpec>(
        *node, where, engine_schema(),
        [&](const std::string& name, const Place& asked) { return library.engine(name, asked); });
  };
  const EngineSpec engine =
      raw.engine ? engine_of(raw.engine, "engine") : library.engine("vllm", {});
  std::set<std::string> names;
  for (std::size_t i = 0; i < raw.candidates.size(); ++i) {
    const CandidateText& text_of = raw.candidates[i];
    const std::string path = "candidates[" + std::to_string(i) + "]";
    CandidateSpec candidate;
    candidate.places = text_of.places;
    candidate.model = resolve<LlmSpec>(
        *text_of.model, path + ".model", model_schema(),
        [&](const std::string& name, const Place& asked) { return library.model(name, asked); });
    if (candidate.model.closed) {
      throw InputError(text_of.model->place,
                       candidate.model.name +
                           " is closed: its architecture is not published, so it has prices only.");
    }
    candidate.deployment = read_deployment(text_of.deployment, path + ".deployment", deployment);
    candidate.pricing =
        text_of.pricing ? pricing_schema().read(*text_of.pricing, path + ".pricing", pricing, true)
                        : pricing;
    candidate.routing = text_of.routing ? routing_schema().read(*text_of.routing, path + ".routing",
                                                                raw.routing, true)
                                        : raw.routing;
    candidate.popularity =
        with_overrides(library.popularity(candidate.model.family), candidate.routing);
    find_trace(candidate.routing, library);
    candidate.engine = text_of.engine ? engine_of(text_of.engine, path + ".engine") : engine;
    const DeploymentSpec asked_deployment = candidate.deployment;
    std::vector<YamlPtr> hardware{text_of.hardware};
    if (text_of.hardware->kind == YamlNode::Kind::sequence) hardware = text_of.hardware->items;
    if (hardware.empty())
      throw InputError(text_of.hardware->place, path + ".hardware is an empty list.");
    for (const YamlPtr& node : hardware) {
      candidate.hardware = resolve<HardwareSpec>(*node, path + ".hardware", hardware_schema(),
                                                 [&](const std::string& name, const Place& asked) {
                                                   return library.hardware(name, asked);
                                                 });
      candidate.deployment =
          with_engine_defaults(asked_deployment, candidate.engine, candidate.hardware);
      candidate.name = text_of.name.empty()
                           ? candidate.model.name + " on " + candidate.hardware.name
                           : text_of.name;
      if (!text_of.name.empty() && hardware.size() > 1)
        candidate.name += " on " + candidate.hardware.name;
      if (!names.insert(candidate.name).second) {
        throw InputError(place_of(text_of.places, ""),
                         "there are two candidates named " + quote(candidate.name) + ".");
      }
      check_deployment(candidate);
      check_context(candidate, scenario.workload);
      for (const MixSpec& mix : scenario.mixes) check_context(candidate, mix.workload);
      candidate.prices = find_prices(candidate.pricing, scenario.answers, books,
                                     candidate.hardware.name, candidate.model.name, node->place);
      if (candidate.pricing.ownership) {
        const HardwareSpec& h = candidate.hardware;
        if (candidate.pricing.power.draw <= 0 && h.all_in_power <= 0 && h.tdp <= 0) {
          throw InputError(
              place_of(candidate.pricing.places, "ownership"),
              "the power of " + h.name + " is not known, so ownership needs pricing.power.draw.");
        }
        candidate.price = {candidate.hardware.name,       "owned", 0, candidate.prices.capital.date,
                           candidate.prices.capital.from, {}};
      } else if (candidate.pricing.usd_per_gpu_hour > 0) {
        candidate.price = {candidate.hardware.name, "given", candidate.pricing.usd_per_gpu_hour, "",
                           "the scenario",          {}};
      } else {
        const Place asked = candidate.pricing.places.count("level")
                                ? place_of(candidate.pricing.places, "level")
                                : node->place;
        candidate.price = find_gpu_price(books, candidate.hardware.name, candidate.pricing.level,
                                         asked, candidate.pricing.date);
      }
      scenario.candidates.push_back(candidate);
    }
  }

  read_market(raw, books, library, scenario);
  library.note_operator_curves();
  // Defaults are compiled in, so the version belongs to the inputs.
  std::string identity = TOLLGATE_VERSION "\n" + text + '\n';
  for (const std::string& override_text : overrides) identity += override_text + '\n';
  for (const auto& [name, hash] : library.files_read()) {
    identity += name + ' ' + hash + '\n';
  }
  scenario.inputs_digest = digest(identity);
  return scenario;
}

Scenario load_scenario(const std::filesystem::path& path, const std::vector<std::string>& overrides,
                       Library& library) {
  return parse_scenario(read_text_file(path, scenario_file_limit), path.string(), overrides,
                        library);
}

}  // namespace tollgate
