// Any text as a Hugging Face config.json: it is imported to a model that can be counted and
// written, or refused with an InputError; nothing else.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "sim/spec/architecture.h"
#include "sim/spec/hf_import.h"
#include "sim/spec/model_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const tollgate::LlmSpec model = tollgate::import_hf_config(text, "fuzz.json").model;
    if (!std::isfinite(tollgate::count_parameters(model).total())) std::abort();
    tollgate::to_yaml(*tollgate::model_schema().write(model));
  } catch (const tollgate::InputError& error) {
    const std::string sentence = error.what();
    if (sentence.find('\n') != std::string::npos || sentence.empty()) std::abort();
  }
  return 0;
}
