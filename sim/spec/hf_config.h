#pragma once

#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/spec/schema.h"

namespace tollgate {

/// Parses JSON as Hugging Face writes it (Infinity and NaN may stand where nobody reads them).
/// Refuses duplicate keys, deep nesting and files that are too large. Throws InputError with
/// line:column.
nlohmann::json parse_hf_json(const std::string& text, const std::string& file);

/// Typed reading of one config.json. Fields are looked for in the language model's part
/// (`text_config`) first, then at the top. A field may have several spellings; two that are present
/// and disagree are an error. null counts as absent. All readers throw InputError.
class HfConfig {
 public:
  using Keys = std::initializer_list<const char*>;

  HfConfig(const nlohmann::json& root, const std::string& text, const std::string& file);

  std::optional<long long> integer(Keys keys, Range range) const;
  long long required_integer(Keys keys, Range range) const;
  std::optional<double> number(Keys keys, Range range) const;
  std::optional<bool> boolean(Keys keys) const;
  std::optional<std::string> text(Keys keys) const;
  /// A list of whole numbers of exactly `size` elements (0 = any length).
  std::optional<std::vector<long long>> integers(const char* key, std::size_t size) const;
  std::optional<std::vector<std::string>> texts(const char* key, std::size_t size) const;
  bool has(const char* key) const { return find(key) != nullptr; }

  /// The value of `key` (null and absent are nullptr).
  const nlohmann::json* find(const char* key) const;
  /// The object at `key` as a config of its own, without the top level behind it.
  std::optional<HfConfig> child(const char* key) const;

  /// Where the key stands in the text, as well as can be found.
  Place place(const std::string& key) const;
  [[noreturn]] void fail(const std::string& key, const std::string& sentence) const;

 private:
  HfConfig() = default;
  /// The first of the spellings that is present, after checking that all present ones agree.
  std::pair<const char*, const nlohmann::json*> pick(Keys keys) const;

  const nlohmann::json* own_ = nullptr;
  const nlohmann::json* outer_ = nullptr;
  const std::string* text_ = nullptr;
  std::string file_;
};

/// Storage formats by class of tensor from the quantisation a checkpoint declares, in config.json
/// or in an hf_quant_config.json beside it.
PrecisionMap read_hf_precision(const HfConfig& config, const nlohmann::json* side_file,
                               std::vector<std::string>& assumptions);

}  // namespace tollgate
