#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace tollgate {

/// Points joined by straight lines, continued beyond the last one, constant before the first.
class Curve {
 public:
  void add(double x, double y);
  double at(double x) const;
  bool empty() const { return x_.empty(); }

 private:
  std::vector<double> x_, y_;
};

/// Measured kernel times of one layer of a model at one tensor-parallel size, in the format of
/// LLMServingSim's profiles (casys-kaist/LLMServingSim, profiler/perf, MIT) written out as CSV.
/// Microseconds.
class LayerTables {
 public:
  /// Reads v1_dense.csv, v1_per_sequence.csv, v1_attention.csv.gz, v1_moe.csv and
  /// v1_skew_fit.csv.gz in `folder`. InputError if the model was not measured there.
  LayerTables(const std::filesystem::path& folder, const std::string& hardware,
              const std::string& model, int tensor);

  /// A dense operator over `tokens` tokens; 0 for one that this model does not have.
  double dense(const std::string& layer, double tokens) const;
  /// LM head and sampler.
  double per_sequence(double sequences) const;
  /// Attention of a step: prompt tokens of all chunks, tokens before them in the cache, decoding
  /// sequences and their mean context. Linear between measured points in all four.
  double attention(double prompt_tokens, double before, double sequences, double context) const;
  /// Share of the way from the time at the mean context to the time at the longest, for a batch of
  /// uneven contexts.
  double skew(double prompt_tokens, double before, double sequences, double longest, double mean,
              double shortest) const;
  /// The expert layer over `tokens` tokens with `activated` distinct experts.
  double experts(double tokens, double activated) const;

 private:
  /// Rows by tokens before the chunk, curves over mean decode context.
  using Slice = std::map<double, Curve>;
  double slice(double prompt_tokens, double sequences, double before, double context) const;

  std::map<std::string, Curve> dense_, per_sequence_;
  std::map<double, std::map<double, Slice>> attention_;   ///< by prompt tokens, then sequences
  std::map<double, bool> batch_sizes_;                    ///< that were measured
  std::map<double, Curve> experts_;                       ///< by activated experts, over tokens
  std::map<double, std::map<std::string, double>> skew_;  ///< by prompt tokens, then bucket labels
};

}  // namespace tollgate
