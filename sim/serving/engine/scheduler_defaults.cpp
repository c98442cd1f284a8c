#include "sim/serving/engine/scheduler_defaults.h"

#include "sim/base/error.h"
#include "sim/base/text.h"

namespace tollgate {
namespace {

constexpr double gib = 1024.0 * 1024 * 1024;

SchedulerConfig vllm(const EngineHost& host, bool offline) {
  SchedulerConfig c;
  const bool large = host.memory_bytes >= 70 * gib && !host.a100;
  c.max_sequences = large ? 1024 : 256;
  c.batched_tokens = offline ? (large ? 16384 : 8192) : (large ? 8192 : 2048);
  return c;
}

SchedulerConfig sglang(const EngineHost& host) {
  SchedulerConfig c;
  c.policy = SchedulerPolicy::sglang;
  c.block_tokens = 1;
  c.batched_tokens = 16384;
  c.max_sequences = 4096;
  const double gb = host.memory_bytes / gib;
  c.chunk = gb < 20 ? 2048 : gb < 60 ? 4096 : gb < 160 ? 8192 : 16384;
  return c;
}

SchedulerConfig trtllm() {
  SchedulerConfig c;
  c.policy = SchedulerPolicy::trtllm;
  c.block_tokens = 32;
  c.batched_tokens = 8192;
  c.max_sequences = 2048;
  return c;
}

}  // namespace

SchedulerConfig default_scheduler(const std::string& engine, const EngineHost& host) {
  if (engine == "vllm") return vllm(host, false);
  if (engine == "vllm-offline") return vllm(host, true);
  if (engine == "sglang") return sglang(host);
  if (engine == "trtllm") return trtllm();
  throw InputError("there is no engine " + quote(engine) + "." +
                   did_you_mean(engine, {"vllm", "vllm-offline", "sglang", "trtllm"}));
}

}  // namespace tollgate
