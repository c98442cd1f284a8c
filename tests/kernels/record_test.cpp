// Proves: every recorded format gives the choices or counts that were put into it, and whatever is
// wrong with a file is said in one sentence with a place.

#include "kernels/trace/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tuple>

#include "kernels/trace/routed_experts.h"
#include "tests/kernels/record_files.h"

namespace tollgate::kernels {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

RoutingRecord parse(const std::string& bytes, int experts = 8, int top_k = 2) {
  return parse_record(bytes, "file", experts, top_k);
}

std::string refusal(const std::string& bytes, int experts = 8, int top_k = 2) {
  try {
    parse(bytes, experts, top_k);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

// Two tokens and two layers of choices, [token][layer][slot], and the same with a dense layer
// before them.
const std::vector<std::int64_t> kChoices = {1, 2, 3, 4, 5, 6, 7, 0};
const std::vector<std::int64_t> kWithDense = {0, 0, 1, 2, 3, 4, 0, 0, 5, 6, 7, 0};

void expect_choices(const RoutingRecord& record) {
  ASSERT_TRUE(record.trace.has_value());
  EXPECT_FALSE(record.counts.has_value());
  EXPECT_EQ(record.trace->layers, 2);
  EXPECT_EQ(record.trace->experts, 8);
  EXPECT_EQ(record.trace->top_k, 2);
  EXPECT_THAT(record.trace->ids, ElementsAre(1, 2, 5, 6, 3, 4, 7, 0));  // [layer][token][slot]
}

TEST(Record, ReadsNpyOfEveryIntegerType) {
  for (const auto& [type, size] : {std::pair{"|u1", 1},
                                   {"|i1", 1},
                                   {"<u2", 2},
                                   {"<i2", 2},
                                   {"<u4", 4},
                                   {"<i4", 4},
                                   {"<u8", 8},
                                   {"<i8", 8}}) {
    const RoutingRecord record = parse(npy(type, "2, 2, 2", packed(kChoices, size)));
    expect_choices(record);
    EXPECT_EQ(record.format, RecordFormat::vllm_routed_experts);
    EXPECT_EQ(record.description,
              "array of choices of 1 request: 2 tokens at 2 layers, 1 sequence");
  }
}

TEST(Record, ReadsFortranOrder) {
  // The same array with its first axis fastest.
  const std::vector<std::int64_t> columns = {1, 5, 3, 7, 2, 6, 4, 0};
  expect_choices(parse(npy("<i4", "2, 2, 2", packed(columns, 4), true)));
}

TEST(Record, LeavesOutDenseLayersAndPadding) {
  std::vector<std::int64_t> padded = kWithDense;
  padded.insert(padded.end(), 6, 0);
  const RoutingRecord record = parse(npy("|u1", "3, 3, 2", packed(padded, 1)));
  expect_choices(record);
  EXPECT_EQ(record.description,
            "array of choices of 1 request: 2 tokens at 2 layers, 1 sequence; 1 layer without "
            "choices and 1 token of padding left out");
}

TEST(Record, ReadsNpzStoredAndDeflatedAndZip64) {
  const Members members{{"a.npy", npy("<u2", "1, 2, 2", packed({1, 2, 3, 4}, 2))},
                        {"b.npy", npy("<u2", "1, 2, 2", packed({5, 6, 7, 0}, 2))}};
  for (const auto& [compress, zip64] : {std::pair{false, false}, {true, false}, {true, true}}) {
    const RoutingRecord record = parse(zip(members, compress, zip64));
    expect_choices(record);
    EXPECT_EQ(record.trace->sequences.size(), 2u);
  }
}

TEST(Record, ReadsApiResponsesOfVllm) {
  const std::string array = base64(npy("<i4", "2, 2, 2", packed(kChoices, 4)));
  expect_choices(parse("{\"choices\": [{\"routed_experts\": \"" + array + "\"}]}"));
  const std::string split =
      "{\"prompt_routed_experts\": [[[1, 2], [3, 4]]],\n"
      "\"choices\": [{\"routed_experts\": [[[5, 6], [7, 0]]]}]}";
  const RoutingRecord record = parse(split);
  expect_choices(record);
  EXPECT_EQ(record.trace->sequences.size(), 1u);
  const std::string lines =
      "{\"choices\": [{\"routed_experts\": [[[1, 2], [3, 4]]]}]}\n\n"
      "{\"choices\": [{\"routed_experts\": [[[5, 6], [7, 0]]]}, {\"routed_experts\": null}]}\n";
  expect_choices(parse(lines));
  EXPECT_EQ(parse(lines).description,
            "vLLM responses to 2 requests: 2 tokens at 2 layers, 2 sequences");
}

TEST(Record, ReadsApiResponsesOfSglang) {
  const std::string text =
      "[{\"text\": \"x\", \"meta_info\": {\"prompt_tokens\": 2, \"completion_tokens\": 1, "
      "\"routed_experts\": \"" +
      base64(packed(kWithDense, 4)) + "\"}}]";
  const RoutingRecord record = parse(text);
  expect_choices(record);
  EXPECT_EQ(record.format, RecordFormat::sglang_recorder);
}

TEST(Record, ReadsCountsOfTheSglangRecorder) {
  TorchWriter torch;
  // Two buffered steps, three layers of which the first is dense, four experts.
  const std::string count = torch.tensor(
      {2, 3, 4}, {0, 0, 0, 0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 10});
  const std::string file = torch.save(dict_of({{"rank", integer_of(0)},
                                               {"logical_count", count},
                                               {"average_utilization_rate_over_window", "N"}}));
  const RoutingRecord record = parse(file, 4, 1);
  EXPECT_EQ(record.format, RecordFormat::sglang_recorder);
  ASSERT_TRUE(record.counts.has_value());
  EXPECT_FALSE(record.trace.has_value());
  EXPECT_EQ(record.counts->experts, 4);
  EXPECT_THAT(record.counts->layer_ids, ElementsAre(1, 2));
  EXPECT_THAT(record.counts->counts, ElementsAre(2, 3, 4, 5, 4, 3, 2, 11));
  EXPECT_EQ(record.description,
            "SGLang expert distribution recorder, counts: 34 activations at 2 layers; 1 layer "
            "without choices left out");
  EXPECT_THAT(refusal(file, 5, 1), HasSubstr("counts of 4 experts, not of 5"));
  EXPECT_THAT(refusal(file, 4, 2), HasSubstr("layer 2, expert 3 has 11 of 20 activations"));
  EXPECT_THAT(parse("{\"logical_count\": [[0, 0], [3, 5]]}", 2, 1).counts->counts,
              ElementsAre(3, 5));
}

TEST(Record, ReadsCountsPerPassThroughThePhysicalMap) {
  TorchWriter torch;
  // Five slots of four experts: expert 1 has two.
  const std::string pass =
      dict_of({{"forward_pass_id", integer_of(70000)},
               {"global_physical_count", torch.tensor({2, 5}, {1, 2, 3, 4, 5, 5, 4, 3, 2, 1})}});
  const std::string map = torch.tensor({2, 5}, {0, 1, 2, 3, 1, 3, 2, 1, 0, 1}, "Long", 8);
  const RoutingRecord record = parse(torch.save(dict_of({{"records", list_of({pass, pass})},
                                                         {"last_physical_to_logical_map", map}})),
                                     4, 1);
  EXPECT_THAT(record.counts->counts, ElementsAre(2, 14, 6, 8, 4, 8, 8, 10));
}

TEST(Record, ReadsTokensOfTheSglangRecorder) {
  TorchWriter torch;
  // One dense layer and two others, eight slots of which two are used, experts 8..15 physical. A
  // prefill pass of two sequences, the second one's last token padding, and a decode pass.
  const auto eight = [](std::vector<std::int64_t> pairs) {
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      values.insert(values.end(), {pairs[i], pairs[i + 1], -1, -1, -1, -1, -1, -1});
    }
    return values;
  };
  const std::string prefill =
      dict_of({{"extend_seq_lens", list_of({integer_of(2), integer_of(1)})},
               {"topk_ids_of_layer", torch.tensor({3, 3, 8}, eight({-1, -1, -1, -1, -1, -1,  //
                                                                    1, 2, 5, 6, -1, -1,      //
                                                                    3, 4, 7, 8, -1, -1}))}});
  const std::string decode =
      dict_of({{"extend_seq_lens", "N"},
               {"topk_ids_of_layer",
                torch.tensor({3, 2, 8}, eight({-1, -1, -1, -1, 0, 1, 2, 3, 4, 5, 6, 7}))}});
  std::vector<std::int64_t> slots;
  for (int layer = 0; layer < 3; ++layer) {
    for (int p = 0; p < 9; ++p) slots.push_back(p % 8);  // slot 8 is another copy of expert 0
  }
  const RoutingRecord record =
      parse(torch.save(dict_of({{"records", list_of({prefill, decode})},
                                {"last_physical_to_logical_map", torch.tensor({3, 9}, slots)}})));
  ASSERT_TRUE(record.trace.has_value());
  const RoutingTrace& trace = *record.trace;
  EXPECT_THAT(trace.ids, ElementsAre(1, 2, 5, 6, 0, 1, 2, 3, 3, 4, 7, 0, 4, 5, 6, 7));
  ASSERT_EQ(trace.sequences.size(), 3u);
  EXPECT_EQ(trace.sequences[0].tokens, 2);
  EXPECT_EQ(trace.sequences[2].first, 3);
  EXPECT_THAT(record.description, AllOf(StartsWith("SGLang expert distribution recorder, tokens "
                                                   "of 2 forward passes: 4 tokens at 2 layers"),
                                        HasSubstr("1 token of padding left out")));
}

TEST(Record, ReadsTensorsOfChoices) {
  TorchWriter torch;
  std::vector<std::int64_t> shifted = {9, 9, 9};
  shifted.insert(shifted.end(), kChoices.begin(), kChoices.end());
  const std::string tensor = torch.tensor({2, 2, 2}, shifted, "Short", 2, 3);
  expect_choices(parse(torch.save(tensor)));
  expect_choices(parse(torch.save(list_of({dict_of({{"routed_experts", tensor}})}))));
}

TEST(Record, ReadsTextFormats) {
  expect_choices([] {
    RoutingRecord record = parse("1\t2\t5\t6\n");
    EXPECT_EQ(record.format, RecordFormat::token_files);
    record.trace->layers = 2;  // one file is one layer
    record.trace->ids.insert(record.trace->ids.end(), {3, 4, 7, 0});
    return record;
  }());
  const RoutingRecord counts =
      parse("layer_id,expert_id,activation_count\n3,0,6\n3,2,6\n4,1,6\n4,2,6\n");
  EXPECT_EQ(counts.format, RecordFormat::expert_counts_csv);
  EXPECT_EQ(counts.counts->experts, 8);
  EXPECT_THAT(counts.counts->layer_ids, ElementsAre(3, 4));
  EXPECT_EQ(counts.description, "table of expert counts: 24 activations at 2 layers");
}

TEST(Record, ReadsFilesAndFolders) {
  std::string folder = (std::filesystem::temp_directory_path() / "record_test_XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/law_layer01.txt") << "1\t2\n3\t4\n";
  const RoutingRecord one = read_record(folder + "/law_layer01.txt", 8, 2);
  const RoutingRecord all = read_record(folder, 8, 2);
  EXPECT_EQ(one.trace->ids, all.trace->ids);
  EXPECT_THAT(one.trace->domains, ElementsAre("law"));
  EXPECT_EQ(all.description, "per-token trace files: 2 tokens at 1 layer, 2 sequences");
  EXPECT_THROW(read_record(folder + "/none", 8, 2), std::invalid_argument);
  EXPECT_THROW(read_record(folder, 2000, 2), std::invalid_argument);
  std::filesystem::remove_all(folder);
}

TEST(Record, RefusesWithOneSentence) {
  const auto array = [](const std::vector<std::int64_t>& values, const std::string& shape) {
    return npy("<i4", shape, packed(values, 4));
  };
  EXPECT_EQ(refusal(""), "file is empty.");
  EXPECT_EQ(refusal(" \n\t"), "file has nothing but blanks.");
  EXPECT_THAT(refusal("hello"), HasSubstr("file is none of the records that can be read"));
  EXPECT_THAT(refusal("\x80\x04\x95"), HasSubstr("bare pickle"));
  EXPECT_EQ(refusal(array({1, 2, 3, 9}, "1, 2, 2")),
            "file: token 0 at layer 1 has expert 9; ids are 0 to 7.");
  EXPECT_EQ(refusal(array({1, 2, 3, 4, 5, 5, 6, 7}, "2, 2, 2")),
            "file: token 1 at layer 0 has expert 5 twice; is top_k really 2?");
  EXPECT_EQ(refusal(array({1, 2, 3, -1}, "1, 2, 2")),
            "file: token 0 at layer 1 has fewer choices than top_k = 2.");
  EXPECT_EQ(refusal(array({1, 2, 3, 4}, "1, 4, 1")), "file: a token has 1 choices, not top_k = 2.");
  EXPECT_EQ(refusal(array({1, 2, 3, 4, 5, 6}, "1, 2, 3")),
            "file: token 0 at layer 0 has more than 2 choices; is top_k really 2?");
  EXPECT_EQ(refusal(array({0, 0, 0, 0}, "2, 1, 2")), "file has no choices of experts.");
  EXPECT_EQ(refusal(array({}, "0, 2, 2")), "file has no choices of experts.");
  EXPECT_EQ(refusal(array({1, 2}, "2, 2, 2")),
            "file is damaged: an array is larger than the bytes it has.");
  EXPECT_EQ(refusal(array({}, "4294967296, 4294967296, 4294967296")),
            "file is damaged: an array is larger than the bytes it has.");
  EXPECT_THAT(refusal(array({1}, "1")), HasSubstr("file: the choices have 1 axes"));
  EXPECT_THAT(refusal(array({3, -4}, "1, 2"), 2, 1),
              HasSubstr("layer 0, expert 1 has the count -4."));
  EXPECT_THAT(refusal(npy("<f4", "1, 1, 2", packed({1, 2}, 4))), HasSubstr("type \"<f4\""));
  EXPECT_THAT(refusal(npy("|O", "1", "x")), HasSubstr("Python objects"));
  EXPECT_THAT(refusal(npy(">i4", "1, 1, 2", packed({1, 2}, 4))), HasSubstr("little-endian"));
  EXPECT_THAT(refusal(std::string("\x93NUMPY\x01\x00\xff\x00", 10)), HasSubstr("cut short"));
}

TEST(Record, RefusesTextWithTheLine) {
  EXPECT_EQ(refusal("1\t2\n3\t8\n"), "file, line 2: expert 8 does not exist; ids are 0 to 7.");
  EXPECT_EQ(refusal("1\t2\n3\n"),
            "file, line 2: 1 expert ids are not a multiple of top_k = 2; the line is cut short or "
            "has another top_k.");
  EXPECT_THAT(refusal("-1\t2\n"), HasSubstr("line 1: expert -1 does not exist"));
  const std::string head = "layer_id,expert_id,activation_count\n0,0,5\n";
  EXPECT_EQ(refusal(head + "0,1,nan\n"),
            "file, line 3: activation_count is \"nan\"; it must be a whole number, 0 or more.");
  EXPECT_THAT(refusal(head + "0,1,-3\n"), HasSubstr("line 3: activation_count is \"-3\""));
  EXPECT_EQ(refusal(head + "0,9,3\n"), "file, line 3: expert 9 does not exist; ids are 0 to 7.");
  EXPECT_THAT(refusal(head + "0,0,3\n"), HasSubstr("line 3: layer 0, expert 0 was given before"));
  EXPECT_THAT(refusal(head + ",1,3\n"), HasSubstr("line 3: layer_id is \"\""));
  EXPECT_EQ(refusal(head + "1,1,0\n", 8, 1), "file: layer 1 has no activations.");
  EXPECT_EQ(refusal(head, 8, 2),
            "file: layer 0, expert 0 has 5 of 5 activations, more than one per token with top_k = "
            "2.");
  EXPECT_EQ(refusal("a,b\n1,2\n"), "file, line 1: the header has no column layer_id.");
  EXPECT_EQ(refusal("{\"choices\": [\n {,}]}"), "file, line 2: this is not JSON.");
  EXPECT_EQ(refusal("{\"choices\": 1e999}"), "file has a number that is too large.");
  EXPECT_EQ(refusal("{\"choices\": ["), "file, line 1: this is not JSON, it ends too early.");
  EXPECT_EQ(refusal("{}\n{\"choices\": 1"),
            "file, line 1 has no choices, meta_info or logical_count, so it is no response of vLLM "
            "or SGLang and no counts.");
  EXPECT_THAT(refusal("{\"choices\": []}\n{\"choices\": 1"),
              HasSubstr("file, line 2: this is not"));
  EXPECT_THAT(refusal("{\"choices\": [{}]}"), HasSubstr("--enable-return-routed-experts"));
  EXPECT_THAT(refusal("{\"choices\": [{\"routed_experts\": \"***\"}]}"), HasSubstr("not base64"));
  EXPECT_THAT(refusal("{\"choices\": [{\"routed_experts\": [[[1, 2]], [[3]]]}]}"),
              HasSubstr("lists of different lengths"));
  EXPECT_THAT(refusal("{\"choices\": [{\"routed_experts\": [[[1, 2.5]]]}]}"),
              HasSubstr("has 2.5 where a whole number must be"));
  EXPECT_THAT(refusal("{\"meta_info\": {\"prompt_tokens\": 2, \"completion_tokens\": 2, "
                      "\"routed_experts\": \"AAAAAA==\"}}"),
              HasSubstr("4 bytes are not the same number of layers for each of 3 tokens"));
}

TEST(Record, NeverRunsAPickle) {
  const TorchWriter torch;
  const auto save = [&](const std::string& pickle) { return refusal(torch.save(pickle)); };
  EXPECT_THAT(save("cos\nsystem\n" + text_of("true") + "\x85R"),
              HasSubstr("file names os.system, which is not part of a plain tensor"));
  EXPECT_THAT(save("cnumpy.core.multiarray\n_reconstruct\n"), HasSubstr("_reconstruct"));
  EXPECT_THAT(save("\x93"), HasSubstr("opcode 147"));
  EXPECT_THAT(save("0"), HasSubstr("opcode 48"));
  EXPECT_THAT(save("u"), HasSubstr("its pickle makes no sense"));
  EXPECT_THAT(save("h\x05"), HasSubstr("its pickle makes no sense"));
  EXPECT_THAT(save("X\xff\xff\xff\x7f"), HasSubstr("cut short within its pickle"));
  EXPECT_THAT(save("}"), HasSubstr("has neither logical_count nor records"));
  EXPECT_THAT(save("]q\x01h\x01"
                   "a"),
              HasSubstr("request 0 has neither"));  // a list in itself
  EXPECT_THAT(refusal(zip({{"x/data.pkl", "\x80\x05N."}})), HasSubstr("pickle protocol 5"));
}

TEST(Record, RefusesDamagedTensors) {
  const auto counts = [](const std::vector<std::int64_t>& shape, const std::string& type, int size,
                         std::int64_t offset) {
    TorchWriter torch;
    const std::string tensor = torch.tensor(shape, {1, 2, 3, 4}, type, size, offset);
    return refusal(torch.save(dict_of({{"logical_count", tensor}})), 2, 1);
  };
  EXPECT_EQ(counts({2, 2}, "Int", 4, 0), "accepted");
  EXPECT_THAT(counts({2, 2}, "Int", 4, 1), HasSubstr("an array is larger"));
  EXPECT_THAT(counts({2, 2}, "Int", 4, -1), HasSubstr("an array is larger"));
  EXPECT_THAT(counts({3, 2}, "Int", 4, 0), HasSubstr("an array is larger"));
  EXPECT_THAT(counts({-1, 2}, "Int", 4, 0), HasSubstr("an array is larger"));
  EXPECT_THAT(counts({2, 2}, "Float", 4, 0), HasSubstr("tensor of FloatStorage"));
  EXPECT_THAT(counts({4}, "Int", 4, 0), HasSubstr("counts have 1 axes"));
  EXPECT_THAT(refusal(zip({{"a/data.pkl", "\x80\x02" + dict_of({{"logical_count", "N"}}) + "."}})),
              HasSubstr("logical_count is not a tensor"));
}

// Every prefix of a file, and every file with one byte changed, is refused in a sentence or read:
// the checksums see most changes, and nothing may crash.
TEST(Record, SurvivesCutsAndFlips) {
  TorchWriter torch;
  const std::string tensor = torch.tensor({2, 2}, {1, 2, 3, 4});
  const std::string saved = torch.save(dict_of({{"logical_count", tensor}}));
  const std::string array = npy("<u2", "1, 2, 2", packed({1, 2, 3, 4}, 2));
  for (const auto& [good, experts, top_k] :
       {std::tuple{saved, 2, 1}, {array, 8, 2}, {zip({{"a.npy", array}}, true, true), 8, 2}}) {
    ASSERT_EQ(refusal(good, experts, top_k), "accepted");
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_NE(refusal(good.substr(0, size), experts, top_k), "accepted") << size;
    }
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const int change : {1, 0x80, 0xff}) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ change);
        const std::string sentence = refusal(bad, experts, top_k);
        EXPECT_EQ(sentence.find('\n'), std::string::npos);
        EXPECT_FALSE(sentence.empty());
      }
    }
  }
}

TEST(Base64, DecodesAndRefuses) {
  std::string bytes;
  for (const char* text : {"", "f", "fo", "foo", "foob"}) {
    EXPECT_TRUE(decode_base64(base64(text), bytes));
    EXPECT_EQ(bytes, text);
  }
  EXPECT_EQ(base64("foob"), "Zm9vYg==");  // RFC 4648, section 10
  for (const char* text : {"Zg", "Z===", "Zg=a", "Zm9v\n"})
    EXPECT_FALSE(decode_base64(text, bytes));
}

TEST(Record, CountsOfATraceAreItsHistogram) {
  const ExpertCounts counts = counts_of(parse("0\t1\t0\t2\n", 4, 2));
  EXPECT_THAT(counts.counts, ElementsAre(2, 1, 1, 0));
  const RoutingRecord table = parse("layer_id,expert_id,activation_count\n0,0,1\n0,1,1\n");
  EXPECT_THROW(require_trace(table, "x", "be fitted"), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate::kernels
