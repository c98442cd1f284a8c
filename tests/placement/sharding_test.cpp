#include "sim/placement/sharding.h"

#include <gtest/gtest.h>

#include "sim/spec/architecture.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

Library library() { return Library(TOLLGATE_REPOSITORY "/models"); }

double elements(const std::vector<Matrix>& matrices) {
  double sum = 0;
  for (const Matrix& m : matrices) sum += m.elements();
  return sum;
}

std::vector<LlmSpec> open_models() {
  Library models = library();
  std::vector<LlmSpec> out;
  for (const std::string& name : models.names(Library::Shelf::llm)) {
    LlmSpec model = models.model(name, {});
    if (!model.closed) out.push_back(std::move(model));
  }
  return out;
}

// The two countings were written apart: architecture.cpp counts parameters, sharding.cpp lists the
// matrices that are multiplied. On one rank they must agree up to vectors and narrow convolutions.
TEST(sharding, matrices_of_one_rank_hold_the_weights_the_architecture_counts) {
  for (const LlmSpec& model : open_models()) {
    for (const AttentionSpec& a : model.attentions) {
      const double matrices = elements(attention_matrices(a, model.hidden, 1));
      const double counted = attention_weights(a, model.hidden).total();
      EXPECT_NEAR(matrices / counted, 1, 0.03) << model.name << " attention " << a.name;
    }
    for (const FfnSpec& f : model.ffns) {
      const FfnWeights counted = ffn_weights(f, model.hidden);
      if (f.kind == FfnKind::dense) {
        const auto matrices =
            dense_ffn_matrices(model.hidden, f.intermediate, f.gated, 1, TensorClass::dense_ffn);
        EXPECT_NEAR(elements(matrices) / counted.dense, 1, 0.001)
            << model.name << " ffn " << f.name;
      } else {
        EXPECT_NEAR(expert_elements(f, model.hidden) / counted.per_expert, 1, 0.002)
            << model.name << " ffn " << f.name;
      }
    }
  }
}

TEST(sharding, tensor_ranks_together_hold_no_less_than_one_rank_alone) {
  for (const LlmSpec& model : open_models()) {
    for (const AttentionSpec& a : model.attentions) {
      const double whole = elements(attention_matrices(a, model.hidden, 1));
      double previous = whole;
      for (const int tensor : {2, 4, 8}) {
        const double part = elements(attention_matrices(a, model.hidden, tensor));
        EXPECT_GE(part * tensor, whole * (1 - 1e-9)) << model.name << " " << a.name;
        EXPECT_LE(part, previous * (1 + 1e-9)) << model.name << " " << a.name;
        previous = part;
      }
    }
  }
}

TEST(sharding, kv_heads_are_replicated_when_there_are_fewer_than_ranks) {
  AttentionSpec a;
  a.kind = AttentionKind::gqa;
  a.heads = 64;
  a.kv_heads = 8;
  a.head_dim = 128;
  EXPECT_DOUBLE_EQ(cache_share(a, 1), 1);
  EXPECT_DOUBLE_EQ(cache_share(a, 8), 1.0 / 8);
  EXPECT_DOUBLE_EQ(cache_share(a, 16), 1.0 / 8);
}

TEST(sharding, a_latent_cache_is_whole_on_every_rank) {
  const LlmSpec model = library().model("DeepSeek-V3", {});
  EXPECT_DOUBLE_EQ(cache_share(model.attentions.front(), 8), 1);
}

}  // namespace
}  // namespace tollgate
