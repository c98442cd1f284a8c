// Drives a fuzz target without a fuzzing engine: mutates the seed files given, a fixed number of
// times from a fixed seed, so that every test run tries the same hostile inputs. With clang the
// same targets link against libFuzzer instead (preset `fuzz`).
//
// usage: PROGRAM RUNS SEED_FILE...
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t bound) { return bound == 0 ? 0 : random() % bound; }

void mutate(std::string& text, Random& random) {
  static const std::vector<std::string> tokens{"-1",
                                               "0",
                                               "1e999",
                                               "nan",
                                               ".inf",
                                               "null",
                                               "~",
                                               "[]",
                                               "{}",
                                               "\"",
                                               "'",
                                               ": ",
                                               "- ",
                                               "&a ",
                                               "*a",
                                               "<<: ",
                                               "!!python ",
                                               "\t",
                                               "999999999999999999999",
                                               "0x10",
                                               "010",
                                               "true",
                                               "\xff",
                                               std::string(1, '\0'),
                                               "\n",
                                               "% ",
                                               "#",
                                               "---\n",
                                               "1 GB",
                                               "{\"a\":",
                                               "]",
                                               "}",
                                               ",",
                                               "\\u0000",
                                               "\xf0\x9f\x92\xa9"};
  const std::size_t at = below(random, text.size() + 1);
  switch (below(random, 6)) {
    case 0:
      text.insert(at, tokens[below(random, tokens.size())]);
      break;
    case 1:
      text.erase(at, 1 + below(random, 20));
      break;
    case 2:
      if (at < text.size()) text[at] = static_cast<char>(random());
      break;
    case 3:
      text.insert(at, text.substr(below(random, text.size() + 1), 1 + below(random, 80)));
      break;
    case 4: {  // replace a word
      const std::size_t end = text.find_first_of(" ,:\n]}", at);
      if (end != std::string::npos)
        text.replace(at, end - at, tokens[below(random, tokens.size())]);
      break;
    }
    default: {  // swap two lines
      const std::size_t a = text.find('\n', at),
                        b = a == std::string::npos ? a : text.find('\n', a + 1);
      if (b == std::string::npos) break;
      const std::string line = text.substr(a, b - a);
      text.erase(a, b - a);
      text.insert(below(random, text.size() + 1), line);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const long runs = std::strtol(argv[1], nullptr, 10);
  std::vector<std::string> seeds;
  for (int i = 2; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    if (seeds.back().empty()) return std::fprintf(stderr, "no seed in %s\n", argv[i]), 2;
  }
  Random random(20261121);
  for (long run = 0; run < runs; ++run) {
    std::string text = seeds[below(random, seeds.size())];
    for (std::size_t n = 1 + below(random, 6); n > 0; --n) mutate(text, random);
    // Left behind when the target dies, for a debugger.
    if (const char* keep = std::getenv("TOLLGATE_FUZZ_KEEP"))
      std::ofstream(keep, std::ios::binary) << text;
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  }
  std::printf("%ld inputs, none of them did harm\n", runs);
  return 0;
}
