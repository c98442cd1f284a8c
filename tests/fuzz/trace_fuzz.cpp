// Any bytes as a record of routing: they are read to a trace or counts that hold together, or
// refused with one sentence; nothing else. Bytes that begin like a pickle stand in an intact
// archive of torch.save, whose checksums would otherwise keep mutations out of the pickle reader.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#include "kernels/trace/record.h"
#include "tests/kernels/record_files.h"

namespace {

constexpr int kExperts = 8, kTopK = 2;

void check(const std::string& bytes) {
  using namespace tollgate::kernels;
  try {
    const RoutingRecord record = parse_record(bytes, "fuzz", kExperts, kTopK);
    if (record.trace.has_value() == record.counts.has_value()) std::abort();
    const ExpertCounts counts = counts_of(record);
    if (counts.counts.size() != counts.layer_ids.size() * kExperts) std::abort();
    const auto bad = [](auto n) { return n < 0; };
    if (std::any_of(counts.counts.begin(), counts.counts.end(), bad)) std::abort();
  } catch (const std::invalid_argument& error) {
    const std::string sentence = error.what();
    if (sentence.find('\n') != std::string::npos || sentence.empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.starts_with("\x80")) {
    check(bytes);
    return 0;
  }
  using tollgate::kernels::packed;
  check(tollgate::kernels::zip(
      {{"a/data.pkl", bytes}, {"a/data/0", packed({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2}, 4)}}));
  return 0;
}
