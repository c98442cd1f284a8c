#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "captured_run.h"

namespace tollgate {
namespace {

using testing_cli::Folder;
using testing_cli::read;

/// The program itself, for what happens outside run_main. It is built beside the tests.
class Process : public ::testing::Test {
 protected:
  void SetUp() override {
    program_ =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "tollgate")
            .string();
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << program_ << " is not built";
    ::setenv("TOLLGATE_MODELS", TOLLGATE_REPOSITORY "/models", 1);
  }
  /// Exit code of a shell line in which $T is the program.
  int shell(const std::string& line) const {
    const std::string command = "T='" + program_ + "'; " + line;
    const int status = std::system(("bash -c '" +
                                    [&] {
                                      std::string quoted;
                                      for (const char c : command)
                                        quoted +=
                                            c == '\'' ? std::string("'\\''") : std::string(1, c);
                                      return quoted;
                                    }() +
                                    "'")
                                       .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string program_;
};

TEST_F(Process, AReaderThatHasSeenEnoughIsNoError) {
  EXPECT_EQ(shell("\"$T\" schema | head -1 > /dev/null; exit ${PIPESTATUS[0]}"), 0);
  EXPECT_EQ(shell("\"$T\" schema | true; exit ${PIPESTATUS[0]}"), 0);
}

TEST_F(Process, AFullDiskIsExitCodeThree) {
  EXPECT_EQ(shell("\"$T\" list models > /dev/full 2> /dev/null"), 3);
}

TEST_F(Process, UsageIsExitCodeTwo) { EXPECT_EQ(shell("\"$T\" > /dev/null 2>&1"), 2); }

TEST_F(Process, ColourNeedsATerminalAndHonoursNoColor) {
  const Folder folder;
  const std::string scenario = TOLLGATE_REPOSITORY "/tests/fixtures/small.yaml";
  const auto on_terminal = [&](const std::string& environment) {
    const std::string file = folder.path("out");
    shell(environment + " script -qec \"$T run " + scenario +
          " --brief\" /dev/null < /dev/null > " + file + " 2>&1");
    return read(file);
  };
  if (shell("script -qec true /dev/null < /dev/null > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no program 'script', or no pseudo-terminals here";
  }
  EXPECT_NE(on_terminal("TERM=xterm").find("\x1b["), std::string::npos);
  EXPECT_EQ(on_terminal("TERM=xterm NO_COLOR=1").find("\x1b["), std::string::npos);
  EXPECT_EQ(on_terminal("TERM=dumb").find("\x1b["), std::string::npos);
}

}  // namespace
}  // namespace tollgate
