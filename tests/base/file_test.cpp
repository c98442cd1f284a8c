#include "sim/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "sim/base/error.h"

namespace tollgate {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tollgate-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  fs::path directory_;
};

template <class Error, class Call>
std::string sentence_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST_F(File, WritesReadsAndReplaces) {
  const fs::path path = directory_ / "result.json";
  const std::string binary("a\0b\r\n\xff", 6);
  write_file_atomically(path, binary);
  EXPECT_EQ(read_text_file(path, 100), binary);
  write_file_atomically(path, "second");
  EXPECT_EQ(read_text_file(path, 100), "second");
  write_file_atomically(path, "");
  EXPECT_EQ(read_text_file(path, 100), "");
  EXPECT_EQ(entries(), 1u) << "a temporary file was left";
}

TEST_F(File, LargeContentsSurvive) {
  std::string large(3'000'001, 'x');
  large[70'000] = 'y';
  write_file_atomically(directory_ / "large", large);
  EXPECT_EQ(read_text_file(directory_ / "large", large.size()), large);
}

TEST_F(File, OthersMayRead) {
  const fs::path path = directory_ / "result.json";
  write_file_atomically(path, "x");
  const auto mode = fs::status(path).permissions();
  EXPECT_NE(mode & fs::perms::owner_read, fs::perms::none);
  EXPECT_EQ(mode & fs::perms::owner_exec, fs::perms::none);
}

TEST_F(File, AMissingDirectoryIsAFileError) {
  const fs::path path = directory_ / "none" / "result.json";
  const auto sentence = sentence_of<FileError>([&] { write_file_atomically(path, "x"); });
  EXPECT_THAT(sentence, HasSubstr(path.string()));
  EXPECT_THAT(sentence, HasSubstr("No such file or directory"));
  EXPECT_EQ(entries(), 0u);
}

TEST_F(File, ADirectoryIsNotOverwritten) {
  const auto sentence = sentence_of<FileError>([&] { write_file_atomically(directory_, "x"); });
  EXPECT_THAT(sentence, HasSubstr("directory"));
  EXPECT_EQ(entries(), 0u);
}

TEST_F(File, ADeviceIsWrittenThrough) {
  write_file_atomically("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(File, ReadingNamesWhatIsWrong) {
  EXPECT_THAT(sentence_of<InputError>([&] { read_text_file(directory_ / "none", 10); }),
              HasSubstr("no such file"));
  EXPECT_THAT(sentence_of<InputError>([&] { read_text_file(directory_, 10); }),
              HasSubstr("directory"));
}

TEST_F(File, TheLimitIsInclusive) {
  const fs::path path = directory_ / "f";
  write_file_atomically(path, std::string(2048, 'x'));
  EXPECT_EQ(read_text_file(path, 2048).size(), 2048u);
  EXPECT_THAT(sentence_of<InputError>([&] { read_text_file(path, 2047); }),
              HasSubstr("larger than"));
}

TEST(Digest, IsXxh3Of128Bits) {
  EXPECT_EQ(digest(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(digest("a").size(), 32u);
  EXPECT_NE(digest("a"), digest("b"));
  EXPECT_EQ(digest(std::string(1000, 'q')), digest(std::string(1000, 'q')));
}

TEST(PlaceText, OmitsTheLineOfAWholeFile) {
  EXPECT_EQ(to_string(Place{"a.yaml", 3, 7}), "a.yaml:3:7");
  EXPECT_EQ(to_string(Place{"a.yaml", 0, 0}), "a.yaml");
  const InputError error(Place{"a.yaml", 3, 7}, "it is wrong.");
  EXPECT_STREQ(error.what(), "a.yaml:3:7: it is wrong.");
  EXPECT_EQ(error.place().line, 3);
}

}  // namespace
}  // namespace tollgate
