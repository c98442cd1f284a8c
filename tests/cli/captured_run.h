#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tools/cli.h"

namespace tollgate::testing_cli {

struct Captured {
  int code;
  std::string out;
  std::string err;
};

/// Runs the program in this process on the repository's models/.
inline Captured run(const std::vector<std::string>& arguments) {
  ::setenv("TOLLGATE_MODELS", TOLLGATE_REPOSITORY "/models", 1);
  std::ostringstream out, err;
  const int code = run_main(arguments, out, err);
  return {code, out.str(), err.str()};
}

inline std::string repository(const std::string& path) {
  return std::string(TOLLGATE_REPOSITORY "/") + path;
}

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A folder that is removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace tollgate::testing_cli
