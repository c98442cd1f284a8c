#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "kernels/trace/counts_builder.h"
#include "kernels/trace/routed_experts.h"
#include "kernels/trace/trace_builder.h"

namespace tollgate::kernels {
namespace {

using Json = nlohmann::json;

[[noreturn]] void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

/// Whole numbers with a shape, row-major.
struct Numbers {
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> values;

  IntegerArray view() const {
    IntegerArray array;
    array.shape = shape;
    array.strides = row_major(shape);
    array.width = sizeof(std::int64_t);
    array.bytes = {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])};
    return array;
  }
};

void append_lists(const Json& value, std::size_t axis, const std::string& where, Numbers& to) {
  if (axis == to.shape.size()) {
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX)) {
      fail(where + " has " +
           (value.is_number() || value.is_string() || value.is_null()
                ? shown(value.dump(-1, ' ', true, Json::error_handler_t::replace))
                : value.type_name()) +
           " where a whole number must be.");
    }
    to.values.push_back(value.get<std::int64_t>());
    return;
  }
  if (!value.is_array() || static_cast<std::int64_t>(value.size()) != to.shape[axis]) {
    fail(where + " has lists of different lengths.");
  }
  for (const Json& item : value) append_lists(item, axis + 1, where, to);
}

/// Nested lists, all of an axis equally long.
Numbers from_lists(const Json& lists, const std::string& where) {
  Numbers result;
  for (const Json* level = &lists; level->is_array() && result.shape.size() < 4;) {
    result.shape.push_back(static_cast<std::int64_t>(level->size()));
    if (level->empty()) break;
    level = &level->front();
  }
  append_lists(lists, 0, where, result);
  return result;
}

std::string from_base64(const Json& text, const std::string& where) {
  std::string bytes;
  if (!text.is_string() || !decode_base64(text.get_ref<const std::string&>(), bytes)) {
    fail(where + " is not base64.");
  }
  return bytes;
}

/// An .npy file in base64, or nested lists.
Numbers vllm_choices(const Json& value, const std::string& where) {
  if (!value.is_string()) return from_lists(value, where);
  const std::string bytes = from_base64(value, where);
  const IntegerArray array = parse_npy(bytes, where);
  if (array.axes() != 3) {
    fail(where + " has " + std::to_string(array.axes()) +
         " axes; they must be tokens, layers and choices per token.");
  }
  Numbers result{array.shape, {}};
  for (std::int64_t t = 0; t < array.shape[0]; ++t) {
    for (std::int64_t l = 0; l < array.shape[1]; ++l) {
      for (std::int64_t s = 0; s < array.shape[2]; ++s) {
        result.values.push_back(array.at(array.position(t, l, s)));
      }
    }
  }
  return result;
}

/// A whole number of tokens in `object` under `key`.
std::int64_t tokens_of(const Json& object, const char* key, const std::string& where) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_number_integer() || at->get<std::int64_t>() < 0 ||
      at->get<std::int64_t>() > INT32_MAX) {
    fail(where + " has no " + key + ", from which the shape of routed_experts would follow.");
  }
  return at->get<std::int64_t>();
}

class ResponseReader {
 public:
  ResponseReader(const std::string& name, int experts, int top_k)
      : name_(name), top_k_(top_k), trace_(name, experts, top_k), counts_(name, experts, top_k) {}

  void add_document(const Json& document, const std::string& where) {
    if (!document.is_array()) return add_response(document, where);
    for (std::size_t i = 0; i < document.size(); ++i) {
      add_response(document[i],
                   (where.empty() ? "" : where + ", ") + "request " + std::to_string(i));
    }
  }

  RoutingRecord finish() {
    if (counted_ && requests_ > 0) fail(name_ + " mixes counts with the choices of tokens.");
    RoutingRecord result;
    result.format = sglang_ ? RecordFormat::sglang_recorder : RecordFormat::vllm_routed_experts;
    if (counted_) {
      result.counts = counts_.finish();
      result.description = "SGLang logical_count" + left_out(counts_.dense_layers(), 0);
      return result;
    }
    if (requests_ == 0) {
      fail(name_ +
           " has no routed_experts; was the server started with "
           "--enable-return-routed-experts?");
    }
    result.trace = trace_.finish();
    result.description = std::string(sglang_ ? "SGLang" : "vLLM") + " responses to " +
                         std::to_string(requests_) + (requests_ == 1 ? " request" : " requests") +
                         left_out(trace_.dense_layers(), trace_.padding_tokens());
    return result;
  }

