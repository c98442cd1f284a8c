#pragma once
/// What the two all-to-alls of a layer move: rows, then bytes, per rank and per link.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/placement/placement.h"
#include "kernels/placement/replica_choice.h"

namespace tollgate::kernels {

/// How rows travel, after DeepEP (github.com/deepseek-ai/DeepEP).
enum class TransferMode {
  /// One row per choice, straight from source to destination rank, no de-duplication.
  low_latency,

  /// One row per (token, destination rank). To another node a token crosses the network once, to
  /// the rank there that has the source's index within its node, which hands it on over the
  /// scale-up link to every other destination rank of its node.
  normal,
};

/// Elements of a row on the wire.
enum class RowFormat {
  bf16,      ///< 2 bytes an element
  fp8,       ///< 1 byte an element and a 4-byte scale per 128 elements, the last block may be short
  logfmt10,  ///< 10 bits an element and 4 bytes per 128 (combine of DeepEP's low-latency mode)
};

/// Bytes of one row of `width` >= 1 elements (the hidden size, or the latent width of latent-MoE
/// models) without a header.
std::int64_t row_bytes(RowFormat format, int width);

/// The header of a low-latency dispatch row (DeepEP: source index, int4): 16 bytes.
inline constexpr int kLowLatencyHeaderBytes = 16;

/// Bytes of a row in dispatch: `row_bytes`, plus the header in low-latency mode. With FP8 and width
/// H that is H + H/128*4 + 16 (DeepEP, tests/test_low_latency.py). Normal mode leaves out top-k ids
/// and weights (8 to 12 bytes per choice), as DeepEP's own accounting does.
std::int64_t dispatch_row_bytes(TransferMode mode, RowFormat format, int width);

/// Bytes of a row in combine: `row_bytes` in either mode.
std::int64_t combine_row_bytes(RowFormat format, int width);

/// To how many ranks and nodes tokens go.
struct Spread {
  std::int64_t tokens = 0;
  std::int64_t choices = 0;            ///< that were sent to a slot
  std::int64_t destination_ranks = 0;  ///< sum over tokens of distinct ranks, its own included
  std::int64_t destination_nodes = 0;  ///< the same for nodes; what DeepEP's tests count as RDMA
  std::int64_t remote_nodes = 0;       ///< the same without the token's own node
  int most_nodes = 0;                  ///< largest number of distinct nodes of one token

  /// Whether every token kept to `nodes` nodes, as a group-limited gate promises if expert groups
  /// stay within nodes.
  bool within(int nodes) const { return most_nodes <= nodes; }

  double ranks_per_token() const;
  double nodes_per_token() const;
  double remote_nodes_per_token() const;

  bool operator==(const Spread&) const = default;
};

/// Rows that each rank sends and receives, [rank]. Combine moves the same rows backwards: what is
/// sent here is received there.
struct PortRows {
  std::vector<std::int64_t> sent;
  std::vector<std::int64_t> received;

  bool operator==(const PortRows&) const = default;
};

/// Traffic of dispatch by rank: cheap to count for any number of ranks.
struct PortTraffic {
  PortRows logical;   ///< from source to destination rank, rows that stay on a rank included
  PortRows scale_up;  ///< over the link within a node
  PortRows network;   ///< between nodes
  Spread spread;

  bool operator==(const PortTraffic&) const = default;
};

/// Traffic of dispatch by pair, [source rank * ranks + destination rank] rows.
struct TrafficMatrix {
  RankGrid grid;
  std::vector<std::int64_t> logical;   ///< as in PortTraffic
  std::vector<std::int64_t> scale_up;  ///< by hop: in normal mode relays are sources here
  std::vector<std::int64_t> network;   ///< by hop: in normal mode relays are destinations here
  Spread spread;

  bool operator==(const TrafficMatrix&) const = default;
};

/// Counts the traffic of one step at one layer. `slots` is [token * top_k + choice] as
/// `choose_slots` gives; tokens are dealt to source ranks as `first_token` says. Throws
/// std::invalid_argument with a sentence for a bad top_k or a slot that does not exist.
PortTraffic count_ports(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                        TransferMode mode);
TrafficMatrix count_matrix(std::span<const std::uint16_t> slots, int top_k,
                           const Placement& placement, TransferMode mode);

/// Row and column sums of a matrix with ranks * ranks entries.
PortRows port_rows(std::span<const std::int64_t> matrix, int ranks);

/// The ports that a link waits for. Links are taken as full duplex: a port is busy with the larger
/// of what it sends and what it receives. Multiply by bytes per row for bytes.
struct LinkLoad {
  std::int64_t total = 0;          ///< rows over all ports
  std::int64_t most_sent = 0;      ///< rows of the busiest sender
  int busiest_sender = 0;          ///< its port; the lowest among equals, as below
  std::int64_t most_received = 0;  ///< rows of the busiest receiver
  int busiest_receiver = 0;        ///< its port
  std::int64_t busiest = 0;        ///< larger of the two: rows of the busiest port
  double mean_per_port = 0.0;      ///< total / ports

  bool operator==(const LinkLoad&) const = default;
};

/// Ports of `ranks_per_port` consecutive ranks: 1 for NVLink and for one NIC per GPU, 2 where two
/// GPUs share a NIC. Throws std::invalid_argument if that does not divide the ranks.
LinkLoad link_load(const PortRows& rows, int ranks_per_port = 1);

/// The same in bytes: rows times `bytes_per_row`.
LinkLoad in_bytes(const LinkLoad& rows, std::int64_t bytes_per_row);

/// The same rows going back, as in combine: what was sent is received.
PortRows reversed(const PortRows& rows);

/// Expected number of distinct parts among the top_k experts of a token if all sets of top_k
/// experts are equally likely: parts * (1 - C(E - E/parts, k) / C(E, k)). `parts` (ranks or nodes)
/// divides `experts`; else std::invalid_argument.
double expected_distinct(int experts, int top_k, int parts);

}  // namespace tollgate::kernels
