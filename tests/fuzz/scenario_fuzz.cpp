// Any text as a scenario: it is read, or refused with an InputError; nothing else.
#include <cstdint>
#include <cstdlib>

#include "sim/spec/scenario_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static tollgate::Library library(TOLLGATE_REPOSITORY "/models");
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    tollgate::parse_scenario(text, "fuzz.yaml", {}, library);
  } catch (const tollgate::InputError& error) {
    const std::string sentence = error.what();
    if (sentence.find('\n') != std::string::npos || sentence.empty()) std::abort();
  }
  return 0;
}
