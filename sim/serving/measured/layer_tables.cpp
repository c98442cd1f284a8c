#include "sim/serving/measured/layer_tables.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "sim/base/error.h"
#include "sim/serving/measured/csv_table.h"

namespace tollgate {
namespace {

/// Alpha of chunks and buckets that were not measured: those that were have 0.05 to 0.06 on
/// average.
constexpr double usual_skew = 0.06;

/// The two entries around x, the last two beyond the end and the first alone before the beginning,
/// and how far x is from the one to the other.
template <class Map>
auto around(const Map& map, double x) {
  struct Result {
    typename Map::const_iterator low, high;
    double share;
  };
  auto high = map.upper_bound(x);
  if (high == map.begin() || map.size() == 1) return Result{map.begin(), map.begin(), 0};
  if (high == map.end()) --high;
  const auto low = std::prev(high);
  return Result{low, high, (x - low->first) / (high->first - low->first)};
}

struct Bucket {
  double top;
  const char* label;
};

template <std::size_t n>
const char* label_of(const Bucket (&buckets)[n], double x) {
  for (const Bucket& b : buckets) {
    if (x <= b.top) return b.label;
  }
  return buckets[n - 1].label;
}

// The bins of profiler/skew of LLMServingSim.
constexpr Bucket by_sequences[] = {{2, "n<=2"},     {4, "n<=4"},     {8, "n<=8"},
                                   {16, "n<=16"},   {32, "n<=32"},   {64, "n<=64"},
                                   {128, "n<=128"}, {256, "n<=256"}, {1e9, "n>256"}};
constexpr Bucket by_rate[] = {
    {.05, "sr<=5%"}, {.15, "sr<=15%"}, {.4, "sr<=40%"}, {.7, "sr<=70%"}, {1e9, "sr>70%"}};
constexpr Bucket by_longest[] = {
    {1024, "kvB<=1k"}, {4096, "kvB<=4k"}, {16384, "kvB<=16k"}, {1e9, "kvB>16k"}};
constexpr Bucket by_before[] = {{0, "kp=0"},      {512, "kp<=512"}, {1024, "kp<=1k"},
                                {2048, "kp<=2k"}, {4096, "kp<=4k"}, {8192, "kp<=8k"},
                                {1e9, "kp>8k"}};

std::string join_labels(std::string_view a, std::string_view b, std::string_view c,
                        std::string_view d) {
  std::string key(a);
  key.append("|").append(b).append("|").append(c).append("|").append(d);
  return key;
}

}  // namespace

void Curve::add(double x, double y) {
  const auto at =
      static_cast<std::ptrdiff_t>(std::lower_bound(x_.begin(), x_.end(), x) - x_.begin());
  if (at < static_cast<std::ptrdiff_t>(x_.size()) && x_[static_cast<std::size_t>(at)] == x) return;
  x_.insert(x_.begin() + at, x);
  y_.insert(y_.begin() + at, y);
}

double Curve::at(double x) const {
  if (x_.empty()) return 0;
  if (x_.size() == 1 || x <= x_.front()) return y_.front();
  auto i = static_cast<std::size_t>(std::upper_bound(x_.begin(), x_.end(), x) - x_.begin());
  i = std::min(i, x_.size() - 1);
  return y_[i - 1] + (y_[i] - y_[i - 1]) * (x - x_[i - 1]) / (x_[i] - x_[i - 1]);
}

LayerTables::LayerTables(const std::filesystem::path& folder, const std::string& hardware,
                         const std::string& model, int tensor) {
  const auto each = [&](const char* file, auto use) {
    const CsvTable t(folder / file);
    const std::size_t hw = t.column("hardware"), m = t.column("model"), tp = t.column("tp");
    for (std::size_t r = 0; r < t.rows(); ++r) {
      if (t.text(r, hw) == hardware && t.text(r, m) == model) {
        use(t, r, static_cast<int>(t.number(r, tp)));
      }
    }
  };
  each("v1_dense.csv", [&](const CsvTable& t, std::size_t r, int tp) {
    const std::string layer(t.text(r, t.column("layer")));
    // A norm runs over the whole hidden state whatever the tensor parallelism.
    if (tp == (layer == "layernorm" ? 1 : tensor)) {
      dense_[layer].add(t.number(r, t.column("tokens")), t.number(r, t.column("time_us")));
    }
  });
  each("v1_per_sequence.csv", [&](const CsvTable& t, std::size_t r, int tp) {
    if (tp != tensor) return;
    per_sequence_[std::string(t.text(r, t.column("layer")))].add(t.number(r, t.column("sequences")),
                                                                 t.number(r, t.column("time_us")));
  });
  each("v1_attention.csv.gz", [&](const CsvTable& t, std::size_t r, int tp) {
    if (tp != tensor) return;
    batch_sizes_[t.number(r, t.column("n_decode"))] = true;
    attention_[t.number(r, t.column("prefill_chunk"))][t.number(r, t.column("n_decode"))]
              [t.number(r, t.column("kv_prefill"))]
                  .add(t.number(r, t.column("kv_decode")), t.number(r, t.column("time_us")));
  });
  each("v1_moe.csv", [&](const CsvTable& t, std::size_t r, int) {
    experts_[t.number(r, t.column("activated_experts"))].add(t.number(r, t.column("tokens")),
                                                             t.number(r, t.column("time_us")));
  });
  each("v1_skew_fit.csv.gz", [&](const CsvTable& t, std::size_t r, int tp) {
    if (tp != tensor) return;
    skew_[t.number(r, t.column("pc"))]
         [join_labels(t.text(r, t.column("n_label")), t.text(r, t.column("skew_rate_label")),
                      t.text(r, t.column("kv_big_label")), t.text(r, t.column("kp_label")))] =
             t.number(r, t.column("alpha"));
  });
  if (attention_.empty() || dense_.empty()) {
    throw InputError(folder.string() + ": has no measured layers of " + model + " on " + hardware +
                     " at tensor parallelism " + std::to_string(tensor));
  }
}

double LayerTables::dense(const std::string& layer, double tokens) const {
  const auto at = dense_.find(layer);
  return at == dense_.end() ? 0 : at->second.at(tokens);
}

double LayerTables::per_sequence(double sequences) const {
  double sum = 0;
  for (const auto& [layer, curve] : per_sequence_) sum += curve.at(sequences);
  return sum;
}

double LayerTables::slice(double prompt_tokens, double sequences, double before,
                          double context) const {
  const auto by_prompt = attention_.find(prompt_tokens);
  const Slice* s = nullptr;
  if (by_prompt != attention_.end() && by_prompt->second.contains(sequences)) {
    s = &by_prompt->second.at(sequences);
  } else {
    // A corner that was not measured: the nearest one that was.
    double nearest = std::numeric_limits<double>::max();
    for (const auto& [p, rows] : attention_) {
      for (const auto& [n, candidate] : rows) {
        const double d =
            (p - prompt_tokens) * (p - prompt_tokens) + (n - sequences) * (n - sequences);
        if (d < nearest) {
          nearest = d;
          s = &candidate;
        }
      }
    }
  }
  const auto [low, high, share] = around(*s, before);
  const double a = low->second.at(context);
  return share == 0 ? a : a + share * (high->second.at(context) - a);
}

double LayerTables::attention(double prompt_tokens, double before, double sequences,
                              double context) const {
  if (prompt_tokens == 0 && sequences == 0) return 0;
  const auto [p0, p1, u] = around(attention_, prompt_tokens);
  const auto [n0, n1, v] = around(batch_sizes_, sequences);
  const auto at = [&, few = n0->first, many = n1->first, w = v](double p) {
    const double a = slice(p, few, before, context);
    return w == 0 ? a : a + w * (slice(p, many, before, context) - a);
  };
  const double a = at(p0->first);
  return u == 0 ? a : a + u * (at(p1->first) - a);
}

double LayerTables::skew(double prompt_tokens, double before, double sequences, double longest,
                         double mean, double shortest) const {
  if (skew_.empty()) return 0;
  const auto chunk = skew_.find(prompt_tokens);
  if (chunk == skew_.end()) return usual_skew;
  const double rate = longest > shortest ? (mean - shortest) / (longest - shortest) : 0.5;
  const auto at =
      chunk->second.find(join_labels(label_of(by_sequences, sequences), label_of(by_rate, rate),
                                     label_of(by_longest, longest), label_of(by_before, before)));
  return at == chunk->second.end() ? usual_skew : at->second;
}

double LayerTables::experts(double tokens, double activated) const {
  if (experts_.empty()) return 0;
  if (activated <= experts_.begin()->first) return experts_.begin()->second.at(tokens);
  const auto [low, high, share] = around(experts_, activated);
  const double a = low->second.at(tokens);
  return a + share * (high->second.at(tokens) - a);
}

}  // namespace tollgate
