#pragma once
/// Puts counts of experts together from arrays.

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/trace/integer_array.h"
#include "kernels/trace/trace_reader.h"

namespace tollgate::kernels {

/// Checks and sums. Layers without any activation are dense and left out.
class CountsBuilder {
 public:
  /// `name` begins every error. Throws std::invalid_argument for a shape beyond the engine.
  CountsBuilder(std::string name, int experts, int top_k);

  /// Adds [layer][expert] or [step][layer][expert]. `logical`, [layer][physical expert], translates
  /// the experts if given. Throws for a negative count, another shape, no such expert.
  void add(const IntegerArray& counts, const std::string& where,
           const IntegerArray* logical = nullptr);

  /// Throws if nothing was counted, or an expert more than once per token.
  ExpertCounts finish();

  int dense_layers() const { return dense_layers_; }  ///< left out, after `finish`

 private:
  std::string name_;
  int experts_, top_k_;
  int dense_layers_ = 0;
  std::int64_t layers_ = -1;
  std::vector<std::int64_t> counts_;
};

/// Throws std::invalid_argument if a layer's expert has more than one activation per token.
void check_counts(const ExpertCounts& counts, int top_k, const std::string& name);

}  // namespace tollgate::kernels
