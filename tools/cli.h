#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace tollgate {

/// What main knows of the terminal.
struct Terminal {
  bool colour = false;
  int width = 110;
  bool notes = false;  ///< stderr is a terminal
};

/// The program `tollgate`, without the process around it: `arguments` are the words after the
/// program's name. Returns the exit code and never throws: bad input is one sentence on `err`.
int run_main(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err,
             const Terminal& terminal = {});

/// Runs `command` and returns its exit code. What it throws becomes one sentence on `err` and the
/// code of its kind: a mistake of the user, or, for anything unexpected, such as a simulation that
/// comes to a halt, a bug of ours (70).
int exit_code_of(const std::function<int()>& command, std::ostream& err);

}  // namespace tollgate
