#include "sim/spec/hf_config.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/base/text.h"

namespace tollgate {
namespace {

using nlohmann::json;

constexpr std::size_t size_limit = 8 << 20;
constexpr int depth_limit = 32;

Place place_at(const std::string& text, std::size_t offset, const std::string& file) {
  Place place{file, 1, 1};
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++place.line, place.column = 1;
    } else {
      ++place.column;
    }
  }
  return place;
}

/// Python's json writes Infinity and NaN, which JSON does not have: outside of strings they become
/// strings of the same length, so that positions stay and a reader of a number refuses them. Also
/// refuses deep nesting, before a parser recurses into it.
std::string prepare(const std::string& text, const std::string& file) {
  std::string out = text;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char c = out[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '[' || c == '{') {
      if (++depth > depth_limit) {
        throw InputError(
            place_at(text, i, file),
            "the JSON nests more than " + std::to_string(depth_limit) + " levels deep.");
      }
    }
    if (c == ']' || c == '}') --depth;
    for (const std::string_view word : {"-Infinity", "Infinity", "NaN"}) {
      if (text.compare(i, word.size(), word) != 0) continue;
      out[i] = '"', out[i + word.size() - 1] = '"';
      i += word.size() - 1;
      break;
    }
  }
  return out;
}

std::string shown(const json& value) {
  // What `prepare` made of the words that are not JSON.
  if (value == "a") return "NaN";
  if (value == "nfinit") return "Infinity";
  if (value == "Infinit") return "-Infinity";
  return quote(value.dump(-1, ' ', true, json::error_handler_t::replace), 40);
}

}  // namespace

json parse_hf_json(const std::string& text, const std::string& file) {
  const Place whole{file, 0, 0};
  if (text.size() > size_limit)
    throw InputError(whole, "the file is larger than a config.json can be.");
  if (!is_utf8(text)) throw InputError(whole, "the file is not UTF-8 text.");
  const std::string prepared = prepare(text, file);
  std::vector<std::set<std::string>> seen;
  std::string twice;
  try {
    json root = json::parse(prepared, [&](int, json::parse_event_t event, json& parsed) {
      if (event == json::parse_event_t::object_start) seen.emplace_back();
      if (event == json::parse_event_t::object_end && !seen.empty()) seen.pop_back();
      if (event == json::parse_event_t::key && !seen.empty() && twice.empty()) {
        const auto& key = parsed.get_ref<const std::string&>();
        if (!seen.back().insert(key).second) twice = key;
      }
      return true;
    });
    if (!twice.empty()) throw InputError(whole, "the key " + quote(twice) + " is given twice.");
    if (!root.is_object()) throw InputError(whole, "the file is JSON, but not an object.");
    return root;
  } catch (const json::parse_error& error) {
    const std::size_t offset = error.byte > 0 ? error.byte - 1 : 0;
    throw InputError(place_at(text, offset, file), "this is not JSON here.");
  } catch (const json::exception&) {
    throw InputError(whole, "a number is too large to be read.");
  }
}

HfConfig::HfConfig(const json& root, const std::string& text, const std::string& file)
    : own_(&root), text_(&text), file_(file) {
  for (const char* key : {"text_config", "language_config", "llm_config"}) {
    const auto inner = root.find(key);
    if (inner == root.end() || inner->is_null()) continue;
    if (!inner->is_object()) fail(key, std::string(key) + " is not an object.");
    own_ = &*inner, outer_ = &root;
    return;
  }
}

