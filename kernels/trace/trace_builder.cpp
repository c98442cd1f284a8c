#include "kernels/trace/trace_builder.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "kernels/trace/trace_reader.h"

namespace tollgate::kernels {
namespace {

constexpr std::uint16_t kNothing = 0xffff;
constexpr std::int64_t kMaxLayers = 4096;

}  // namespace

TraceBuilder::TraceBuilder(std::string name, int experts, int top_k)
    : name_(std::move(name)), experts_(experts), top_k_(top_k) {
  check_trace_shape(experts, top_k);
}

void TraceBuilder::add(const IntegerArray& choices, std::span<const int> lengths,
                       const std::string& where, const IntegerArray* logical) {
  const std::string place = name_ + (where.empty() ? "" : ", " + where) + ": ";
  const auto fail = [&](const std::string& sentence) {
    throw std::invalid_argument(place + sentence);
  };
  if (choices.axes() != 3) {
    fail("the choices have " + std::to_string(choices.axes()) +
         " axes; they must be tokens, layers and choices per token.");
  }
  const std::int64_t tokens = choices.shape[0], layers = choices.shape[1], slots = choices.shape[2];
  if (slots < top_k_) {
    fail("a token has " + std::to_string(slots) +
         " choices, not top_k = " + std::to_string(top_k_) + ".");
  }
  if (layers < 1 || layers > kMaxLayers) fail("there are " + std::to_string(layers) + " layers.");
  if (layers_ >= 0 && layers != layers_) {
    fail("there are " + std::to_string(layers) + " layers, but " + std::to_string(layers_) +
         " before.");
  }
  if (tokens > std::numeric_limits<int>::max() - tokens_) fail("there are too many tokens.");
  if (std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}) != tokens ||
      std::any_of(lengths.begin(), lengths.end(), [](int n) { return n < 0; })) {
    fail("the lengths of the sequences do not sum to the tokens.");
  }
  const std::int64_t physical = logical == nullptr ? 0 : logical->shape[1];
  layers_ = static_cast<int>(layers);
  sources_.push_back({place, tokens_});
  ids_.reserve(ids_.size() + static_cast<std::size_t>(tokens * layers * top_k_));
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (std::int64_t l = 0; l < layers; ++l) {
      for (std::int64_t s = 0; s < slots; ++s) {
        std::int64_t id = choices.at(choices.position(t, l, s));
        const auto token = [&] {
          return "token " + std::to_string(t) + " at layer " + std::to_string(l);
        };
        if (s >= top_k_) {
          if (id >= 0) {
            fail(token() + " has more than " + std::to_string(top_k_) +
                 " choices; is top_k really " + std::to_string(top_k_) + "?");
          }
          continue;
        }
        if (logical != nullptr && id >= 0) {
          if (id >= physical) {
            fail(token() + " has physical expert " + std::to_string(id) + " of " +
                 std::to_string(physical) + ".");
          }
          id = logical->at(logical->position(l, id));
          if (id < 0) id = experts_;
        }
        if (id >= experts_) {
          fail(token() + " has expert " + std::to_string(id) + "; ids are 0 to " +
               std::to_string(experts_ - 1) + ".");
        }
        ids_.push_back(id < 0 ? kNothing : static_cast<std::uint16_t>(id));
      }
    }
  }
  tokens_ += static_cast<int>(tokens);
  lengths_.insert(lengths_.end(), lengths.begin(), lengths.end());
}

const std::uint16_t* TraceBuilder::row(int token, int layer) const {
  return ids_.data() + (static_cast<std::size_t>(token) * static_cast<std::size_t>(layers_) +
                        static_cast<std::size_t>(layer)) *
                           static_cast<std::size_t>(top_k_);
}

bool TraceBuilder::is_empty(int token, int layer) const {
  const std::uint16_t* ids = row(token, layer);
  if (ids[0] != kNothing && top_k_ == 1) return false;
  return std::all_of(ids, ids + top_k_, [&](std::uint16_t id) { return id == ids[0]; });
}

void TraceBuilder::refuse(int token, int layer) const {
  const auto source = std::prev(std::upper_bound(
      sources_.begin(), sources_.end(), token, [](int t, const Source& s) { return t < s.first; }));
  const std::uint16_t* ids = row(token, layer);
  std::string reason = "has fewer choices than top_k = " + std::to_string(top_k_);
  for (int s = 0; s < top_k_; ++s) {
    if (ids[s] != kNothing && std::find(ids, ids + s, ids[s]) != ids + s) {
      reason = "has expert " + std::to_string(ids[s]) + " twice; is top_k really " +
               std::to_string(top_k_) + "?";
    }
  }
  if (reason.back() != '?') reason += ".";
  throw std::invalid_argument(source->where + "token " + std::to_string(token - source->first) +
                              " at layer " + std::to_string(layer) + " " + reason);
}

RoutingTrace TraceBuilder::finish() {
  std::vector<int> layers;
  for (int l = 0; l < layers_; ++l) {
    for (int t = 0; t < tokens_; ++t) {
      if (is_empty(t, l)) continue;
      layers.push_back(l);
      break;
    }
  }
  if (layers.empty()) throw std::invalid_argument(name_ + " has no choices of experts.");
  dense_layers_ = layers_ - static_cast<int>(layers.size());

  std::vector<int> kept;
  RoutingTrace trace;
  trace.experts = experts_;
  trace.top_k = top_k_;
  trace.layers = static_cast<int>(layers.size());
  trace.domains = {"recorded"};
  int token = 0;
  for (const int length : lengths_) {
    const int first = static_cast<int>(kept.size());
    for (const int end = token + length; token < end; ++token) {
      const auto chosen =
          std::find_if(layers.begin(), layers.end(), [&](int l) { return !is_empty(token, l); });
      if (chosen != layers.end()) kept.push_back(token);
    }
    const int tokens = static_cast<int>(kept.size()) - first;
    if (tokens > 0) trace.sequences.push_back({0, first, tokens});
  }
  padding_tokens_ = tokens_ - static_cast<int>(kept.size());
  trace.ids.reserve(layers.size() * kept.size() * static_cast<std::size_t>(top_k_));
  for (const int layer : layers) {
    for (const int t : kept) {
      const std::uint16_t* ids = row(t, layer);
      for (int s = 0; s < top_k_; ++s) {
        if (ids[s] == kNothing || std::find(ids, ids + s, ids[s]) != ids + s) refuse(t, layer);
      }
      trace.ids.insert(trace.ids.end(), ids, ids + top_k_);
    }
  }
  return trace;
}

std::string left_out(int dense_layers, int padding_tokens) {
  const auto counted = [](int n, const std::string& unit) {
    return std::to_string(n) + " " + unit + (n == 1 ? "" : "s");
  };
  std::string parts;
  if (dense_layers > 0) parts = counted(dense_layers, "layer") + " without choices";
  if (padding_tokens > 0) {
    parts += (parts.empty() ? "" : " and ") + counted(padding_tokens, "token") + " of padding";
  }
  return parts.empty() ? "" : "; " + parts + " left out";
}

}  // namespace tollgate::kernels
