#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/spec/model_spec.h"

namespace tollgate {

/// A model read from a Hugging Face config.json, with everything that the file left to be assumed.
struct ImportResult {
  LlmSpec model;
  std::vector<std::string> assumptions;  ///< full sentences, for the user to check
};

/// Reads a config.json. `file` names it in errors and gives the model its name:
/// `ORG--NAME_config.json`, `NAME.json`, or the folder's name for a plain `config.json`.
/// `quant_json` is the text of an hf_quant_config.json beside it (NVIDIA ModelOpt).
///
/// Known spellings of a field are accepted alike; two that disagree are an error, as is anything
/// the model structs cannot express. An unknown `model_type` is read by its keys, and every default
/// that was needed is listed. Throws InputError: one sentence with the file and, where it is known,
/// the line.
ImportResult import_hf_config(const std::string& json_text, const std::string& file,
                              const std::optional<std::string>& quant_json = {});

}  // namespace tollgate
