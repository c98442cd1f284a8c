#include "kernels/dispatch/traffic.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {
namespace {

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

[[noreturn]] void reject(std::uint16_t slot, int slots) {
  throw std::invalid_argument("A token was sent to slot " + std::to_string(slot) +
                              ", but there are only " + std::to_string(slots) + " slots.");
}

constexpr std::int64_t kScaleBlock = 128;  // elements that share a scale
constexpr std::int64_t kScaleBytes = 4;

double per(std::int64_t sum, std::int64_t count) {
  return count == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(count);
}

/// Walks all tokens and reports every hop: logical(from, to), scale_up(from, to), network(from,
/// to).
template <class Sink>
Spread walk(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
            TransferMode mode, Sink& sink) {
  require(top_k >= 1 && slots.size() % top_k == 0 && slots.size() <= (std::size_t{1} << 30),
          std::to_string(slots.size()) + " choices are not a whole number of tokens with " +
              std::to_string(top_k) + " choices each, or more than 2^30.");
  const RankGrid grid = placement.grid;
  const int tokens = static_cast<int>(slots.size()) / top_k;
  std::vector<std::uint16_t> rank_of(placement.slots);
  std::vector<std::uint16_t> node_of(grid.ranks);
  for (int p = 0; p < placement.slots; ++p) {
    rank_of[p] = static_cast<std::uint16_t>(placement.rank_of(p));
  }
  for (int r = 0; r < grid.ranks; ++r) node_of[r] = static_cast<std::uint16_t>(grid.node_of(r));

  std::vector<std::int32_t> rank_seen(grid.ranks, -1);  // the last token that went there
  std::vector<std::int32_t> node_seen(grid.nodes(), -1);
  Spread spread;
  spread.tokens = tokens;
  for (int source = 0; source < grid.ranks; ++source) {
    const int home = node_of[source];
    const int index_in_node = source - home * grid.ranks_per_node;
    const int end = first_token(source + 1, tokens, grid.ranks);
    for (int token = first_token(source, tokens, grid.ranks); token < end; ++token) {
      const std::uint16_t* chosen = slots.data() + static_cast<std::ptrdiff_t>(token) * top_k;
      int nodes = 0;
      for (int i = 0; i < top_k; ++i) {
        if (chosen[i] == kNoSlot) continue;
        if (chosen[i] >= placement.slots) reject(chosen[i], placement.slots);
        const int to = rank_of[chosen[i]];
        const int node = node_of[to];
        const bool new_rank = rank_seen[to] != token;
        const bool new_node = node_seen[node] != token;
        rank_seen[to] = token;
        node_seen[node] = token;
        ++spread.choices;
        spread.destination_ranks += new_rank ? 1 : 0;
        nodes += new_node ? 1 : 0;
        spread.remote_nodes += new_node && node != home ? 1 : 0;
        if (mode == TransferMode::low_latency) {
          sink.logical(source, to);
          if (node != home) {
            sink.network(source, to);
          } else if (to != source) {
            sink.scale_up(source, to);
          }
        } else if (new_rank) {
          const int relay = node * grid.ranks_per_node + index_in_node;  // at home: the source
          sink.logical(source, to);
          if (new_node && node != home) sink.network(source, relay);
          if (to != relay) sink.scale_up(relay, to);
        }
      }
      spread.destination_nodes += nodes;
      spread.most_nodes = std::max(spread.most_nodes, nodes);
    }
  }
  return spread;
}

struct PortSink {
  PortTraffic& traffic;

  static void add(PortRows& rows, int from, int to) {
    ++rows.sent[from];
    ++rows.received[to];
  }
  void logical(int from, int to) { add(traffic.logical, from, to); }
  void scale_up(int from, int to) { add(traffic.scale_up, from, to); }
  void network(int from, int to) { add(traffic.network, from, to); }
};

struct MatrixSink {
  TrafficMatrix& traffic;

  std::size_t at(int from, int to) const {
    return static_cast<std::size_t>(from) * traffic.grid.ranks + to;
  }
  void logical(int from, int to) { ++traffic.logical[at(from, to)]; }
  void scale_up(int from, int to) { ++traffic.scale_up[at(from, to)]; }
  void network(int from, int to) { ++traffic.network[at(from, to)]; }
};

}  // namespace

double Spread::ranks_per_token() const { return per(destination_ranks, tokens); }
double Spread::nodes_per_token() const { return per(destination_nodes, tokens); }
double Spread::remote_nodes_per_token() const { return per(remote_nodes, tokens); }

