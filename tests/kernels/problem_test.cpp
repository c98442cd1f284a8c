// Proves: problems that make no sense are refused with a sentence that names the number at fault.

#include "kernels/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "kernels/registry.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

void expect_refused(const std::function<void(RoutingProblem&)>& spoil, const std::string& says) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::sigmoid, 8), 256);
  spoil(problem);
  for (const char* name : {"reference", "tbb"}) {
    try {
      find_backend(name).route(problem);
      ADD_FAILURE() << name << " accepted: " << says;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(says), EndsWith(".")));
    }
  }
}

TEST(Problem, AllTestProblemsAreValid) {
  for (const NamedProblem& p : all_problems()) EXPECT_NO_THROW(validate(p.problem)) << p.name;
}

TEST(Problem, RefusesBadGates) {
  expect_refused([](auto& p) { p.gate.top_k = 257; }, "top_k is 257, but there are only 256");
  expect_refused([](auto& p) { p.gate.top_k = 0; }, "top_k is 0");
  expect_refused([](auto& p) { p.gate.top_k = -1; }, "top_k is -1");
  expect_refused([](auto& p) { p.gate.top_k = 33; }, "at most 32");
  expect_refused([](auto& p) { p.gate.groups = 3; }, "3 groups do not divide the 256");
  expect_refused([](auto& p) { p.gate.groups = 0; }, "0 groups");
  expect_refused([](auto& p) { p.gate.groups_kept = 2; }, "keeps 2 of 1");
  expect_refused(
      [](auto& p) { p.gate = grouped_gate(ScoreFunction::sigmoid, 8, 64, 1, GroupReduce::max); },
      "hold only 4 experts");
  expect_refused(
      [](auto& p) {
        p.gate = grouped_gate(ScoreFunction::sigmoid, 8, 64, 32, GroupReduce::top2_sum);
        p.experts = 64;
      },
      "a group holds only one");
  expect_refused(
      [](auto& p) {
        p.gate.groups = p.gate.groups_kept = 16;
        p.gate.each_group = true;
      },
      "from each of 16 groups");
  expect_refused([](auto& p) { p.gate.zero_experts = -1; }, "-1 zero experts");
  expect_refused([](auto& p) { p.gate.zero_experts = 769; }, "0 to 768");
  expect_refused(
      [](auto& p) {
        p.experts = 4;
        p.gate.zero_experts = 3;
      },
      "only 7 experts, zero experts included");
  expect_refused([](auto& p) { p.gate.shared_slots = -1; }, "-1 shared slots");
  expect_refused([](auto& p) { p.gate.shared_slots = 65; }, "0 to 64");
  expect_refused([](auto& p) { p.gate.scale = 0; }, "scale is 0");
  expect_refused([](auto& p) { p.gate.scale = std::nan(""); }, "scale is");
}

TEST(Problem, RefusesBadHashRouting) {
  const auto hash = [](auto& p) {
    p.gate = gate_spec(ScoreFunction::sqrt_softplus, 2);
    p.gate.hash = true;
    p.hash.vocabulary = 3;
  };
  expect_refused([](auto& p) { p.hash.table = {1}; }, "does not choose by token id");
  expect_refused(
      [&](auto& p) {
        hash(p);
        p.hash.vocabulary = 0;
      },
      "0 token ids");
  expect_refused(
      [&](auto& p) {
        hash(p);
        p.gate.groups = p.gate.groups_kept = 2;
      },
      "takes no groups");
  expect_refused(
      [&](auto& p) {
        hash(p);
        p.hash.table = {1, 2, 3, 4, 5};
      },
      "5 entries");
  expect_refused(
      [&](auto& p) {
        hash(p);
        p.hash.table = {1, 2, 3, 4, 5, 256};
      },
      "expert 256");
  expect_refused(
      [&](auto& p) {
        hash(p);
        p.hash.table = {1, 2, 3, 4, 5, 5};
      },
      "expert 5 twice in row 2");
}

TEST(Problem, RefusesBadSizes) {
  expect_refused([](auto& p) { p.experts = 0; }, "experts is 0");
  expect_refused([](auto& p) { p.experts = 1025; }, "1 to 1024");
  expect_refused([](auto& p) { p.tokens = 0; }, "tokens is 0");
  expect_refused([](auto& p) { p.tokens = -5; }, "tokens is -5");
  expect_refused([](auto& p) { p.tokens = 2147483647; }, "must be 1 to 2^24");
  expect_refused([](auto& p) { p.tokens = static_cast<int>(2147483648u); }, "must be 1 to 2^24");
  expect_refused(
      [](auto& p) {
        p.layers = 4096;
        p.tokens = 1 << 24;
      },
      "at most 2^32 are routed in one call");
  expect_refused([](auto& p) { p.layers = 0; }, "layers is 0");
  expect_refused([](auto& p) { p.batch_sizes = {0}; }, "batch size is 0");
  expect_refused([](auto& p) { p.batch_sizes = {701}; }, "1 to the 700 tokens");
  expect_refused([](auto& p) { p.rank_counts = {0}; }, "rank count is 0");
  expect_refused([](auto& p) { p.rank_counts = {257}; }, "1 to the 256 experts");
}

TEST(Problem, RefusesBadPopularity) {
  expect_refused([](auto& p) { p.popularity.sigma_global = -1; }, "sigma is -1");
  expect_refused([](auto& p) { p.popularity.sigma_topic = std::nan(""); }, "sigma is");
  expect_refused([](auto& p) { p.popularity.domains = 0; }, "0 domains");
  expect_refused([](auto& p) { p.popularity.topics = 5000; }, "5000 topics");
  expect_refused([](auto& p) { p.popularity.tokens_per_sequence = 0; }, "0 tokens per sequence");
  expect_refused(
      [](auto& p) {
        p.layers = 4096;
        p.popularity.domains = 4096;
      },
      "2^26");
}

TEST(Problem, RefusesBadBias) {
  expect_refused([](auto& p) { p.bias.assign(256, 0); }, "takes none");
  expect_refused(
      [](auto& p) {
        p.gate.bias = BiasMode::on_score;
        p.bias.assign(255, 0);
      },
      "255 values");
  expect_refused(
      [](auto& p) {
        p.gate.bias = BiasMode::on_score;
        p.bias.assign(256, 17 << kScoreFraction);
      },
      "between -16 and 16");
  expect_refused(
      [](auto& p) {
        p.gate.bias = BiasMode::on_logit;
        p.bias.assign(256, 17 << kLogitFraction);
      },
      "between -16 and 16");
  expect_refused(
      [](auto& p) {
        p.gate.score = ScoreFunction::softmax;
        p.gate.bias = BiasMode::on_score;
        p.bias.assign(256, 1 << kSoftmaxFraction);
      },
      "between -1 and 1, both excluded");
  expect_refused(
      [](auto& p) {
        p.gate.bias = BiasMode::on_score;
        p.gate.zero_experts = 4;
        p.bias.assign(256, 0);
      },
      "must have one per expert (260)");
}

}  // namespace
}  // namespace tollgate::kernels