 private:
  void add_response(const Json& response, const std::string& where) {
    const std::string place = name_ + (where.empty() ? "" : ", " + where);
    if (!response.is_object()) fail(place + " is not a response of vLLM or SGLang.");
    const auto counts = response.find("logical_count"), meta = response.find("meta_info"),
               choices = response.find("choices");
    if (counts != response.end()) {
      counts_.add(from_lists(*counts, place + ", logical_count").view(),
                  where.empty() ? "logical_count" : where);
      counted_ = sglang_ = true;
    } else if (meta != response.end() && meta->is_object()) {
      add_sglang(*meta, where, place);
    } else if (choices != response.end() && choices->is_array()) {
      const auto prompt = response.find("prompt_routed_experts");
      for (const Json& choice : *choices) {
        add_vllm(prompt == response.end() ? Json() : *prompt, choice, where, place);
      }
    } else {
      fail(place +
           " has no choices, meta_info or logical_count, so it is no response of vLLM or "
           "SGLang and no counts.");
    }
  }

  void add_vllm(const Json& prompt, const Json& choice, const std::string& where,
                const std::string& place) {
    const auto routed = choice.is_object() ? choice.find("routed_experts") : choice.end();
    if (routed == choice.end() || routed->is_null()) return;
    Numbers choices = vllm_choices(*routed, place + ", routed_experts");
    if (!prompt.is_null()) {
      Numbers before = vllm_choices(prompt, place + ", prompt_routed_experts");
      if (before.shape.size() != 3 || choices.shape.size() != 3 ||
          before.shape[1] != choices.shape[1] || before.shape[2] != choices.shape[2]) {
        fail(place + " has routed_experts of another shape than prompt_routed_experts.");
      }
      before.shape[0] += choices.shape[0];
      before.values.insert(before.values.end(), choices.values.begin(), choices.values.end());
      choices = std::move(before);
    }
    add(choices, where);
  }

  void add_sglang(const Json& meta, const std::string& where, const std::string& place) {
    const auto routed = meta.find("routed_experts");
    if (routed == meta.end() || routed->is_null()) return;
    const std::string bytes = from_base64(*routed, place + ", routed_experts");
    const std::int64_t tokens =
        tokens_of(meta, "prompt_tokens", place) + tokens_of(meta, "completion_tokens", place) - 1;
    const auto values = static_cast<std::int64_t>(bytes.size() / 4);
    if (tokens < 1 || bytes.size() % 4 != 0 || values == 0 || values % (tokens * top_k_) != 0) {
      fail(place + ", routed_experts: " + std::to_string(bytes.size()) +
           " bytes are not the same number of layers for each of " + std::to_string(tokens) +
           " tokens with top_k = " + std::to_string(top_k_) + ".");
    }
    IntegerArray array;
    array.shape = {tokens, values / tokens / top_k_, top_k_};
    array.strides = row_major(array.shape);
    array.bytes = bytes;
    trace_.add(array, std::array{static_cast<int>(tokens)}, where);
    sglang_ = true;
    ++requests_;
  }

  void add(const Numbers& choices, const std::string& where) {
    const std::int64_t tokens = choices.shape.empty() ? 0 : choices.shape[0];
    trace_.add(choices.view(),
               std::array{static_cast<int>(std::min<std::int64_t>(tokens, INT32_MAX))}, where);
    ++requests_;
  }

  std::string name_;
  int top_k_;
  TraceBuilder trace_;
  CountsBuilder counts_;
  std::size_t requests_ = 0;
  bool counted_ = false, sglang_ = false;
};

/// Parses, or says at which line the text stops being JSON.
Json parse(std::string_view text, const std::string& name, int first_line) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    const auto end =
        text.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(error.byte, text.size()));
    const auto line = first_line + std::count(text.begin(), end, '\n');
    fail(name + ", line " + std::to_string(line) + ": this is not JSON" +
         (error.byte >= text.size() ? ", it ends too early." : "."));
  } catch (const Json::out_of_range&) {
    fail(name + (first_line > 1 ? ", line " + std::to_string(first_line) : "") +
         " has a number that is too large.");
  }
}

}  // namespace

RoutingRecord read_routed_json(std::string_view text, const std::string& name, int experts,
                               int top_k) {
  ResponseReader reader(name, experts, top_k);
  const std::size_t end_of_line = text.find('\n');
  const bool one_per_line =
      end_of_line != std::string_view::npos &&
      text.find_first_not_of(" \t\r\n", end_of_line) != std::string_view::npos &&
      Json::accept(text.substr(0, end_of_line));
  if (!one_per_line) {
    reader.add_document(parse(text, name, 1), "");
    return reader.finish();
  }
  for (int line = 1; !text.empty(); ++line) {
    const std::string_view document = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(document.size() + 1, text.size()));
    if (document.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    reader.add_document(parse(document, name, line), "line " + std::to_string(line));
  }
  return reader.finish();
}

}  // namespace tollgate::kernels
