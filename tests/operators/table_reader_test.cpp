#include "sim/operators/table_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "sim/base/error.h"
#include "temporary_file.h"

namespace tollgate {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_operators::Folder;

const std::vector<std::string> devices{"A100-SXM", "GB200-NVL72", "H100-SXM",    "H200-SXM",
                                       "L4",       "L40S",        "RTX-PRO-6000"};
const std::string header = "op,backend,version,precision,kernel,ranks,bytes,latency_us\n";

OperatorTables read(const std::vector<std::string>& files, std::size_t cap = 1000) {
  return read_operator_tables(files, "H100-SXM", devices, cap);
}

/// The error of a table, without the folder.
std::string refusal(const std::string& text, const std::string& name = "t.csv") {
  const Folder folder;
  try {
    read({folder.write(name, text)});
  } catch (const InputError& error) {
    const std::string sentence = error.what();
    EXPECT_THAT(sentence, StartsWith(folder.path("")));
    return sentence.substr(folder.path("").size());
  }
  return "nothing was refused";
}

TEST(TableReader, ReadsTheOwnLayout) {
  const Folder folder;
  const auto tables =
      read({folder.write("t.csv", header + "all_reduce,nccl,2.29,bf16,ring,8,4096,16\n"
                                           "all_reduce,nccl,2.29,bf16,ring,2,1e6,40\n"
                                           "all_gather,nccl,2.29,bytes,,8,4096,9\n")});
  ASSERT_EQ(tables.groups.size(), 2u);
  EXPECT_EQ(tables.rows, 3);
  const TableGroup& reduce = tables.groups[1];
  EXPECT_EQ(reduce.key, (OperatorKey{"all_reduce", "nccl", "bf16", "ring"}));
  EXPECT_EQ(reduce.version, "2.29");
  EXPECT_EQ(reduce.low, (std::vector<double>{2, 4096}));
  EXPECT_EQ(reduce.high, (std::vector<double>{8, 1e6}));
  double sum = 0;
  for (const OperatorSample& s : reduce.samples) sum += s.seconds;
  EXPECT_DOUBLE_EQ(sum, 56e-6);
}

TEST(TableReader, ProductsComeFromMemoryUnlessTheTableSaysOtherwise) {
  const Folder folder;
  const auto tables = read({folder.write(
      "t.csv", "op,backend,precision,m,n,k,latency_us\ngemm,mine,bf16,16,4096,8192,30\n")});
  ASSERT_EQ(tables.groups.size(), 1u);
  EXPECT_EQ(tables.groups[0].samples[0].shape, (std::vector<double>{16, 4096, 8192, 0, 0, 0}));
}

TEST(TableReader, GzipAndOtherUnitsReadTheSame) {
  const Folder folder;
  const std::string rows = "all_gather,x,1,bytes,,8,4096,", end = "\n";
  const double us =
      read({folder.write("a.csv", header + rows + "25" + end)}).groups[0].samples[0].seconds;
  std::string ms_header = header;
  ms_header.replace(ms_header.find("latency_us"), 10, "latency_ms");
  const double ms =
      read({folder.write("b.csv", ms_header + rows + "0.025" + end)}).groups[0].samples[0].seconds;
  const std::string packed = folder.path("c.csv.gz"), text = header + rows + "25" + end;
  gzFile file = gzopen(packed.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  EXPECT_DOUBLE_EQ(us, 25e-6);
  EXPECT_DOUBLE_EQ(ms, us);
  EXPECT_DOUBLE_EQ(read({packed}).groups[0].samples[0].seconds, us);
}

TEST(TableReader, TakesTheRowsOfOneDevice) {
  const Folder folder;
  const std::string text =
      "system,backend,version,op,dtype,gpus,elements,latency_us\n"
      "h100_sxm,nccl,2.29,all_gather,half,8,512,10\n"
      "h200_sxm,nccl,2.29,all_gather,half,8,512,20\n"
      "gb200,nccl,2.29,all_gather,half,4,512,30\n";
  const auto tables = read({folder.write("nccl.csv", text)});
  ASSERT_EQ(tables.groups.size(), 1u);
  EXPECT_EQ(tables.other_systems, 2);
  EXPECT_DOUBLE_EQ(tables.groups[0].samples[0].seconds, 10e-6);
  // 512 halves.
  EXPECT_EQ(tables.groups[0].samples[0].shape, (std::vector<double>{8, 1024}));
}

TEST(TableReader, KnowsPublishedNamesOfDevices) {
  EXPECT_EQ(hardware_of_system("h100_sxm", devices), "H100-SXM");
  EXPECT_EQ(hardware_of_system("gb200", devices), "GB200-NVL72");
  EXPECT_EQ(hardware_of_system("rtx_pro_6000_server", devices), "RTX-PRO-6000");
  EXPECT_EQ(hardware_of_system("l4", devices), "L4");
  EXPECT_EQ(hardware_of_system("l40s", devices), "L40S");
  EXPECT_EQ(hardware_of_system("mi300x", devices), "");
}

TEST(TableReader, RepetitionsThatAgreeBecomeTheirMean) {
  const Folder folder;
  const std::string row = "all_gather,x,1,bytes,,8,4096,";
  const auto tables = read({folder.write("t.csv", header + row + "10\n" + row + "12\n")});
  ASSERT_EQ(tables.groups[0].samples.size(), 1u);
  EXPECT_EQ(tables.groups[0].rows, 2);
  EXPECT_DOUBLE_EQ(tables.groups[0].samples[0].seconds, 11e-6);
}

/// What disturbs a collective only adds to it: of NCCL's repetitions that disagree the faster
/// counts.
TEST(TableReader, PublishedTablesCountRepetitionsThatDisagree) {
  const Folder folder;
  const std::string text =
      "system,backend,version,op,dtype,gpus,elements,latency_us\n"
      "h100_sxm,nccl,2.29,all_gather,half,8,512,10\n"
      "h100_sxm,nccl,2.29,all_gather,int8,8,1024,20\n";
  const auto tables = read({folder.write("nccl.csv", text)});
  ASSERT_EQ(tables.groups[0].samples.size(), 1u);
  EXPECT_EQ(tables.groups[0].disagreeing, 1);
  EXPECT_DOUBLE_EQ(tables.groups[0].samples[0].seconds, 10e-6);
}

/// The cap keeps the same shapes whatever the order of rows and the split into files.
TEST(TableReader, ThinsByTheHashOfTheShape) {
  const Folder folder;
  std::string forward = header, backward = header, odd = header, even = header;
  const auto row = [](int i) {
    return "all_gather,x,1,bytes,,8," + std::to_string(1000 + i) + ",10\n";
  };
  for (int i = 0; i < 30000; ++i) {
    forward += row(i);
    backward += row(29999 - i);
    (i % 2 ? odd : even) += row(i);
  }
  const auto a = read({folder.write("a.csv", forward)}, 100);
  const auto b = read({folder.write("b.csv", backward)}, 100);
  const auto c = read({folder.write("c.csv", odd), folder.write("d.csv", even)}, 100);
  ASSERT_EQ(a.groups[0].samples.size(), 100u);
  EXPECT_EQ(a.groups[0].rows, 30000);
  EXPECT_EQ(a.groups[0].high[1], 30999);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(a.groups[0].samples[i].shape, b.groups[0].samples[i].shape);
    EXPECT_EQ(a.groups[0].samples[i].shape, c.groups[0].samples[i].shape);
  }
}

TEST(TableReader, RefusesWithThePlace) {
  const std::string row = "all_gather,x,1,bytes,,8,4096,";
  EXPECT_EQ(refusal(header + row + "0\n"), "t.csv:2: latency_us is '0'; it must be above 0.");
  EXPECT_EQ(refusal(header + row + "10\n" + row + "-3\n"),
            "t.csv:3: latency_us is '-3'; it must be above 0.");
  EXPECT_EQ(refusal(header + row + "fast\n"),
            "t.csv:2: latency_us is 'fast', which is not a number.");
  EXPECT_EQ(refusal(header + row + "nan\n"),
            "t.csv:2: latency_us is 'nan', which is not a number.");
  EXPECT_EQ(refusal(header + row + "10,11\n"), "t.csv:2: this line has 9 fields and the header 8.");
  EXPECT_EQ(refusal(header + row + "10\n" + row + "20\n"),
            "t.csv:3: the same shape takes 20.00 us here and 10.00 us in line 2; repetitions must "
            "agree within a quarter.");
  EXPECT_THAT(refusal(header + "all_gathr,x,1,bytes,,8,4096,1\n"),
              EndsWith("t.csv:2: there is no operator 'all_gathr'. Did you mean 'all_gather'?"));
  EXPECT_EQ(refusal(header + "all_gather,x,1,fp7,,8,4096,1\n"),
            "t.csv:2: precision 'fp7' is not a number format.");
  EXPECT_EQ(refusal(header), "t.csv: the file has a header and no rows.");
  EXPECT_EQ(refusal(""), "t.csv:1: the file has no header.");
}

TEST(TableReader, RefusesHeadersItCannotRead) {
  EXPECT_EQ(refusal("op,backend,version,kernel,ranks,bytes,latency_us\n"),
            "t.csv:1: the header looks like a table of the layout 'tollgate' but lacks precision.");
  EXPECT_THAT(refusal("op,backend,version,precision,kernel,ranks,bytes,latency\n"),
              HasSubstr("'latency' does not say its unit; name it latency_us"));
  EXPECT_THAT(refusal("op,backend,precision,latency_us,latency_ms\n"), HasSubstr("are both there"));
  EXPECT_THAT(refusal("a,b,c\n1,2,3\n"), HasSubstr("not the header of an operator table"));
  EXPECT_EQ(refusal("op,backend,precision,ranks,latency_us\nall_gather,x,bytes,8,1\n"),
            "t.csv:2: the operator all_gather needs the column bytes.");
}

TEST(TableReader, RefusesTablesOfAnotherDevice) {
  EXPECT_EQ(refusal(header, "ops__h200_sxm.csv"),
            "ops__h200_sxm.csv: by its name this is a table of H200-SXM, not of H100-SXM.");
  EXPECT_EQ(refusal("system,backend,version,op,dtype,gpus,elements,latency_us\n"
                    "h200_sxm,nccl,2,all_gather,half,8,512,20\n"),
            "t.csv: no row is of H100-SXM; there are rows of h200_sxm.");
}

TEST(TableReader, BrokenGzipIsAFileError) {
  const Folder folder;
  const std::string packed = folder.path("t.csv.gz");
  gzFile file = gzopen(packed.c_str(), "wb");
  std::string text = header;
  for (int i = 0; i < 20000; ++i) text += "all_gather,x,1,bytes,,8," + std::to_string(i) + ",10\n";
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  std::filesystem::resize_file(packed, std::filesystem::file_size(packed) / 2);
  EXPECT_THROW(read({packed}), FileError);
}

}  // namespace
}  // namespace tollgate
