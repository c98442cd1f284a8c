#include "sim/operators/mla_curves.h"

#include <array>
#include <cmath>

#include "sim/operators/attention_work.h"

namespace tollgate {
namespace {

constexpr double key = 192, value = 128, nope = 128, latent = 512, cached = 576;
constexpr double hidden = 7168, query_rank = 1536;
constexpr double cached_byte = 0.3;  // as in prefill attention
constexpr double decode_tile = 64;   // positions (TensorRT-LLM, FlashMLA)

/// Expanded attention: query rows and outputs in bf16, keys and values as cached.
struct Prefill {
  double batch, seq, past, heads;

  double flops() const { return 2 * (key + value) * batch * heads * visible_pairs(seq, past); }
  double least_bytes(double cache_bytes) const {
    return batch * (2 * (key + value) * seq * heads + cached * (seq + past) * cache_bytes);
  }
  double bytes(double cache_bytes) const {
    return batch * heads * (key + value) * (2 * seq + cache_bytes * (seq + past));
  }
  double seconds(const Device& device, double peak, double cache_bytes, double compute,
                 double memory, double tile, double pad, double tail, double lone) const {
    const double processors = device.processors;
    const double tiles = batch * heads * std::ceil(seq / attention_tile);
    const double pair = 2 * (key + value) * processors / (peak * compute);
    const double rows = std::min(seq, attention_tile);
    const double work = tiles * tile + pair * (batch * heads * (seq * (seq + 1) / 2 + pad * seq) +
                                               tiles * attention_tile * past);
    const double heaviest = tile + pair * (rows * (seq + pad) + attention_tile * past);
    const double moved = bytes(cache_bytes);
    const double missed = miss_share(moved, device.l2, 0.6, 1.2);
    return std::max(tiled_seconds(work, tiles, heaviest, processors, tail, lone),
                    moved / device.bandwidth * (missed / memory + cached_byte));
  }
};

/// Absorbed attention of one token per sequence.
struct Decode {
  double batch, context, heads;

  double flops() const { return 2 * (cached + latent) * batch * heads * context; }
  double bytes(double cache_bytes) const {
    return batch * (cached * context * cache_bytes + 2 * (cached + latent) * heads);
  }
  /// `p` are the parameters from `memory` to `tail`.
  double seconds(const Device& device, double peak, double cache_bytes, const double* p) const {
    const double memory = p[0], item = p[1], head = p[2], compute = p[3], rows = p[4], l2 = p[5];
    const double serial = p[6], split = p[7], crowd = p[8], tail = p[9];
    const double processors = device.processors;
    const double items = batch * std::max(1.0, heads / 64);
    const double fixed =
        (items * item + batch * heads * head) / processors +
        2 * (cached + latent) * batch * context * std::max(heads, rows) / (peak * compute);
    const double moved = bytes(cache_bytes);
    const double missed = miss_share(moved, device.l2, 0.72, 1.2);
    const double reading = moved / device.bandwidth * (missed / memory + (1 - missed) * l2);
    const double parts = std::max(1.0, 1 + split * (processors / items - 1));
    const double whole = serial * std::max(context, decode_tile), part = whole / parts;
    return std::max(overlapped(fixed, reading),
                    tiled_seconds(crowd * items * whole, items * parts, part, processors, tail, 1));
  }
};

/// Elements of the projections; the absorbed ones are as large as the expanding one.
double projections(double heads) {
  return hidden * (query_rank + cached) + query_rank * heads * key +
         latent * heads * (nope + value) + heads * value * hidden;
}
double projection_seconds(double tokens, double heads, const CurveContext& context, double gemm,
                          double memory) {
  const double elements = projections(heads);
  return overlapped(2 * tokens * elements / (gemm * peak_of(*context.format, context.device)),
                    elements * context.format->weight_bytes / (memory * context.device.bandwidth));
}
double projection_bound(double tokens, double heads, const CurveContext& context) {
  const double elements = projections(heads);
  return std::max(2 * tokens * elements / peak_of(*context.format, context.device),
                  beyond_cache(elements * context.format->weight_bytes, context.device.l2) /
                      context.device.bandwidth);
}

constexpr CurveParameter launch{"launch", "s", 1.5e-5, 1e-6, 1e-3, "Time of an empty call."};
constexpr CurveParameter compute{"compute", "1", 0.5, 0.01, 1, "Share of the peak inside a tile."};
constexpr CurveParameter memory{"memory", "1", 0.7, 0.05, 1, "Share of the memory bandwidth."};
constexpr CurveParameter tile{"tile", "s",  1e-6,
                              1e-8,   3e-5, "Time a tile takes beside its products."};
constexpr CurveParameter pad{"pad", "1", 64,
                             8,     400, "Keys per query computed beyond the mask's edge."};
constexpr CurveParameter tail{"tail", "1", 0.3, 0.001, 2, "Heaviest tiles that the end waits for."};
constexpr CurveParameter lone{
    "lone", "1", 0.7, 0.1, 2, "Time of a tile alone on a processor over that among others."};
constexpr CurveParameter item{"item", "s",  3e-6,
                              1e-8,   1e-4, "Processor time of a sequence and 64 heads."};
constexpr CurveParameter head{"head", "s",  1e-7,
                              1e-9,   1e-5, "Processor time of a head of a sequence."};
constexpr CurveParameter rows{"rows", "1", 16, 1, 128, "Heads computed at least."};
constexpr CurveParameter l2{
    "l2",         "1", 0.6,
    0.05,         1,   "Time of a byte from the last-level cache over one from memory.",
    Carry::cached};
constexpr CurveParameter serial{"serial",       "s",  1.5e-8,
                                1e-11,          1e-6, "Time per position of one processor alone.",
                                Carry::position};
constexpr CurveParameter split{"split", "1", 0.5,
                               0,       1,   "1 if one sequence can use every processor."};
constexpr CurveParameter crowd{"crowd", "1", 0.5,
                               0.02,    4,   "Processors that an item takes where all are busy."};
constexpr CurveParameter gemm{"gemm", "1", 0.5, 0.02, 1, "Share of the projections' peak."};
constexpr CurveParameter weights_memory{
    "weights_memory", "1", 0.5, 0.05, 1, "Share of the bandwidth in reading projections."};

class MlaPrefillCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "mla_prefill"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }
  double bound(const double* x, const CurveContext& c) const override {
    const Prefill a{x[0], x[1], x[2], x[3]};
    return std::max(
        a.flops() / peak_of(*c.format, c.device),
        beyond_cache(a.least_bytes(c.format->weight_bytes), c.device.l2) / c.device.bandwidth);
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const Prefill a{x[0], x[1], x[2], x[3]};
    const double t = p[0] + a.seconds(c.device, peak_of(*c.format, c.device),
                                      c.format->weight_bytes, p[1], p[2], p[3], p[4], p[5], p[6]);
    return std::max(t, bound(x, c));
  }

