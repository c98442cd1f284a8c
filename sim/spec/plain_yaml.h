#pragma once

#include <string>

#include "sim/spec/yaml_tree.h"

namespace tollgate {

/// The tree of a document in the plain part of YAML, which nearly every file here is in: block
/// mappings and lists indented by spaces, flow collections on one line, plain scalars on one line,
/// quoted ones without escapes, comments on lines of their own, ASCII. Null for anything else, be
/// it more of YAML or a mistake: parse_yaml then asks the complete parser, which also words the
/// error. Where it gives a tree, it is that of the complete parser with the same places, at an
/// eighth of the time.
YamlPtr parse_plain_yaml(const std::string& text, const std::string& file);

/// parse_yaml by the complete parser alone (yaml-cpp).
YamlPtr parse_any_yaml(const std::string& text, const std::string& file);

}  // namespace tollgate
