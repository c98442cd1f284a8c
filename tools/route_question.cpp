#include "tools/route_question.h"

#include <algorithm>

#include "kernels/core/gate_spec.h"
#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/spec/library.h"
#include "tools/command.h"

namespace tollgate {
namespace {

constexpr int most_tokens = 1 << 24;
/// Tokens times layers of one run: 1 GiB of chosen experts at top 8.
constexpr long long most_rows = 1 << 26;

[[noreturn]] void fail(const std::string& sentence) {
  throw InputError("tollgate route: " + sentence);
}

/// The kind asked for, else the one that most layers are of.
const FfnSpec& moe_layer(const LlmSpec& model, const std::string& wanted) {
  if (model.closed) fail(model.name + " is closed: its architecture is not published.");
  std::vector<std::string> kinds;
  std::vector<int> layers(model.ffns.size());
  for (const LayerSpec& layer : model.layers) {
    for (const int ffn : layer.ffns) ++layers[static_cast<std::size_t>(ffn)];
  }
  const FfnSpec* most = nullptr;
  for (const FfnSpec& ffn : model.ffns) {
    if (ffn.kind != FfnKind::moe) continue;
    if (ffn.name == wanted) return ffn;
    const auto count = [&](const FfnSpec& f) {
      return layers[static_cast<std::size_t>(&f - model.ffns.data())];
    };
    if (!most || count(ffn) > count(*most)) most = &ffn;
    kinds.push_back(ffn.name);
  }
  if (wanted.empty() && most) return *most;
  if (kinds.empty()) fail(model.name + " has no expert layers.");
  fail(model.name + " has no expert layers named " + quote(wanted) + "; it has " + join(kinds) +
       ".");
}

FfnSpec explicit_layer(const Arguments& arguments) {
  FfnSpec ffn;
  ffn.kind = FfnKind::moe;
  ffn.experts = static_cast<int>(arguments.integer("--experts", 1, kernels::kMaxExperts));
  ffn.top_k = static_cast<int>(arguments.integer("--top-k", 1, kernels::kMaxTopK));
  if (ffn.top_k > ffn.experts) {
    fail("--top-k is " + std::to_string(ffn.top_k) + ", but there are only " +
         std::to_string(ffn.experts) + " experts.");
  }
  RouterSpec& r = ffn.router;
  const std::string score = arguments.text("--score");
  r.score = score == "sigmoid"         ? GateScore::sigmoid
            : score == "sqrt_softplus" ? GateScore::sqrt_softplus
                                       : GateScore::softmax;
  r.groups = static_cast<int>(arguments.integer("--groups", 1, kernels::kMaxGroups));
  r.groups_kept = arguments.has("--groups-kept")
                      ? static_cast<int>(arguments.integer("--groups-kept", 1, kernels::kMaxGroups))
                      : r.groups;
  r.group_value =
      arguments.text("--group-value") == "top2" ? GroupValue::top2_sum : GroupValue::max;
  return ffn;
}

std::optional<kernels::CapacitySpec> capacity_of(const Arguments& arguments) {
  if (!arguments.has("--capacity")) {
    if (arguments.has("--capacity-rule")) fail("--capacity-rule goes with --capacity.");
    return std::nullopt;
  }
  kernels::CapacitySpec spec;
  const std::string rule = arguments.text("--capacity-rule");
  spec.rule = rule == "switch"  ? kernels::CapacityRule::switch_top1
              : rule == "tutel" ? kernels::CapacityRule::tutel
                                : kernels::CapacityRule::gshard;
  spec.factor = arguments.number("--capacity", -10000, 10000);
  return spec;
}

RoutingSpec routing_spec(const Arguments& arguments) {
  RoutingSpec spec;
  spec.places[""] = spec.places["trace"] = spec.places["form"] = {"tollgate route", 0, 0};
  const std::string kind = arguments.has("--trace") && !arguments.has("--popularity")
                               ? "trace"
                               : arguments.text("--popularity");
  using Popularity = RoutingSpec::Popularity;
  spec.popularity = kind == "uniform"     ? Popularity::uniform
                    : kind == "lognormal" ? Popularity::lognormal
                    : kind == "zipf"      ? Popularity::zipf
                    : kind == "power_law" ? Popularity::power_law
                    : kind == "trace"     ? Popularity::trace
                                          : Popularity::family;
  const auto goes_with = [&](const char* option, bool is, const char* what) {
    if (arguments.has(option) && !is) fail(std::string(option) + " goes with " + what + ".");
    if (!arguments.has(option) && is) fail(std::string(what) + " needs " + option + ".");
  };
  const bool law = spec.popularity == Popularity::zipf || spec.popularity == Popularity::power_law;
  goes_with("--sigma", spec.popularity == Popularity::lognormal, "--popularity lognormal");
  goes_with("--exponent", law, "--popularity zipf or power_law");
  goes_with("--trace", spec.popularity == Popularity::trace, "--popularity trace");
  if (arguments.has("--sigma")) spec.sigma = arguments.number("--sigma", 0, 4);
  if (law) spec.exponent = arguments.number("--exponent", 0, 4);
  spec.trace = arguments.text("--trace");
  spec.form =
      arguments.text("--form") == "alias" ? RoutingSpec::Form::alias : RoutingSpec::Form::logits;
  if (arguments.has("--stickiness")) {
    if (spec.form != RoutingSpec::Form::alias) fail("--stickiness goes with --form alias.");
    spec.stickiness = arguments.number("--stickiness", 0, 0.9);
  }
  if (arguments.has("--domains")) {
    spec.domains = static_cast<int>(arguments.integer("--domains", 1, 64));
  }
  spec.layers = static_cast<int>(arguments.integer("--layers", 1, 4096));
  return spec;
}

void read_model(const Arguments& arguments, RouteQuestion& q) {
  Library library(Library::find_root());
  if (arguments.has("MODEL")) {
    for (const char* option :
         {"--experts", "--top-k", "--score", "--groups", "--groups-kept", "--group-value"}) {
      if (!arguments.has(option)) continue;
      fail(std::string("MODEL and ") + option + " exclude each other; the model has its own gate.");
    }
    const LlmSpec model = library.model(arguments.text("MODEL"), {"tollgate route", 0, 0});
    q.ffn = moe_layer(model, arguments.text("--layer-kind"));
    q.name = model.name + ", " + q.ffn.name;
    q.width = q.ffn.latent > 0 ? q.ffn.latent : model.hidden;
    q.popularity = library.popularity(model.family);
  } else if (arguments.has("--experts")) {
    q.ffn = explicit_layer(arguments);
    q.popularity = library.popularity("");
  } else {
    fail("give a MODEL, or --experts N and --top-k K.");
  }
  if (arguments.has("--width")) {
    q.width = static_cast<int>(arguments.integer("--width", 1, 1 << 24));
  }
  q.popularity = with_overrides(q.popularity, q.routing);
  if (!q.ffn.router.hash) return;
  for (const char* option : {"--popularity", "--trace", "--form", "--domains"}) {
    if (!arguments.has(option)) continue;
    fail(q.name + " chooses experts by token id; " + option + " does not apply.");
  }
}

void read_steps(const Arguments& arguments, RouteQuestion& q) {
  q.prefill = arguments.text("--phase") == "prefill";
  if (!q.prefill && arguments.has("--prompt")) fail("--prompt goes with --phase prefill.");
  q.prompt = q.prefill ? static_cast<int>(arguments.integer("--prompt", 1, most_tokens)) : 1;
  q.tokens = arguments.integers("--tokens", 1, most_tokens);
  const int largest = *std::max_element(q.tokens.begin(), q.tokens.end());
  q.steps = arguments.has("--steps") ? static_cast<int>(arguments.integer("--steps", 1, 65536))
                                     : std::clamp(65536 / largest, 4, 256);
  const long long rows = 1LL * largest * q.steps * q.routing.layers;
  if (1LL * largest * q.steps > most_tokens || rows > most_rows) {
    fail("--tokens x --steps x --layers is " + std::to_string(rows) + ", more than the " +
         std::to_string(most_rows) + " that are routed per run (and " +
         std::to_string(most_tokens) + " per layer); take fewer --steps or --layers.");
  }
  q.routing.tokens = largest * q.steps;
  q.routing.law_tokens = largest;
}

void read_placement(const Arguments& arguments, RouteQuestion& q) {
  const std::string placement = arguments.text("--placement");
  q.plan.kind = placement == "eplb"      ? ExpertPlan::Kind::eplb
                : placement == "striped" ? ExpertPlan::Kind::striped
                                         : ExpertPlan::Kind::contiguous;
  q.plan.redundant = static_cast<int>(arguments.integer("--redundant", 0, kernels::kMaxSlots / 2));
  q.plan.plan_domains = static_cast<int>(arguments.integer("--plan-domains", 0, 64));
  q.plan.ranks_per_node =
      static_cast<int>(arguments.integer("--ranks-per-node", 1, kernels::kMaxRanks));
  const std::string mode = arguments.text("--eplb-mode");
  q.plan.mode = mode == "hierarchical" ? kernels::EplbMode::hierarchical
                : mode == "global"     ? kernels::EplbMode::global
                                       : kernels::EplbMode::automatic;
  for (const kernels::ReplicaChoice choice : kernels::replica_choices()) {
    if (arguments.text("--replica-choice") == name_of(choice)) q.choice = choice;
  }
  q.format =
      arguments.text("--precision") == "bf16" ? kernels::RowFormat::bf16 : kernels::RowFormat::fp8;
  q.ranks = arguments.integers("--ranks", 1, kernels::kMaxRanks);
  for (const int ranks : q.ranks) {
    if (ranks > q.ffn.experts + q.plan.redundant) {
      fail("--ranks is " + std::to_string(ranks) + ", but " + std::to_string(q.ffn.experts) +
           " experts and " + std::to_string(q.plan.redundant) +
           " redundant ones leave some without an expert; add --redundant.");
    }
    if (ranks > q.plan.ranks_per_node && ranks % q.plan.ranks_per_node != 0) {
      fail("--ranks is " + std::to_string(ranks) + ", which is not a whole number of nodes of " +
           std::to_string(q.plan.ranks_per_node) + " ranks; set --ranks-per-node.");
    }
  }
}

}  // namespace

std::int64_t RouteQuestion::dispatch_bytes() const {
  return width > 0 ? kernels::dispatch_row_bytes(mode(), format, width) : 0;
}
std::int64_t RouteQuestion::combine_bytes() const {
  return width > 0 ? kernels::combine_row_bytes(kernels::RowFormat::bf16, width) : 0;
}

RouteQuestion route_question(const Arguments& arguments) {
  RouteQuestion q;
  q.seed = static_cast<std::uint64_t>(arguments.integer("--seed", 0, 9'000'000'000'000'000));
  q.routing = routing_spec(arguments);
  read_model(arguments, q);
  read_steps(arguments, q);
  read_placement(arguments, q);
  q.capacity = capacity_of(arguments);
  return q;
}

std::vector<OptionHelp> route_question_options() {
  std::vector<std::string> choices;
  for (const kernels::ReplicaChoice choice : kernels::replica_choices()) {
    choices.emplace_back(name_of(choice));
  }
  return {
      {"--tokens", "", "LIST", "Tokens of one step over all ranks, such as 64,4096.", "256"},
      {"--ranks", "", "LIST", "Expert-parallel sizes, such as 8,32.", "8"},
      {"--phase",
       "",
       "PHASE",
       "decode: every token of another request, one copy per choice (low-latency transfer); "
       "prefill: runs of one request, one copy per rank and node (normal transfer).",
       "decode",
       {"decode", "prefill"}},
      {"--prompt", "", "N", "Tokens of one request in a row, for prefill.", "1024"},
      {"--layers", "", "N", "Independent layers; a trace brings its own.", "8"},
      {"--steps", "", "N", "Steps of every layer; left out: what 65,536 tokens make, 4 to 256."},
      {"--popularity",
       "",
       "KIND",
       "family: log-normal with the spread of the model's family; uniform; lognormal: the spread "
       "of --sigma; zipf, power_law: the law of --exponent; trace: a real router, of --trace.",
       "family",
       {"family", "uniform", "lognormal", "zipf", "power_law", "trace"}},
      {"--sigma", "", "S", "Standard deviation of the logarithm of expert popularity."},
      {"--exponent", "", "S", "Exponent of the law."},
      {"--trace", "", "PATH",
       "What serving engines record of routing: choices are replayed, counts, such as those of "
       "--dump, drawn again."},
      {"--domains", "", "N", "Kinds of traffic that are served; left out: the family's."},
      {"--form",
       "",
       "FORM",
       "logits: noise on every expert, through the gate; alias: experts drawn one after the other, "
       "sticky from token to token, without groups.",
       "logits",
       {"logits", "alias"}},
      {"--stickiness", "", "S", "Share of proposals that repeat an expert (alias form)."},
      {"--placement",
       "",
       "KIND",
       "Where experts sit: in blocks, dealt in turn, or planned by load on an earlier window.",
       "contiguous",
       {"contiguous", "striped", "eplb"}},
      {"--redundant", "", "N", "Replicas beyond one per expert, rounded up to whole slots.", "0"},
      {"--eplb-mode",
       "",
       "MODE",
       "hierarchical: groups of experts stay within a node; global: any expert anywhere; auto: the "
       "first where nodes divide the groups.",
       "auto",
       {"auto", "hierarchical", "global"}},
      {"--plan-domains", "", "N",
       "Kinds of traffic a plan is made from, if others than served; 0: as served.", "0"},
      {"--replica-choice", "", "RULE", "Which copy of a replicated expert a token goes to.",
       "rank-and-token", choices},
      {"--ranks-per-node", "", "N", "Ranks that share a machine.", "8"},
      {"--precision",
       "",
       "FORMAT",
       "Format of rows in dispatch (fp8 with a scale per 128 elements); combine is bf16.",
       "fp8",
       {"fp8", "bf16"}},
      {"--capacity", "", "FACTOR",
       "Also show what is dropped, in token order, if experts take so many times the even share of "
       "a step."},
      {"--capacity-rule",
       "",
       "RULE",
       "How the factor makes a capacity: ceil(F T / E) for top-1; ceil(F k T / E); k int(F ceil(T "
       "/ "
       "E)), with 0 the largest load and below 0 at most that.",
       "gshard",
       {"switch", "gshard", "tutel"}},
      {"--layer-kind", "", "NAME",
       "Which of the model's kinds of expert layers; left out: the one most layers are of."},
      {"--experts", "", "N", "Routed experts of a gate of one's own, instead of MODEL."},
      {"--top-k", "", "K", "Experts per token.", "1"},
      {"--score",
       "",
       "FUNCTION",
       "Score function of the gate.",
       "softmax",
       {"softmax", "sigmoid", "sqrt_softplus"}},
      {"--groups", "", "N", "Groups of experts.", "1"},
      {"--groups-kept", "", "N", "Groups that take part for a token; left out: all."},
      {"--group-value",
       "",
       "KIND",
       "How a group is valued: its best expert, or its two best.",
       "best",
       {"best", "top2"}},
      {"--width", "", "N", "Elements of a row on the wire; left out: the model's."},
      {"--seed", "", "N", "Seed of every random number.", "1"},
  };
}

}  // namespace tollgate
