// One source of routed windows: every kind of it, and what tables make of them.

#include "sim/timing/routing_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/registry.h"
#include "sim/spec/library.h"
#include "sim/timing/routing_table.h"

namespace tollgate {
namespace {

struct Layer {
  FfnSpec ffn;
  FamilyPopularity popularity;
  explicit Layer(const char* model_name) {
    Library library(TOLLGATE_REPOSITORY "/models");
    const LlmSpec model = library.model(model_name, {});
    popularity = library.popularity(model.family);
    for (const FfnSpec& f : model.ffns) {
      if (f.kind == FfnKind::moe) ffn = f;
    }
  }
  RoutingSource source(const RoutingSpec& spec, const char* backend = "tbb") const {
    return {ffn, with_overrides(popularity, spec), spec, 5, kernels::find_backend(backend)};
  }
};

RoutingSpec of(RoutingSpec::Popularity popularity, double number = 1) {
  RoutingSpec spec;
  spec.popularity = popularity;
  spec.sigma = spec.exponent = number;
  spec.layers = 2;
  return spec;
}

/// Tokens of the fullest expert over the mean, of layer 0.
double skew(const kernels::RoutedWindow& window) {
  const auto counts = kernels::count_experts(window.selections(), window.experts);
  const double mean = static_cast<double>(window.tokens) * window.top_k / window.experts;
  return static_cast<double>(*std::max_element(counts.begin(), counts.begin() + window.experts)) /
         mean;
}

TEST(routing_source, every_popularity_and_form_gives_valid_windows) {
  const Layer olmoe("OLMoE-1B-7B");
  using P = RoutingSpec::Popularity;
  for (const auto form : {RoutingSpec::Form::logits, RoutingSpec::Form::alias}) {
    for (const P popularity : {P::family, P::uniform, P::lognormal, P::zipf, P::power_law}) {
      RoutingSpec spec = of(popularity);
      spec.form = form;
      const kernels::RoutedWindow window = olmoe.source(spec).window({512, 1});
      ASSERT_EQ(window.ids.size(), 2u * 512 * 8);
      for (std::size_t i = 0; i < window.ids.size(); i += 8) {
        const std::set<int> chosen(window.ids.begin() + static_cast<std::ptrdiff_t>(i),
                                   window.ids.begin() + static_cast<std::ptrdiff_t>(i) + 8);
        ASSERT_EQ(chosen.size(), 8u);
        ASSERT_LT(*chosen.rbegin(), 64);
      }
      // 64 counts of 64 +- 8 have a largest of about 64 + 2.4 x 8: below 1.6 even at 4.8 sigma.
      if (popularity == P::uniform) {
        EXPECT_LT(skew(window), 1.6);
      } else {
        EXPECT_GT(skew(window), 1.6);
      }
    }
  }
}

TEST(routing_source, both_forms_have_the_same_popularity) {
  // Without stickiness, layer jitter and groups the two are the same distribution: the loads of the
  // experts of one law (Zipf, drawn from the same weights) agree.
  const Layer olmoe("OLMoE-1B-7B");
  RoutingSpec spec = of(RoutingSpec::Popularity::zipf, 0.8);
  spec.stickiness = 0;
  constexpr int tokens = 16384;
  const auto counts = [&](RoutingSpec::Form form) {
    spec.form = form;
    const auto window = olmoe.source(spec).window({tokens, 1});
    return kernels::count_experts(window.selections(), 64);
  };
  const auto a = counts(RoutingSpec::Form::logits), b = counts(RoutingSpec::Form::alias);
  for (std::size_t e = 0; e < a.size(); ++e) {
    const double p = static_cast<double>(a[e] + b[e]) / (2.0 * tokens);
    // Difference of two counts, 128 of them: 5.5 sigma.
    EXPECT_NEAR(static_cast<double>(a[e] - b[e]), 0, 5.5 * std::sqrt(2 * tokens * p * (1 - p)))
        << e;
  }
}

TEST(routing_source, groups_hold_for_given_popularity) {
  const Layer v3("DeepSeek-V3");
  const auto window = v3.source(of(RoutingSpec::Popularity::zipf)).window({256, 1});
  for (std::size_t i = 0; i < window.ids.size(); i += 8) {
    std::set<int> groups;
    for (std::size_t k = i; k < i + 8; ++k) groups.insert(window.ids[k] / 32);
    ASSERT_LE(groups.size(), 4u);
  }
}

TEST(routing_source, windows_do_not_depend_on_the_backend_and_differ_by_stream) {
  const Layer v3("DeepSeek-V3");
  for (const auto popularity : {RoutingSpec::Popularity::family, RoutingSpec::Popularity::zipf}) {
    const RoutingSpec spec = of(popularity);
    const auto a = v3.source(spec, "reference").window({128, 1, 0});
    EXPECT_EQ(a.ids, v3.source(spec, "tbb").window({128, 1, 0}).ids);
    EXPECT_NE(a.ids, v3.source(spec, "tbb").window({128, 1, 1}).ids);
  }
}

TEST(routing_source, hash_routed_layers_are_uniform_whatever_the_family) {
  Layer v4("DeepSeek-V4-Flash");
  v4.ffn.router.hash = true;
  EXPECT_LT(skew(v4.source(of(RoutingSpec::Popularity::family)).window({8192, 1})), 1.35);
}

TEST(routing_source, the_alias_form_refuses_groups) {
  RoutingSpec spec = of(RoutingSpec::Popularity::family);
  spec.form = RoutingSpec::Form::alias;
  EXPECT_THROW(Layer("DeepSeek-V3").source(spec), InputError);
}

TEST(popularity_table, every_family_of_a_mixture_has_a_grade_and_overrides_count) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const FamilyPopularity& v2 = library.popularity("deepseek-v2");
  EXPECT_EQ(v2.confidence, Provenance::fitted);
  EXPECT_DOUBLE_EQ(v2.sigma_domain, 0.72);
  EXPECT_DOUBLE_EQ(v2.stickiness, 0.16);
  EXPECT_STREQ(grade_of(v2.confidence), "fitted");
  EXPECT_STREQ(grade_of(library.popularity("deepseek-v3").confidence), "scaled");
  EXPECT_EQ(library.popularity("never heard of").family, "other");
  EXPECT_STREQ(grade_of(library.popularity("other").confidence), "guessed");
  EXPECT_EQ(library.files_read().count("routing/families.yaml"), 1u) << "part of the digest";
  RoutingSpec spec;
  spec.sigma_domain = 0.1;
  spec.domains = 1;
  const FamilyPopularity changed = with_overrides(v2, spec);
  EXPECT_DOUBLE_EQ(changed.sigma_domain, 0.1);
  EXPECT_DOUBLE_EQ(changed.sigma_global, v2.sigma_global);
  EXPECT_EQ(changed.domains, 1);
  EXPECT_STREQ(grade_of(changed.confidence), "given");
}

TEST(routing_table, replicas_are_read_everywhere_and_are_not_imbalance) {
  const Layer v3("DeepSeek-V3");
  RoutingSpec spec = of(RoutingSpec::Popularity::family);
  spec.tokens = 4096;
  const ExpertPlan plan{ExpertPlan::Kind::eplb, 32, 0, 8};
  const auto table = make_routing_tables(v3.ffn, v3.popularity, spec, 1, {32},
                                         kernels::find_backend("tbb"), 1, plan)
                         .front();
  // At 4096 tokens every expert is chosen, and so is each of its copies.
  const RoutingTable::Point p = table.at(4096);
  EXPECT_EQ(p.distinct, 256);
  EXPECT_EQ(p.slots_read, 288);
  EXPECT_EQ(p.rank_distinct, 9);
}

TEST(routing_table, steps_at_a_percentile_are_ordered) {
  const Layer v3("DeepSeek-V3");
  RoutingSpec spec = of(RoutingSpec::Popularity::family);
  spec.layers = 8;
  const auto table =
      make_routing_tables(v3.ffn, v3.popularity, spec, 1, {16}, kernels::find_backend("tbb"))
          .front();
  for (const double tokens : {64.0, 512.0, 1500.0}) {
    const double mean = table.at(tokens).busiest_ratio;
    const double p50 = table.of_step(RoutingTable::Step::p50).at(tokens).busiest_ratio;
    const double p95 = table.of_step(RoutingTable::Step::p95).at(tokens).busiest_ratio;
    EXPECT_LT(p50, p95) << tokens;
    EXPECT_LT(mean, p95) << tokens;
    // Averaged over layers, steps differ less than single layers do.
    EXPECT_LE(p95, table.at(tokens).busiest_ratio_p95) << tokens;
  }
}

TEST(routing_table, prompts_that_share_a_rank_travel_once) {
  const Layer v3("DeepSeek-V3");
  RoutingSpec spec = of(RoutingSpec::Popularity::lognormal, 2);
  const auto table =
      make_routing_tables(v3.ffn, v3.popularity, spec, 1, {8}, kernels::find_backend("tbb"), 1024)
          .front();
  // Several of a token's eight choices fall on the busiest rank and make one copy.
  EXPECT_LT(table.at(4096).link_ratio, table.at(4096).busiest_ratio);
  EXPECT_GE(table.at(4096).link_ratio, 1);
}

}  // namespace
}  // namespace tollgate