const json* HfConfig::find(const char* key) const {
  for (const json* level : {own_, outer_}) {
    if (!level) continue;
    const auto found = level->find(key);
    if (found != level->end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

std::optional<HfConfig> HfConfig::child(const char* key) const {
  const json* value = find(key);
  if (!value) return {};
  if (!value->is_object()) fail(key, std::string(key) + " is not an object.");
  HfConfig config;
  config.own_ = value;
  config.text_ = text_;
  config.file_ = file_;
  return config;
}

Place HfConfig::place(const std::string& key) const {
  const std::string quoted = '"' + key + '"';
  const std::size_t from = outer_ ? text_->find("_config\"") : 0;
  for (const std::size_t start : {from == std::string::npos ? 0 : from, std::size_t{0}}) {
    for (std::size_t at = text_->find(quoted, start); at != std::string::npos;
         at = text_->find(quoted, at + 1)) {
      const std::size_t next = text_->find_first_not_of(" \t\r\n", at + quoted.size());
      if (next != std::string::npos && (*text_)[next] == ':') return place_at(*text_, at, file_);
    }
  }
  return {file_, 0, 0};
}

void HfConfig::fail(const std::string& key, const std::string& sentence) const {
  throw InputError(place(key), sentence);
}

std::pair<const char*, const json*> HfConfig::pick(Keys keys) const {
  std::pair<const char*, const json*> first{nullptr, nullptr};
  for (const char* key : keys) {
    const json* value = find(key);
    if (!value) continue;
    if (!first.second) {
      first = {key, value};
    } else if (*value != *first.second) {
      fail(key, std::string(first.first) + " is " + shown(*first.second) + ", but " + key + " is " +
                    shown(*value) + "; they mean the same and have to agree.");
    }
  }
  return first;
}

std::optional<long long> HfConfig::integer(Keys keys, Range range) const {
  const auto [key, value] = pick(keys);
  if (!value) return {};
  if (!value->is_number_integer()) {
    fail(key, std::string(key) + " is " + shown(*value) + ", but has to be a whole number.");
  }
  const double number = value->get<double>();
  if (number < range.low || number > range.high) {
    fail(key,
         std::string(key) + " is " + shown(*value) + ", but has to be " + describe(range) + ".");
  }
  return value->get<long long>();
}

long long HfConfig::required_integer(Keys keys, Range range) const {
  if (const auto value = integer(keys, range)) return *value;
  throw InputError(Place{file_, 0, 0}, "the config lacks " + std::string(*keys.begin()) +
                                           ", without which it cannot be read.");
}

std::optional<double> HfConfig::number(Keys keys, Range range) const {
  const auto [key, value] = pick(keys);
  if (!value) return {};
  if (!value->is_number()) {
    fail(key, std::string(key) + " is " + shown(*value) + ", but has to be a number.");
  }
  const double number = value->get<double>();
  const bool low = range.above ? number > range.low : number >= range.low;
  if (!std::isfinite(number) || !low || number > range.high) {
    fail(key,
         std::string(key) + " is " + shown(*value) + ", but has to be " + describe(range) + ".");
  }
  return number;
}

std::optional<bool> HfConfig::boolean(Keys keys) const {
  const auto [key, value] = pick(keys);
  if (!value) return {};
  if (!value->is_boolean()) {
    fail(key, std::string(key) + " is " + shown(*value) + ", but has to be true or false.");
  }
  return value->get<bool>();
}

std::optional<std::string> HfConfig::text(Keys keys) const {
  const auto [key, value] = pick(keys);
  if (!value) return {};
  if (!value->is_string()) {
    fail(key, std::string(key) + " is " + shown(*value) + ", but has to be text.");
  }
  return value->get<std::string>();
}

std::optional<std::vector<long long>> HfConfig::integers(const char* key, std::size_t size) const {
  const json* value = find(key);
  if (!value) return {};
  std::vector<long long> list;
  if (!value->is_array()) fail(key, std::string(key) + " has to be a list of whole numbers.");
  for (const json& item : *value) {
    if (!item.is_number_integer()) {
      fail(key,
           std::string(key) + " holds " + shown(item) + ", but has to be a list of whole numbers.");
    }
    list.push_back(item.get<long long>());
  }
  if (size > 0 && list.size() != size) {
    fail(key, std::string(key) + " has " + std::to_string(list.size()) + " elements for " +
                  std::to_string(size) + " layers.");
  }
  return list;
}

std::optional<std::vector<std::string>> HfConfig::texts(const char* key, std::size_t size) const {
  const json* value = find(key);
  if (!value) return {};
  std::vector<std::string> list;
  if (!value->is_array()) fail(key, std::string(key) + " has to be a list of texts.");
  for (const json& item : *value) {
    if (!item.is_string()) fail(key, std::string(key) + " has to be a list of texts.");
    list.push_back(item.get<std::string>());
  }
  if (size > 0 && list.size() != size) {
    fail(key, std::string(key) + " has " + std::to_string(list.size()) + " elements for " +
                  std::to_string(size) + " layers.");
  }
  return list;
}

}  // namespace tollgate
