#include "sim/spec/disaggregation_schema.h"

#include "sim/base/text.h"

namespace tollgate {
namespace {

constexpr auto optional = Need::optional;

const Schema<PoolSpec>& pool_schema() {
  static const auto schema = [] {
    constexpr Range degree{1, 16384};
    Schema<PoolSpec> s("pool", "The engines of one pool; what is left out is the deployment's.");
    s.integer("instances", &PoolSpec::instances, optional, Range{1, 4096},
              "Engines in the pool; left out: as many as match the other pool with the fewest "
              "accelerators per token.");
    s.integer("gpus", &PoolSpec::gpus, optional, degree, "Accelerators of one engine.");
    s.integer("tensor", &PoolSpec::tensor, optional, degree, "Tensor-parallel size of attention.");
    s.integer("pipeline", &PoolSpec::pipeline, optional, degree, "Pipeline stages.");
    s.integer("expert", &PoolSpec::expert, optional, degree, "Expert-parallel size.");
    s.integer("data_attention", &PoolSpec::data_attention, optional, degree,
              "Data-parallel attention groups, each with its own KV cache.");
    s.integer("max_batch", &PoolSpec::max_batch, optional, Range{1, 1e6},
              "Most sequences in one engine.");
    s.integer("max_num_seqs", &PoolSpec::max_num_seqs, optional, Range{1, 1e6},
              "Sequences a data-parallel group may run at once.");
    s.integer("batched_tokens", &PoolSpec::batched_tokens, optional, Range{16, 1e6},
              "Token budget of one engine step.");
    return s;
  }();
  return schema;
}

const Schema<TransferSpec>& transfer_schema() {
  static const auto schema =
      Schema<TransferSpec>("transfer", "What the cache of a prompt is sent over.")
          .quantity("bandwidth", &TransferSpec::bandwidth, Dimension::bytes_per_second, optional,
                    positive,
                    "Of each accelerator in one direction; left out: the fast link where both "
                    "pools are in one domain, else the network card.")
          .quantity("latency", &TransferSpec::latency, Dimension::seconds, optional, not_negative,
                    "Of one prompt beside its bytes; left out: the link's.");
  return schema;
}

}  // namespace

const Schema<DisaggregationSpec>& disaggregation_schema() {
  static const auto schema = [] {
    Schema<DisaggregationSpec> s("disaggregation",
                                 "Prompts in one pool of engines, answers in another.");
    s.object("prefill", &DisaggregationSpec::prefill, pool_schema(), optional,
             "The engines that compute prompts.");
    s.object("decode", &DisaggregationSpec::decode, pool_schema(), optional,
             "The engines that generate answers.");
    s.object("transfer", &DisaggregationSpec::transfer, transfer_schema(), optional,
             "How the cache of a prompt gets from one to the other.");
    s.integer("most_instances", &DisaggregationSpec::most_instances, optional, Range{1, 256},
              "Most engines of a pool, where their number is chosen.");
    return s;
  }();
  return schema;
}

void read_disaggregation(const YamlNode& node, const std::string& path,
                         DeploymentSpec& deployment) {
  if (node.kind == YamlNode::Kind::scalar) {
    if (node.scalar != "auto" && node.scalar != "none") {
      throw InputError(node.place, path + " must be 'auto', 'none' or a mapping, but is " +
                                       quote(node.scalar) + ".");
    }
    deployment.disaggregation.reset();
    if (node.scalar == "auto") {
      deployment.disaggregation.emplace();
      deployment.disaggregation->places[""] = node.place;
    }
    return;
  }
  deployment.disaggregation = disaggregation_schema().read(
      node, path, deployment.disaggregation.value_or(DisaggregationSpec{}), true);
}

}  // namespace tollgate
