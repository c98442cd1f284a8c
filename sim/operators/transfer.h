#pragma once

#include <string_view>
#include <vector>

#include "sim/operators/coefficients.h"
#include "sim/spec/hardware_spec.h"

namespace tollgate {

/// Collectives and exchanges of tokens, whose latencies are those of processors polling for peers.
bool passes_link(std::string_view op);

/// "NVLink" of "NVLink 4": the kind of link inside a node.
std::string_view link_kind(const HardwareSpec& hardware);

/// A fit to one number of ranks says nothing about what more of them add: its parameters of growth
/// (Carry::growth, Carry::gain) are open.
bool growth_is_open(const FittedCurve& fitted);

/// Constants of a curve measured on `from`, for `to`, within the curve's limits.
///
/// Shares of the datasheet's figures go over as they are, and so do times that devices have in
/// common (an item of decode attention takes 3.4 to 3.9 us on A100, H100, L40S and RTX PRO 6000).
/// With r the ratio of `to` over `from`, c of the clock, p of the processors, b of the memory
/// bandwidth, f of one processor's peak:
///
/// - launches, all times of what passes a link, `clock`: 1 / c. A bf16 product launches in 4.0 to
///   5.0 thousand cycles on every device.
/// - shares of the matrix units' peak (`compute`), within an architecture: up to 0.9 (assumed) where
///   the units of a processor were cut and the rest of it was not (H20: 958 FLOP/s per cycle, H100
///   4096): what keeps a kernel from the peak, instructions and loads, is as quick as before. Decode
///   attention on H100 gets to a fifth of it; on H20 it would take three times as long as its bytes.
/// - `power`: with the board's power for each FLOP/s of its peak. Dense products run at the power
///   limit: in bf16 L40S reaches 0.69 to 0.72 of a peak for which it has 0.97 pJ per FLOP, A100 and
///   RTX PRO 6000 0.88 to 0.96 with 1.28 pJ, all three 0.7 TFLOP/s per watt. Within an
///   architecture it does not rise: the limit of GH200 is that of its CPU too.
/// - `on_chip`: c p / b within an architecture. H100 and H200 differ in nothing but memory, and
///   loads of a tile take the same time on both. Between architectures such rates differ by more
///   than these ratios say; they stay.
/// - `cached`: b. A cached byte takes the same time, whatever the memory.
/// - `tile`, between architectures: 1 / f, but no longer than a tile of 128 x 128 at its peak. The
///   least time per element of k is that of the smallest tile a kernel has: fitted to NVFP4 kernels
///   it is 0.54 to 0.58 ns on B200, 3.2 to 3.6 ns on RTX PRO 6000, 1.0 to 1.1 such tiles on both;
///   of DeepGEMM's fp8 0.45 to 0.5 on H100, B200, L40S and RTX PRO 6000.
/// - `position`: what the products of 64 heads of latent attention take on one processor at its
///   peak goes over with that peak, the rest with the clock. TensorRT-LLM's kernel for mma.sync
///   takes 170 cycles a position on A100, 197 on L40S, 224 on RTX PRO 6000, of which the products
///   are 68, 136 and 136. Less than the products: several processors share an item; 1 / c.
/// - `link`: as it is, but of an all_to_all between PCIe devices as bytes/s: NCCL gives a peer two
///   channels there whatever the generation (src/graph/paths.cc, ncclTopoGetNchannels), a ring as
///   many as its bandwidth needs. Two ranks exchange at 22 GB/s over PCIe 4 and at 28 over PCIe 5,
///   and gather at 20 and 31. At most 3/4 of the link, or the share it is from: packets carry
///   headers, NCCL reckons 24 of the 32 GB/s of PCIe 4 x16 (topo.cc, kvDictPciGen).
/// - `dispatch`: within an architecture; between them 0, a free choice. vLLM and SGLang have one
///   table of tiles for each (vLLM csrc/quantization/cutlass_w8a8: ..._sm89_fp8_dispatch.cuh,
///   ..._sm90_...).
/// - `growth`: between kinds of link its times by the latency of a hop, 0.6 us over NVLink and 1 us
///   over PCIe (NVIDIA/nccl, src/graph/tuning.cc, ring, LL). `gain`: at most 1 between kinds of
///   link: only a switch adds up (NVLink SHARP), what shares a bus loses.
std::vector<double> carried(const FittedCurve& fitted, const NumberFormat* format,
                            const HardwareSpec& from, const HardwareSpec& to);

/// Of `into`, the parameters of growth replaced by those of `other`.
void take_growth(const OperatorCurve& curve, const std::vector<double>& other,
                 std::vector<double>& into);

/// Between the sockets of a host, bytes/s: NCCL's figure for Sapphire Rapids (NVIDIA/nccl,
/// src/graph/topo.h, SRP_QPI_BW; AMD's since Zen 3 24 GB/s). That hosts of PCIe accelerators have
/// one of these is assumed.
constexpr double host_crossing = 22e9;

/// More than two ranks on PCIe form a ring that crosses the host. Limits the gains of a
/// collective's parameters so that 8 ranks get no more than `host_crossing` in the protocols of
/// middle and large messages, half of it in the one with a flag in every other word (LL); makes
/// `gain_switch` what the further hops take in the protocol of large messages, 5.7 us each over
/// PCIe where LL takes 1 us (tuning.cc), once around the ring, for an all_reduce twice. Other links
/// and curves stay.
void cross_host(const FittedCurve& fitted, const HardwareSpec& to, std::vector<double>& parameters);

}  // namespace tollgate
