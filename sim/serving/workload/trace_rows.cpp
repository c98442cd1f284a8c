#include "sim/serving/workload/trace_rows.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "sim/base/error.h"
#include "sim/base/text.h"

namespace tollgate {
namespace {

using Fields = std::vector<std::string_view>;

constexpr std::int64_t second = 1'000'000'000, millisecond = 1'000'000;
constexpr std::int64_t most_tokens = 100'000'000;
constexpr std::int64_t latest = 100LL * 366 * 86400 * second;

void split(std::string_view line, char separator, Fields& fields) {
  fields.clear();
  for (;;) {
    const std::size_t end = line.find(separator);
    std::string_view field = line.substr(0, end);
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
      field = field.substr(1, field.size() - 2);
    }
    fields.push_back(field);
    if (end == std::string_view::npos) return;
    line.remove_prefix(end + 1);
  }
}

[[noreturn]] void broken(std::string_view name, std::string_view text, const char* what) {
  throw InputError(std::string(name) + " is " + quote(text) + ", which is not " + what + ".");
}

template <class Integer>
bool parse(std::string_view text, Integer& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// Some writers put whole numbers down as 12.0.
std::int64_t tokens(std::string_view text, std::string_view name) {
  std::string_view digits = text;
  if (digits.ends_with(".0")) digits.remove_suffix(2);
  std::int64_t value = 0;
  if (!parse(digits, value) || value < 0 || value > most_tokens) {
    broken(name, text, "a whole number of tokens up to 100000000");
  }
  return value;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A plain decimal number of `unit`s in nanoseconds; further digits are cut off.
bool parse_time(std::string_view text, std::int64_t unit, std::int64_t& at) {
  const std::size_t point = std::min(text.find('.'), text.size());
  if (!all_digits(text.substr(0, point)) || !parse(text.substr(0, point), at)) return false;
  if (at > latest / unit) return false;
  at *= unit;
  if (point == text.size()) return true;
  const std::string_view decimals = text.substr(point + 1);
  if (!all_digits(decimals)) return false;
  std::int64_t place = unit;
  for (const char c : decimals) at += (place /= 10) * (c - '0');
  return true;
}

std::int64_t time_of(std::string_view text, std::string_view name, std::int64_t unit) {
  std::int64_t at = 0;
  if (parse_time(text, unit, at)) return at;
  double value = 0;  // 1e-05 and the like
  const auto number = parse_number(text);
  if (number) value = *number * static_cast<double>(unit);
  if (!number || value < 0 || value > static_cast<double>(latest)) {
    broken(name, text, "a time from 0 on");
  }
  return static_cast<std::int64_t>(value);
}

/// "2023-11-16 18:17:03.9799600", perhaps with Z or +00:00 behind it.
std::int64_t date_and_time(std::string_view text, std::string_view name) {
  std::string_view rest = text;
  for (const std::string_view zone : {"+00:00", "Z"}) {
    if (rest.ends_with(zone)) rest.remove_suffix(zone.size());
  }
  int year = 0, hour = 0, minute = 0;
  unsigned month = 0, day = 0;
  std::int64_t seconds = 0;
  const bool shaped = rest.size() >= 19 && rest[4] == '-' && rest[7] == '-' &&
                      (rest[10] == ' ' || rest[10] == 'T') && rest[13] == ':' && rest[16] == ':';
  if (!shaped || !parse(rest.substr(0, 4), year) || !parse(rest.substr(5, 2), month) ||
      !parse(rest.substr(8, 2), day) || !parse(rest.substr(11, 2), hour) ||
      !parse(rest.substr(14, 2), minute) || !parse_time(rest.substr(17), second, seconds)) {
    broken(name, text, "a date and time such as 2023-11-16 18:17:03.98");
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok() || year < 1970 || year > 2069 || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || seconds >= 61 * second) {
    broken(name, text, "a date and time that there is");
  }
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60 * second + seconds;
}

/// A CSV whose columns are found by name.
class CsvRows : public TraceRows {
 public:
  CsvRows(std::string_view header, TraceFormat format) : format_(format) {
    split(header, ',', columns_of_header_);
    for (const std::string_view column : columns_of_header_) columns_.emplace_back(column);
    switch (format) {
      case TraceFormat::azure:
        time_ = column("TIMESTAMP");
        input_ = column("ContextTokens");
        output_ = column("GeneratedTokens");
        break;
      case TraceFormat::burstgpt:
        time_ = column("Timestamp");
        input_ = column("Request tokens");
        output_ = column("Response tokens");
        break;
      default:
        in_milliseconds_ = has("arrival_ms") && !has("arrival_s");
        time_ = column(in_milliseconds_ ? "arrival_ms" : "arrival_s");
        input_ = column("input_tokens");
        output_ = column("output_tokens");
        find_hashes();
    }
  }

  bool has_failures() const override { return format_ == TraceFormat::burstgpt; }

  void read(std::string_view line, TraceRow& row) override {
    split(line, ',', fields_);
    if (fields_.size() != columns_.size()) {
      throw InputError("the line has " + std::to_string(fields_.size()) +
                       " fields, but the header " + std::to_string(columns_.size()) + ".");
    }
    row.at = format_ == TraceFormat::azure ? date_and_time(fields_[time_], columns_[time_])
                                           : time_of(fields_[time_], columns_[time_],
                                                     in_milliseconds_ ? millisecond : second);
    row.input = tokens(fields_[input_], columns_[input_]);
    row.output = tokens(fields_[output_], columns_[output_]);
    row.hashes.clear();
    if (block_tokens_ == 0 || fields_[hashes_].empty()) return;
    split(fields_[hashes_], ' ', hash_fields_);
    for (const std::string_view text : hash_fields_) {
      std::uint64_t hash = 0;
      if (!parse(text, hash)) broken(columns_[hashes_], text, "a whole number");
      row.hashes.push_back(hash);
    }
  }

 private:
  bool has(std::string_view name) const {
    return std::find(columns_.begin(), columns_.end(), name) != columns_.end();
  }
  std::size_t column(const char* name) const {
    const auto at = std::find(columns_.begin(), columns_.end(), name);
    if (at == columns_.end()) {
      throw InputError("the trace has no column '" + std::string(name) + "'; it has " +
                       quote(join(columns_), 200) + ".");
    }
    return static_cast<std::size_t>(at - columns_.begin());
  }
  void find_hashes() {
    constexpr std::string_view prefix = "hash_ids_";
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!columns_[i].starts_with(prefix)) continue;
      hashes_ = i;
      if (!parse(std::string_view(columns_[i]).substr(prefix.size()), block_tokens_) ||
          block_tokens_ < 1 || block_tokens_ > most_tokens) {
        throw InputError("the column " + quote(columns_[i]) +
                         " does not say how many tokens a hash is for, as hash_ids_512 does.");
      }
    }
  }

  TraceFormat format_;
  bool in_milliseconds_ = false;
  Fields columns_of_header_, fields_, hash_fields_;
  std::vector<std::string> columns_;
  std::size_t time_ = 0, input_ = 0, output_ = 0, hashes_ = 0;
};

/// One JSON object per line.
class MooncakeRows : public TraceRows {
 public:
  MooncakeRows() { block_tokens_ = 512; }
  bool has_header() const override { return false; }

