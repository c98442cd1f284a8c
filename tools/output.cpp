#include "tools/output.h"

#include "sim/base/file.h"

namespace tollgate {

void deliver(const std::string& text, const std::string& path, Console& console) {
  if (path.empty() || path == "-") {
    console.out << text;
  } else {
    write_file_atomically(path, text);
  }
}

OptionHelp output_option() {
  return {"--output", "-o", "FILE",
          "Write there instead of to stdout, whole or not at all; '-' is stdout."};
}

OptionHelp format_option(std::vector<std::string> choices) {
  OptionHelp option{"--format", "", "FORMAT", "Form of the output.", choices.front()};
  option.choices = std::move(choices);
  return option;
}

OptionHelp backend_option() {
  OptionHelp option{
      "--backend", "", "NAME",
      "Where the routing engine runs; the results are the same. auto takes the first that works, "
      "or the one named by TOLLGATE_BACKEND."};
  option.choices = {"auto", "reference", "tbb", "cuda"};
  option.default_note = "auto";
  return option;
}

OptionHelp threads_option() {
  OptionHelp option{"--threads", "", "N", "CPU threads; the results do not depend on it."};
  option.default_note = "all cores";
  return option;
}

}  // namespace tollgate
