// tollgate validate: reading measured rows, mapping them to deployments, and the error figures.
#include "sim/study/validation.h"

#include <gtest/gtest.h>

#include "kernels/registry.h"

namespace tollgate {
namespace {

const std::string header =
    "id,model,system,backend,precision,mode,isl,osl,len_factor,concurrency,tp,attn_dp,moe_ep,"
    "prefill_workers,prefill_gpus,decode_workers,decode_gpus,mean_ttft_ms,mean_tpot_ms\n";

Library library() { return Library(std::string(TOLLGATE_REPOSITORY) + "/models"); }

Validation run(const std::string& rows, const RowFilter& where = {},
               const std::vector<std::string>& by = {}) {
  Library books = library();
  return validate(CsvTable::parse(header + rows, "m.csv"), where, by, books,
                  kernels::find_backend("tbb"));
}

std::string why_not(const std::string& row) {
  const Validation v = run(row + "\n");
  EXPECT_EQ(v.all.predicted, 0);
  return v.rows.at(0).note;
}

constexpr const char* llama =
    "a,meta-llama/Llama-3.1-70B-Instruct-FP8,h100_sxm,vllm,fp8,agg,1024,1024,0.9,64,4,1,1,,,,,700,"
    "20\n";

TEST(Validation, ReadsARowAndFindsModelDeviceAndEngine) {
  Library books = library();
  RowResolver resolver(books);
  const CsvTable table = CsvTable::parse(header + llama, "m.csv");
  const MeasuredRow row = measured_row(table, 0);
  EXPECT_DOUBLE_EQ(row.ttft, 0.7);
  const RowScenario s = resolver.resolve(row);
  ASSERT_EQ(s.why, "");
  EXPECT_EQ(s.model->name, "Llama-3.1-70B");
  EXPECT_EQ(s.hardware->name, "H100-SXM");
  EXPECT_EQ(s.engine->name, "vllm");
  EXPECT_EQ(s.precision.dense_ffn, Precision::fp8);
  EXPECT_EQ(s.precision.kv_cache, Precision::fp8);
  EXPECT_EQ(s.ranks.tensor, 4);
  // Uniform in 0.8 .. 1 of nominal has the mean 0.9 of nominal.
  EXPECT_NEAR(s.request.input.average(), 0.9 * 1024, 1);
}

// vLLM schedules asynchronously by default from 0.14 on; models/engines has an entry for before.
TEST(Validation, AnEngineIsThatOfTheVersionARowStates) {
  Library books = library();
  RowResolver resolver(books);
  const auto engine = [&](const std::string& backend, const std::string& version) {
    const CsvTable t = CsvTable::parse(
        "model,system,backend,backend_version,isl,osl,concurrency\nLlama-3.1-8B,h100_sxm," +
            backend + "," + version + ",100,100,4\n",
        "m.csv");
    return resolver.resolve(measured_row(t, 0)).engine;
  };
  EXPECT_FALSE(engine("vllm", "0.12.0")->async_scheduling);
  EXPECT_FALSE(engine("vllm", "0.13.1")->async_scheduling);
  EXPECT_TRUE(engine("vllm", "0.14.0")->async_scheduling);
  EXPECT_EQ(engine("vllm", "99.1")->name, "vllm");
  EXPECT_EQ(engine("vllm", "")->name, "vllm");
  EXPECT_EQ(engine("sglang", "nightly-dev-20260216")->name, "sglang");
  EXPECT_EQ(engine("trtllm", "1.0.0rc3")->name, "trtllm");
}

TEST(Validation, ARecipeCanNameKernelsAndACheckpointItsFormats) {
  Library books = library();
  RowResolver resolver(books);
  const auto resolve = [&](const std::string& model, const std::string& system,
                           const std::string& source) {
    const CsvTable t =
        CsvTable::parse("model,system,backend,isl,osl,concurrency,precision,source_class\n" +
                            model + "," + system + ",vllm,1024,1024,8,fp4," + source + "\n",
                        "m.csv");
    return resolver.resolve(measured_row(t, 0));
  };
  const RowScenario hopper = resolve("openai/gpt-oss-120b", "h200_sxm", "inferencex");
  const RowScenario again = resolve("openai/gpt-oss-120b", "h100_sxm", "inferencex");
  const RowScenario other = resolve("openai/gpt-oss-120b", "b200_sxm", "inferencex");
  EXPECT_EQ(hopper.engine, again.engine) << "one engine per set of kernels";
  EXPECT_NE(hopper.engine->name, other.engine->name);
  ASSERT_FALSE(hopper.engine->kernels.empty());
  EXPECT_EQ(hopper.engine->kernels.back().kernel, "marlin");
  EXPECT_EQ(resolve("openai/gpt-oss-120b", "b200_sxm", "inferencex").precision.kv_cache,
            Precision::fp8);
  EXPECT_EQ(resolve("nvidia/DeepSeek-R1-0528-NVFP4-v2", "b200_sxm", "").precision.attention,
            Precision::bf16);
}

// benchmarks/dsr1_fp4_b200_trt_slurm.sh of October 2025 chose the layout itself.
TEST(Validation, ARecipeOfItsDayCanChangeTheLayout) {
  Library books = library();
  RowResolver resolver(books);
  const auto ranks = [&](const std::string& day, int users) {
    const CsvTable t = CsvTable::parse(
        "model,system,backend,isl,osl,concurrency,precision,source_class,tp,measured\n"
        "deepseek-ai/DeepSeek-V3,b200_sxm,trtllm,8192,1024," +
            std::to_string(users) + ",fp4,inferencex,8," + day + "\n",
        "m.csv");
    return resolver.resolve(measured_row(t, 0)).ranks;
  };
  const Deployment apart = ranks("2025-11-02", 64);
  EXPECT_EQ(apart.data_attention, 8);
  EXPECT_EQ(apart.tensor, 1);
  EXPECT_EQ(apart.expert, 8);
  EXPECT_EQ(ranks("2025-11-02", 32).tensor, 8);
  EXPECT_EQ(ranks("2026-02-03", 64).tensor, 8);
  EXPECT_EQ(ranks("", 64).tensor, 8);
}

// 70.6 G weights x 2 FLOP x 100 tokens = 14 TFLOP of a prompt; an H100 has 1.98 PFLOP/s in fp8.
TEST(Validation, SetsRowsBeyondThePeakApart) {
  const auto row = [](const std::string& ttft, const std::string& tpot) {
    return "x,meta-llama/Llama-3.1-70B-Instruct-FP8,h100_sxm,vllm,fp8,agg,1000,100,1,1,1,1,1,,,,," +
           ttft + "," + tpot + "\n";
  };
  // 1000 prompt tokens take 69 ms at the peak.
  const Validation v = run(row("60", "40") + row("80", "40"));
  EXPECT_EQ(v.all.rows, 2);
  EXPECT_EQ(v.all.predicted, 1);
  EXPECT_FALSE(v.rows[0].predicted);
  EXPECT_NE(v.rows[0].note.find("TTFT needs 2.28"), std::string::npos) << v.rows[0].note;
  EXPECT_TRUE(v.rows[1].predicted);
  // 512 requests of 1100 tokens in 1.1 s.
  const Validation rate =
      run("x,meta-llama/Llama-3.1-70B-Instruct-FP8,h100_sxm,vllm,fp8,agg,1000,100,1,512,1,1,1,,,,,"
          "1000,1\n");
  EXPECT_NE(rate.rows[0].note.find("rate needs"), std::string::npos) << rate.rows[0].note;
}

TEST(Validation, DaysAndNumbersOfRequestsAreReadOrRefused) {
  const auto note = [](const std::string& day, const std::string& requests) {
    Library books = library();
    const CsvTable t = CsvTable::parse(
        "model,system,backend,isl,osl,concurrency,measured,requests,mean_ttft_ms,mean_tpot_ms\n"
        "Llama-3.1-8B,h100_sxm,vllm,100,100,4," +
            day + "," + requests + ",50,10\n",
        "m.csv");
    return validate(t, {}, {}, books, kernels::find_backend("tbb")).rows.at(0).note;
  };
  EXPECT_EQ(note("2026-01-31", "40"), "");
  EXPECT_NE(note("31.1.2026", "40").find("m.csv:2:7: measured is '31.1.2026', no day"),
            std::string::npos)
      << note("31.1.2026", "40");
  EXPECT_NE(note("", "0.4").find("requests is 0.4, not a whole number"), std::string::npos);
}

/// A stated rate is that of the whole run, which fills and drains: below Little's law.
TEST(Validation, AStatedRateIsHeldAgainstTheWholeRun) {
  Library books = library();
  const CsvTable t = CsvTable::parse(
      "model,system,backend,isl,osl,concurrency,requests,mean_ttft_ms,mean_tpot_ms,output_tok_s_gpu"
      "\nLlama-3.1-8B,h100_sxm,vllm,500,500,16,16,50,10,1000\n"
      "Llama-3.1-8B,h100_sxm,vllm,500,500,16,16,50,10,\n",
      "m.csv");
  const Validation v = validate(t, {}, {}, books, kernels::find_backend("tbb"));
  EXPECT_DOUBLE_EQ(v.rows[0].row.throughput, 1000);
  EXPECT_EQ(v.rows[0].tpot.value, v.rows[1].tpot.value);
  EXPECT_LT(v.rows[0].throughput.value, v.rows[1].throughput.value);
}

/// Which options of models/recipes/nvidia_internal.yaml a row gets: by its release and by its
/// lengths, and only from its source.
TEST(Validation, ARecipeKnowsTheReleaseAndTheClient) {
  Library books = library();
  const std::string head =
      "model,system,backend,backend_version,isl,osl,concurrency,source_class\nLlama-3.1-8B,h100_"
      "sxm,";
  const auto predict = [&](const std::string& row) {
    const CsvTable table = CsvTable::parse(head + row + "\n", "m.csv");
    return validate(table, {}, {}, books, kernels::find_backend("tbb")).rows.at(0);
  };
  // 24 users are no captured batch of 1.3.0rc1, 32 are one.
  const auto tpot = [&](const char* version, int users) {
    return predict("trtllm," + std::string(version) + ",1024,256," + std::to_string(users) +
                   ",nvidia_internal")
        .tpot.value;
  };
  EXPECT_GT(tpot("1.3.0rc1", 24), 1.5 * tpot("1.3.0rc5", 24));
  EXPECT_LT(tpot("1.3.0rc1", 32), 1.4 * tpot("1.3.0rc5", 32));
  EXPECT_GT(tpot("1.3.0rc1", 24), tpot("1.3.0rc1", 32));
  // Prompts of thousands of tokens come from the client that repeats them; sampling is of both.
  const RowPrediction repeated = predict("vllm,0.12.0,4000,256,32,nvidia_internal"),
                      fresh = predict("vllm,0.12.0,4096,256,32,nvidia_internal"),
                      elsewhere = predict("vllm,0.12.0,4096,256,32,inferencex"),
                      plain = predict("vllm,0.12.0,4000,256,32,");
  EXPECT_LT(repeated.ttft.value, 0.5 * fresh.ttft.value);
  EXPECT_LT(repeated.tpot.value, 0.8 * fresh.tpot.value);
  EXPECT_GT(plain.ttft.value, 2 * repeated.ttft.value) << "no source, no recipe";
  EXPECT_GT(fresh.tpot.value, elsewhere.tpot.value + 1e-3 * 32 * 128256 * 150e-9)
      << "sorting 32 rows of 128256 logits, and a smaller token budget";
}

// 1536 / 8 = 192 is one and a half blocks of 128, 1536 / 4 = 384 three.
TEST(Validation, ExpertsAreSplitByRankWhereASliceHoldsNoWholeBlocks) {
  Library books = library();
  RowResolver resolver(books);
  const auto ranks = [&](const std::string& model, const std::string& precision, int tensor) {
    const CsvTable t = CsvTable::parse(
        "model,system,backend,isl,osl,concurrency,precision,tp,moe_ep\n" + model +
            ",h200_sxm,vllm,1024,1024,8," + precision + "," + std::to_string(tensor) + ",1\n",
        "m.csv");
    return resolver.resolve(measured_row(t, 0)).ranks.expert;
  };
  EXPECT_EQ(ranks("MiniMaxAI/MiniMax-M2.5", "fp8", 8), 8);
  EXPECT_EQ(ranks("MiniMaxAI/MiniMax-M2.5", "fp8", 4), 1);
  EXPECT_EQ(ranks("Qwen/Qwen3-235B-A22B", "bf16", 8), 1) << "no scales";
  EXPECT_EQ(ranks("deepseek-ai/DeepSeek-V3", "fp8", 8), 1);
}

TEST(Validation, TheLongestModelNameWins) {
  Library books = library();
  RowResolver resolver(books);
  const auto model = [&](const std::string& written) {
    const CsvTable t = CsvTable::parse(
        header + "a," + written + ",b200_sxm,sglang,fp8,agg,1024,1024,1,8,8,1,1,,,,,1,1\n",
        "m.csv");
    return resolver.resolve(measured_row(t, 0)).model->name;
  };
  EXPECT_EQ(model("nvidia/DeepSeek-V3.2-NVFP4"), "DeepSeek-V3.2");
  EXPECT_EQ(model("deepseek-ai/DeepSeek-V3-0324"), "DeepSeek-V3");
  EXPECT_EQ(model("zai-org/GLM-5.1-FP8"), "GLM-5.1");
  EXPECT_EQ(model("Qwen/Qwen3.5-397B-A17B"), "Qwen3.5-397B-A17B");
}

TEST(Validation, ARowThatCannotBePredictedSaysWhyAndTheRestGoesOn) {
  EXPECT_EQ(why_not("a,No-Such-1B,h100_sxm,vllm,,agg,10,10,1,1,1,1,1,,,,,1,1"),
            "no model of models/llm is called 'No-Such-1B'");
  EXPECT_EQ(why_not("a,Llama-3.1-8B,z80,vllm,,agg,10,10,1,1,1,1,1,,,,,1,1"),
            "no device of models/hardware is called 'z80'");
  EXPECT_EQ(why_not("a,Llama-3.1-8B,h100_sxm,tgi,,agg,10,10,1,1,1,1,1,,,,,1,1"),
            "no engine of models/engines is called 'tgi'");
  EXPECT_EQ(why_not("a,Llama-3.1-8B,h100_sxm,vllm,,agg,10,10,1,1,3,1,1,,,,,1,1"),
            "tp 3 does not divide the 32 heads of Llama-3.1-8B");
  EXPECT_EQ(why_not("a,Llama-3.1-8B,h100_sxm,vllm,,disagg,10,10,1,1,,,,,,,,1,1"),
            "the row does not say how many workers and GPUs prefill and decode have");
  EXPECT_EQ(why_not("a,Llama-3.1-8B,h100_sxm,vllm,,agg,x,10,1,1,1,1,1,,,,,1,1"),
            "m.csv:2:7: isl is 'x', not a number from 0 on.");
  EXPECT_EQ(why_not("a,Llama-3.1-8B,h100_sxm,vllm,,agg,10,10,1,0,1,1,1,,,,,1,1"),
            "m.csv:2:10: concurrency must be above 0.");
  const Validation v =
      run(std::string("x,Nope,h100_sxm,vllm,,agg,10,10,1,1,1,1,1,,,,,1,1\n") + llama);
  EXPECT_EQ(v.all.rows, 2);
  EXPECT_EQ(v.all.predicted, 1);
}

TEST(Validation, SizesThatCannotBeAreReported) {
  EXPECT_EQ(why_not("a,Llama-3.1-8B,h100_sxm,vllm,,agg,10,10,1,1,2.5,1,1,,,,,1,1"),
            "m.csv:2:11: tp is 2.5, not a whole number up to 16384.");
  EXPECT_EQ(why_not("a,Llama-3.1-8B,h100_sxm,vllm,,agg,10,10,1,1,99999,1,1,,,,,1,1"),
            "m.csv:2:11: tp is 99999, not a whole number up to 16384.");
  EXPECT_EQ(why_not("a,DeepSeek-V3,h200_sxm,vllm,fp8,agg,10,10,1,1,8,1,3,,,,,1,1"),
            "moe_ep 3 does not divide tp x attn_dp = 8");
  EXPECT_EQ(why_not("a,Llama-3.1-8B,h100_sxm,vllm,,agg,10,200000,1,1,1,1,1,,,,,1,1"),
            "isl + osl exceeds the context of Llama-3.1-8B");
  EXPECT_EQ(why_not("a,DeepSeek-V3,b200_sxm,sglang,fp8,disagg,10,10,1,4,,,,2,1,1,8,1,1"),
            "the row does not say how many workers and GPUs prefill and decode have");
}

TEST(Validation, MoreColumnsAndFewerAreFine) {
  Library books = library();
  const CsvTable table = CsvTable::parse(
      "colour,model,hardware,isl,osl,concurrency\nred,Llama-3.1-8B,H100-SXM,100,20,2\n", "m.csv");
  const Validation v = validate(table, {}, {"colour"}, books, kernels::find_backend("tbb"));
  EXPECT_EQ(v.all.predicted, 1);
  EXPECT_EQ(v.all.tpot.rows, 0) << "nothing was measured";
  EXPECT_GT(v.rows.at(0).throughput.value, 0);
}

/// Drafts of a multi-token prediction module make steps longer and answers shorter.
TEST(Validation, DraftsShortenAnswers) {
  Library books = library();
  const std::string head =
      "model,system,backend,precision,isl,osl,len_factor,concurrency,tp,moe_ep,source_class,"
      "spec_decoding\n";
  const auto tpot = [&](const std::string& model, const std::string& drafts) {
    const std::string row = model + ",b200_sxm,sglang,fp8,1024,256,0.9,4,8,1,inferencex," + drafts;
    const Validation v = validate(CsvTable::parse(head + row + "\n", "m.csv"), {}, {}, books,
                                  kernels::find_backend("tbb"));
    return v.rows.at(0);
  };
  const RowPrediction plain = tpot("DeepSeek-R1", "none"), drafted = tpot("DeepSeek-R1", "mtp");
  ASSERT_TRUE(drafted.predicted);
  EXPECT_LT(drafted.tpot.value, 0.9 * plain.tpot.value);
  EXPECT_GT(drafted.tpot.value, plain.tpot.value / 2.27) << "drafting and verifying take time";
  EXPECT_NE(drafted.note.find("2 draft tokens, 2.27 tokens per step"), std::string::npos);
  EXPECT_EQ(tpot("Llama-3.1-8B", "mtp").note, "Llama-3.1-8B has no multi-token prediction module");
}

/// Little's law: requests in flight are the rate times the lifetime.
TEST(Validation, ThroughputIsThatOfTheClosedLoop) {
  MeasuredRow row;
  row.mode = "agg";
  row.concurrency = 64;
  row.output = 1000;
  row.length_factor = 0.9;
  row.tensor = 4;
  EXPECT_NEAR(output_rate(row, 1, 0.02) * 4 * (1 + 0.02 * 899), 64 * 900, 1e-6);
  EXPECT_EQ(output_rate(row, 0, 0.02), 0);
}

TEST(Validation, ATableWithoutWhatItNeedsIsAnError) {
  Library books = library();
  const auto& backend = kernels::find_backend("tbb");
  EXPECT_THROW(validate(CsvTable::parse("model,isl,osl\na,1,1\n", "m.csv"), {}, {}, books, backend),
               InputError);
  EXPECT_THROW(run(llama, {{"nothing", {"1"}}}), InputError);
  EXPECT_THROW(run(llama, {}, {"nothing"}), InputError);
}

/// The figures against a hand count over three rows.
TEST(Validation, ErrorFiguresAreWhatTheySay) {
  std::vector<RowPrediction> rows(4);
  const double predicted[] = {1.1, 0.8, 1.5, 9}, measured[] = {1, 1, 1, 0};
  std::vector<const RowPrediction*> pointers;
  for (int i = 0; i < 4; ++i) {
    rows[static_cast<std::size_t>(i)].predicted = true;
    rows[static_cast<std::size_t>(i)].tpot = {predicted[i], 0.7 * predicted[i], 1.3 * predicted[i]};
    rows[static_cast<std::size_t>(i)].row.tpot = measured[i];
    pointers.push_back(&rows[static_cast<std::size_t>(i)]);
  }
  const ErrorSummary e = summarise_errors(pointers, &RowPrediction::tpot, &MeasuredRow::tpot);
  EXPECT_EQ(e.rows, 3) << "a row without a measurement does not count";
  EXPECT_NEAR(e.mape, (0.1 + 0.2 + 0.5) / 3, 1e-12);
  EXPECT_NEAR(e.median_ape, 0.2, 1e-12);
  EXPECT_NEAR(e.p90_ape, 0.5, 1e-12);
  EXPECT_NEAR(e.bias, 0.1, 1e-12);
  EXPECT_NEAR(e.coverage, 2.0 / 3, 1e-12);
}

TEST(Validation, GroupsAndFilters) {
  std::string rows;
  for (const char* concurrency : {"4", "16", "64"}) {
    rows += std::string("a,Llama-3.1-8B,h100_sxm,vllm,,agg,1024,256,1,") + concurrency +
            ",1,1,1,,,,,100,10\n";
    rows += std::string("b,Llama-3.1-8B,h200_sxm,vllm,,agg,1024,256,1,") + concurrency +
            ",1,1,1,,,,,100,10\n";
  }
  const Validation v = run(rows, {}, {"system"});
  ASSERT_EQ(v.groups.size(), 2u);
  EXPECT_EQ(v.groups[0].key, std::vector<std::string>{"h100_sxm"});
  EXPECT_EQ(v.groups[0].rows, 3);
  EXPECT_EQ(run(rows, {{"system", {"h200_sxm"}}, {"concurrency", {"16", "17"}}}).all.rows, 1);
  // More requests in flight on the same device answer slower, and a faster memory is faster.
  EXPECT_LT(v.rows[0].tpot.value, v.rows[2].tpot.value);
  EXPECT_LT(v.rows[2].tpot.value, v.rows[4].tpot.value);
  EXPECT_LT(v.rows[1].tpot.value, v.rows[0].tpot.value);
}

TEST(Validation, SplitWorkersPredictBothLatencies) {
  const std::string start = "a,DeepSeek-V3,b200_sxm,sglang,fp8,disagg,8192,1024,0.9,";
  const Validation v =
      run(start + "64,,,,2,16,1,8,1000,20\n" + start + "512,,,,2,16,1,8,1000,20\n");
  ASSERT_EQ(v.all.predicted, 2);
  for (const RowPrediction& p : v.rows) {
    EXPECT_GT(p.ttft.value, 0);
    EXPECT_GT(p.tpot.value, 0);
    EXPECT_LE(p.tpot.low, p.tpot.value);
    EXPECT_GE(p.tpot.high, p.tpot.value);
  }
  EXPECT_LT(v.rows[0].ttft.value, v.rows[1].ttft.value);
}

}  // namespace
}  // namespace tollgate