  void read(std::string_view line, TraceRow& row) override {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) throw InputError("the line is not a JSON object.");
    const auto number = [&](const char* key, std::int64_t most) {
      const auto at = json.find(key);
      if (at == json.end()) throw InputError("the line has no " + quote(key) + ".");
      if (!at->is_number_unsigned() ||
          at->template get<std::uint64_t>() > static_cast<std::uint64_t>(most)) {
        broken(key, at->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
               "a whole number in range");
      }
      return at->template get<std::int64_t>();
    };
    row.at = number("timestamp", latest / millisecond) * millisecond;
    row.input = number("input_length", most_tokens);
    row.output = number("output_length", most_tokens);
    row.hashes.clear();
    const auto hashes = json.find("hash_ids");
    if (hashes == json.end()) return;
    if (!hashes->is_array()) throw InputError("hash_ids is not a list.");
    for (const auto& hash : *hashes) {
      if (!hash.is_number_unsigned())
        throw InputError("hash_ids has an entry that is no whole number.");
      row.hashes.push_back(hash.get<std::uint64_t>());
    }
  }
};

}  // namespace

TraceFormat format_of(std::string_view line) {
  const auto has = [&](std::string_view text) { return line.find(text) != std::string_view::npos; };
  if (line.starts_with("{")) return TraceFormat::mooncake;
  if (has("ContextTokens")) return TraceFormat::azure;
  if (has("Request tokens")) return TraceFormat::burstgpt;
  if (has("input_tokens")) return TraceFormat::sharegpt;
  throw InputError(
      "the first line shows none of the formats azure, mooncake, burstgpt and sharegpt.");
}

std::unique_ptr<TraceRows> trace_rows(TraceFormat format, std::string_view header) {
  if (format == TraceFormat::mooncake) return std::make_unique<MooncakeRows>();
  return std::make_unique<CsvRows>(header, format);
}

}  // namespace tollgate