std::int64_t row_bytes(RowFormat format, int width) {
  require(width >= 1 && width <= (1 << 24),
          "A row has " + std::to_string(width) + " elements, but must have 1 to 2^24.");
  const std::int64_t scales = (width + kScaleBlock - 1) / kScaleBlock * kScaleBytes;
  switch (format) {
    case RowFormat::bf16:
      return 2 * std::int64_t{width};
    case RowFormat::fp8:
      return width + scales;
    case RowFormat::logfmt10:
      return (std::int64_t{width} * 10 + 7) / 8 + scales;
  }
  throw std::invalid_argument("The row format is unknown.");
}

std::int64_t dispatch_row_bytes(TransferMode mode, RowFormat format, int width) {
  return row_bytes(format, width) +
         (mode == TransferMode::low_latency ? kLowLatencyHeaderBytes : 0);
}

std::int64_t combine_row_bytes(RowFormat format, int width) { return row_bytes(format, width); }

PortTraffic count_ports(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                        TransferMode mode) {
  PortTraffic traffic;
  for (PortRows* rows : {&traffic.logical, &traffic.scale_up, &traffic.network}) {
    rows->sent.assign(placement.grid.ranks, 0);
    rows->received.assign(placement.grid.ranks, 0);
  }
  PortSink sink{traffic};
  traffic.spread = walk(slots, top_k, placement, mode, sink);
  return traffic;
}

TrafficMatrix count_matrix(std::span<const std::uint16_t> slots, int top_k,
                           const Placement& placement, TransferMode mode) {
  TrafficMatrix traffic;
  traffic.grid = placement.grid;
  const std::size_t cells = static_cast<std::size_t>(traffic.grid.ranks) * traffic.grid.ranks;
  traffic.logical.assign(cells, 0);
  traffic.scale_up.assign(cells, 0);
  traffic.network.assign(cells, 0);
  MatrixSink sink{traffic};
  traffic.spread = walk(slots, top_k, placement, mode, sink);
  return traffic;
}

PortRows port_rows(std::span<const std::int64_t> matrix, int ranks) {
  require(ranks >= 1 && matrix.size() == static_cast<std::size_t>(ranks) * ranks,
          "A traffic matrix has " + std::to_string(matrix.size()) + " entries, but " +
              std::to_string(ranks) + " ranks.");
  PortRows rows;
  rows.sent.assign(ranks, 0);
  rows.received.assign(ranks, 0);
  for (int from = 0; from < ranks; ++from) {
    for (int to = 0; to < ranks; ++to) {
      const std::int64_t n = matrix[static_cast<std::size_t>(from) * ranks + to];
      rows.sent[from] += n;
      rows.received[to] += n;
    }
  }
  return rows;
}

LinkLoad link_load(const PortRows& rows, int ranks_per_port) {
  const auto ranks = static_cast<int>(rows.sent.size());
  require(ranks_per_port >= 1 && ranks >= 1 && ranks % ranks_per_port == 0,
          "Ports of " + std::to_string(ranks_per_port) + " ranks do not divide the " +
              std::to_string(ranks) + " ranks evenly.");
  LinkLoad load;
  for (int port = 0; port < ranks / ranks_per_port; ++port) {
    std::int64_t sent = 0;
    std::int64_t received = 0;
    for (int r = port * ranks_per_port; r < (port + 1) * ranks_per_port; ++r) {
      sent += rows.sent[r];
      received += rows.received[r];
    }
    load.total += sent;
    if (sent > load.most_sent) {
      load.most_sent = sent;
      load.busiest_sender = port;
    }
    if (received > load.most_received) {
      load.most_received = received;
      load.busiest_receiver = port;
    }
  }
  load.busiest = std::max(load.most_sent, load.most_received);
  load.mean_per_port = static_cast<double>(load.total) * ranks_per_port / ranks;
  return load;
}

LinkLoad in_bytes(const LinkLoad& rows, std::int64_t bytes_per_row) {
  LinkLoad bytes = rows;
  for (std::int64_t* n : {&bytes.total, &bytes.most_sent, &bytes.most_received, &bytes.busiest}) {
    *n *= bytes_per_row;
  }
  bytes.mean_per_port *= static_cast<double>(bytes_per_row);
  return bytes;
}

PortRows reversed(const PortRows& rows) { return {rows.received, rows.sent}; }

double expected_distinct(int experts, int top_k, int parts) {
  require(experts >= 1 && top_k >= 0 && top_k <= experts && parts >= 1 && experts % parts == 0,
          std::to_string(parts) + " parts of " + std::to_string(experts) + " experts with top-" +
              std::to_string(top_k) + " make no sense.");
  const int part = experts / parts;
  double miss = 1.0;
  for (int i = 0; i < top_k; ++i) {
    miss *= static_cast<double>(std::max(0, experts - part - i)) / (experts - i);
  }
  return parts * (1.0 - miss);
}

}  // namespace tollgate::kernels
