#pragma once
/// Puts a trace together from arrays of choices, request by request.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/trace/integer_array.h"
#include "kernels/trace/trace.h"

namespace tollgate::kernels {

/// Checks and collects. Ids below 0 mean "nothing chosen"; where a whole token has none, or the
/// same id in every slot of a token (engines leave zeros where nothing was routed), the token is
/// empty at that layer. Layers that are empty for every token are dense, tokens that are empty at
/// every other layer are padding; both are left out.
class TraceBuilder {
 public:
  /// `name` begins every error. Throws std::invalid_argument for a shape beyond the engine.
  TraceBuilder(std::string name, int experts, int top_k);

  /// Adds tokens [token][layer][slot]; slots beyond top_k must be empty. `lengths` splits them into
  /// sequences, in order, and sums to the number of tokens. `logical`, [layer][physical expert],
  /// translates the ids if given. `where` names the array in errors.
  void add(const IntegerArray& choices, std::span<const int> lengths, const std::string& where,
           const IntegerArray* logical = nullptr);

  /// The trace with one domain, "recorded". Throws if there is no token or one of them makes no
  /// sense. May be called once.
  RoutingTrace finish();

  int dense_layers() const { return dense_layers_; }      ///< left out, after `finish`
  int padding_tokens() const { return padding_tokens_; }  ///< likewise

 private:
  struct Source {
    std::string where;
    int first = 0;
  };

  [[noreturn]] void refuse(int token, int layer) const;
  bool is_empty(int token, int layer) const;
  const std::uint16_t* row(int token, int layer) const;

  std::string name_;
  int experts_, top_k_;
  int layers_ = -1;
  int tokens_ = 0;
  int dense_layers_ = 0, padding_tokens_ = 0;
  std::vector<Source> sources_;
  std::vector<int> lengths_;
  std::vector<std::uint16_t> ids_;  ///< [token][layer][slot]
};

/// "; 3 layers without choices and 5 tokens of padding left out", or nothing.
std::string left_out(int dense_layers, int padding_tokens);

}  // namespace tollgate::kernels