 private:
  static constexpr std::array<std::string_view, 4> columns_{"batch", "seq", "past", "heads"};
  static constexpr std::array<CurveParameter, 7> parameters_{launch, compute, memory, tile,
                                                             pad,    tail,    lone};
};

class MlaDecodeCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "mla_decode"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }
  double bound(const double* x, const CurveContext& c) const override {
    const Decode a{x[0], x[1], x[2]};
    return std::max(
        a.flops() / peak_of(*c.format, c.device),
        beyond_cache(a.bytes(c.format->weight_bytes), c.device.l2) / c.device.bandwidth);
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const Decode a{x[0], x[1], x[2]};
    const double t =
        p[0] + a.seconds(c.device, peak_of(*c.format, c.device), c.format->weight_bytes, p + 1);
    return std::max(t, bound(x, c));
  }

 private:
  static constexpr std::array<std::string_view, 3> columns_{"batch", "context", "heads"};
  static constexpr std::array<CurveParameter, 11> parameters_{
      launch, memory, item, head, compute, rows, l2, serial, split, crowd, tail};
};

class MlaPrefillModuleCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "mla_prefill_module"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }
  double bound(const double* x, const CurveContext& c) const override {
    const Prefill a{x[0], x[1], x[2], x[3]};
    return projection_bound(a.batch * a.seq, a.heads, c) + a.flops() / product_peak(x, c);
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const Prefill a{x[0], x[1], x[2], x[3]};
    const double t =
        p[0] + projection_seconds(a.batch * a.seq, a.heads, c, p[7], p[8]) +
        a.seconds(c.device, product_peak(x, c), x[4], p[1], p[2], p[3], p[4], p[5], p[6]);
    return std::max(t, bound(x, c));
  }

 private:
  static double product_peak(const double* x, const CurveContext& c) {
    return x[5] < 2 && c.device.fp8 > 0 ? c.device.fp8 : c.device.bf16;
  }
  static constexpr std::array<std::string_view, 6> columns_{
      "batch", "seq", "past", "heads", "cache_bytes", "product_bytes"};
  static constexpr std::array<CurveParameter, 9> parameters_{
      launch, compute, memory, tile, pad, tail, lone, gemm, weights_memory};
};

class MlaDecodeModuleCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "mla_decode_module"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }
  double bound(const double* x, const CurveContext& c) const override {
    const Decode a{x[0], x[1], x[2]};
    return projection_bound(a.batch, a.heads, c) +
           std::max(a.flops() / product_peak(x, c),
                    beyond_cache(a.bytes(x[3]), c.device.l2) / c.device.bandwidth);
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const Decode a{x[0], x[1], x[2]};
    const double t = p[0] + projection_seconds(a.batch, a.heads, c, p[11], p[12]) +
                     a.seconds(c.device, product_peak(x, c), x[3], p + 1);
    return std::max(t, bound(x, c));
  }

 private:
  static double product_peak(const double* x, const CurveContext& c) {
    return x[3] < 2 && c.device.fp8 > 0 ? c.device.fp8 : c.device.bf16;
  }
  static constexpr std::array<std::string_view, 4> columns_{"batch", "context", "heads",
                                                            "cache_bytes"};
  static constexpr std::array<CurveParameter, 13> parameters_{
      launch, memory, item,  head, compute, rows,          l2,
      serial, split,  crowd, tail, gemm,    weights_memory};
};

}  // namespace

const OperatorCurve& mla_prefill_curve() {
  static const MlaPrefillCurve curve;
  return curve;
}
const OperatorCurve& mla_decode_curve() {
  static const MlaDecodeCurve curve;
  return curve;
}
const OperatorCurve& mla_prefill_module_curve() {
  static const MlaPrefillModuleCurve curve;
  return curve;
}
const OperatorCurve& mla_decode_module_curve() {
  static const MlaDecodeModuleCurve curve;
  return curve;
}

}  // namespace tollgate
