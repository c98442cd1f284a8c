#pragma once

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

}  // namespace tollgate
