#pragma once

#include <string>

#include "tools/command.h"

namespace tollgate {

/// The list of commands with one sentence each.
std::string short_help();

/// Everything about one command, for the terminal.
std::string command_help(const CommandHelp& help, int width);

/// Every command, the exit codes and the environment, in Markdown: docs/cli.md.
std::string markdown_help();

}  // namespace tollgate
