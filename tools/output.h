#pragma once

#include <string>

#include "tools/command.h"

namespace tollgate {

/// Writes to the file `path`, whole or not at all, or to `console.out` when it is "" or "-".
void deliver(const std::string& text, const std::string& path, Console& console);

/// Option `-o, --output FILE` of the commands that deliver.
OptionHelp output_option();
/// Option `--format` with these choices, the first the default.
OptionHelp format_option(std::vector<std::string> choices);
/// Option `--backend`.
OptionHelp backend_option();
/// Option `--threads`.
OptionHelp threads_option();

}  // namespace tollgate
