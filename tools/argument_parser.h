#pragma once

#include <string>
#include <vector>

#include "tools/arguments.h"
#include "tools/command.h"

namespace tollgate {

/// Parses what follows the command's name. Every mistake is an InputError of one sentence: unknown
/// options with the nearest known one, missing values, values that are not among the choices.
Arguments parse_arguments(const CommandHelp& help, const std::vector<std::string>& words);

}  // namespace tollgate
