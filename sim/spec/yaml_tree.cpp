#include "sim/spec/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "sim/base/text.h"
#include "sim/spec/plain_yaml.h"

namespace tollgate {
namespace {

constexpr std::size_t depth_limit = 48;
constexpr std::size_t node_limit = 200000;

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string file) : file_(std::move(file)) {}

  YamlPtr root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark&, const std::string&) override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(YamlNode::Kind::null, mark), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    auto node = make(YamlNode::Kind::scalar, mark);
    node->scalar = value;
    node->plain = tag != "!";
    if (!node->plain) last_quoted_ = mark;
    if (expects_key()) {
      take_key(*node);
      return;
    }
    add(node, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    const bool open = found != anchors_.end() &&
                      std::any_of(open_.begin(), open_.end(),
                                  [&](const Open& o) { return o.node == found->second; });
    if (found == anchors_.end() || open) {
      throw InputError(at(mark), "this alias refers to a value that contains it.");
    }
    if (expects_key()) throw InputError(at(mark), "an alias cannot be a key.");
    count_ += weight_[found->second.get()];
    check_size(mark);
    attach(found->second);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make(YamlNode::Kind::sequence, mark), tag, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }

  /// yaml-cpp takes the end of the file for the end of a quoted text.
  void check_last_quote(const std::string& text) const {
    const auto from = static_cast<std::size_t>(std::max(0, last_quoted_.pos));
    const char quote_mark = from < text.size() ? text[from] : ' ';
    if (last_quoted_.is_null() || (quote_mark != '"' && quote_mark != '\'')) return;
    for (std::size_t i = from + 1; i < text.size(); ++i) {
      if (quote_mark == '"' && text[i] == '\\') {
        ++i;
      } else if (text[i] == quote_mark) {
        return;
      }
    }
    throw InputError(at(last_quoted_), "this is not YAML: the quoted text has no end.");
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make(YamlNode::Kind::mapping, mark), tag, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlPtr node;
    std::size_t count_before = 0;
    bool key_pending = false;
  };

  Place at(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  YamlPtr make(YamlNode::Kind kind, const YAML::Mark& mark) {
    ++count_;
    check_size(mark);
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->place = at(mark);
    return node;
  }
  void check_size(const YAML::Mark& mark) const {
    if (count_ > node_limit) {
      throw InputError(at(mark), "the document has more than " + std::to_string(node_limit) +
                                     " values once its aliases are expanded.");
    }
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw InputError(at(mark),
                       "the tag " + quote(tag) + " is not supported; write plain values.");
    }
  }
  bool expects_key() const {
    return !open_.empty() && open_.back().node->kind == YamlNode::Kind::mapping &&
           !open_.back().key_pending;
  }
  void take_key(const YamlNode& key) {
    auto& entries = open_.back().node->entries;
    if (key.scalar == "<<" && key.plain) {
      throw InputError(key.place,
                       "merge keys (<<) are not supported; repeat the keys, or use 'base'.");
    }
    for (const auto& entry : entries) {
      if (entry.key == key.scalar) {
        throw InputError(key.place, "the key " + quote(key.scalar) + " was already given at line " +
                                        std::to_string(entry.place.line) + ".");
      }
    }
    entries.push_back({key.scalar, key.place, nullptr});
    open_.back().key_pending = true;
  }
  void open(YamlPtr node, const std::string& tag, const YAML::Mark& mark, YAML::anchor_t anchor) {
    refuse_tag(mark, tag);
    if (expects_key()) throw InputError(node->place, "a key must be plain text.");
    if (open_.size() >= depth_limit) {
      throw InputError(node->place, "values are nested more than " + std::to_string(depth_limit) +
                                        " levels deep.");
    }
    if (anchor) anchors_[anchor] = node;
    open_.push_back({node, count_ - 1, false});
  }
  void close() {
    const Open done = open_.back();
    open_.pop_back();
    weight_[done.node.get()] = count_ - done.count_before;
    attach(done.node);
  }
  void add(const YamlPtr& node, YAML::anchor_t anchor) {
    if (expects_key()) throw InputError(node->place, "a key must be plain text.");
    if (anchor) anchors_[anchor] = node;
    weight_[node.get()] = 1;
    attach(node);
  }
  void attach(const YamlPtr& node) {
    if (open_.empty()) {
      root = node;
    } else if (open_.back().node->kind == YamlNode::Kind::sequence) {
      open_.back().node->items.push_back(node);
    } else {
      open_.back().node->entries.back().value = node;
      open_.back().key_pending = false;
    }
  }

  std::string file_;
  std::size_t count_ = 0;
  YAML::Mark last_quoted_ = YAML::Mark::null_mark();
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlPtr> anchors_;
  std::map<const YamlNode*, std::size_t> weight_;
};

bool plain_is_safe(const std::string& text) {
  for (const char* null : {"", "~", "null", "Null", "NULL"}) {
    if (text == null) return false;
  }
  static const std::string unsafe_first = "!&*-?:,[]{}#|>@`\"'% ";
  const bool number_like =
      text.front() == '-' && text.size() > 1 && std::isdigit(static_cast<unsigned char>(text[1]));
  if (unsafe_first.find(text.front()) != std::string::npos && !number_like) return false;
  if (text.back() == ' ' || text.back() == ':') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20) return false;
    if (text[i] == ':' && i + 1 < text.size() && text[i + 1] == ' ') return false;
    if (text[i] == '#' && i > 0 && text[i - 1] == ' ') return false;
  }
  return true;
}

std::string scalar_text(const std::string& text) {
  if (plain_is_safe(text)) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char digits[] = "0123456789abcdef";
      out += "\\x";
      out += digits[c >> 4];
      out += digits[c & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string flow_text(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "null";
    case YamlNode::Kind::scalar: {
      const bool safe =
          plain_is_safe(node.scalar) && node.scalar.find_first_of(",[]{}") == std::string::npos;
      return safe                                      ? node.scalar
             : scalar_text(node.scalar).front() == '"' ? scalar_text(node.scalar)
                                                       : '"' + node.scalar + '"';
    }
    case YamlNode::Kind::sequence: {
      std::vector<std::string> parts;
      for (const auto& item : node.items) parts.push_back(flow_text(*item));
      return "[" + join(parts) + "]";
    }
    case YamlNode::Kind::mapping: {
      std::vector<std::string> parts;
      for (const auto& e : node.entries)
        parts.push_back(scalar_text(e.key) + ": " + flow_text(*e.value));
      return "{" + join(parts) + "}";
    }
  }
  return "";
}

void emit(const YamlNode& node, int indent, std::string& out) {
  const std::string pad(static_cast<std::size_t>(indent), ' ');
  for (const auto& entry : node.entries) {
    out += pad + scalar_text(entry.key) + ":";
    const std::string flow = flow_text(*entry.value);
    const bool scalar =
        entry.value->kind == YamlNode::Kind::scalar || entry.value->kind == YamlNode::Kind::null;
    if (scalar) {
      out +=
          " " +
          (entry.value->kind == YamlNode::Kind::null ? "null" : scalar_text(entry.value->scalar)) +
          "\n";
    } else if (flow.size() + static_cast<std::size_t>(indent) + entry.key.size() < 96) {
      out += " " + flow + "\n";
    } else {
      out += "\n";
      emit(*entry.value, indent + 2, out);
    }
  }
  for (const auto& item : node.items) {
    const std::string flow = flow_text(*item);
    if (item->kind != YamlNode::Kind::mapping ||
        flow.size() + static_cast<std::size_t>(indent) < 96) {
      out += pad + "- " + flow + "\n";
    } else {
      std::string inner;
      emit(*item, indent + 2, inner);
      out += pad + "- " + inner.substr(static_cast<std::size_t>(indent) + 2);
    }
  }
}

/// One step of an override path: a key, an index or the name of a list element.
struct Step {
  std::string key;
  bool is_index = false;
};

std::vector<Step> parse_path(const std::string& path, const Place& place) {
  std::vector<Step> steps;
  std::string current;
  const auto flush = [&](bool after_index = false) {
    if (current.empty() && !after_index) throw InputError(place, "the path has an empty part.");
    if (!current.empty()) steps.push_back({current, false});
    current.clear();
  };
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '.') {
      // A dot between digits belongs to a name such as DeepSeek-V3.2.
      const bool inside_name = i > 0 && i + 1 < path.size() &&
                               std::isdigit(static_cast<unsigned char>(path[i - 1])) &&
                               std::isdigit(static_cast<unsigned char>(path[i + 1]));
      if (inside_name) {
        current += '.';
      } else {
        flush(i > 0 && path[i - 1] == ']');
      }
    } else if (path[i] == '[') {
      flush(i > 0 && path[i - 1] == ']');
      const std::size_t end = path.find(']', i);
      if (end == std::string::npos) throw InputError(place, "a '[' in the path is not closed.");
      steps.push_back({path.substr(i + 1, end - i - 1), true});
      i = end;
    } else {
      current += path[i];
    }
  }
  flush(!path.empty() && path.back() == ']');
  if (steps.empty()) throw InputError(place, "the path is empty; write path=value.");
  return steps;
}

}  // namespace

const YamlNode::Entry* YamlNode::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

void YamlNode::add(std::string key, std::shared_ptr<YamlNode> value) {
  Entry& entry = entries.emplace_back();
  entry.key = std::move(key);
  entry.value = std::move(value);
}

std::string_view describe(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "text";
    case YamlNode::Kind::sequence:
      return "a list";
    case YamlNode::Kind::mapping:
      return "a mapping";
  }
  return "";
}

YamlPtr parse_yaml(const std::string& text, const std::string& file) {
  if (YamlPtr tree = parse_plain_yaml(text, file)) return tree;
  return parse_any_yaml(text, file);
}

YamlPtr parse_any_yaml(const std::string& text, const std::string& file) {
  if (!is_utf8(text)) throw InputError({file, 0, 0}, "the file is not UTF-8 text.");
  if (text.find('\0') != std::string::npos) {
    throw InputError({file, 0, 0}, "the file has a zero byte; it is not YAML text.");
  }
  std::istringstream stream(text);
  TreeBuilder builder(file);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder) || !builder.root) {
      throw InputError({file, 0, 0}, "the file is empty.");
    }
    builder.check_last_quote(text);
    TreeBuilder second(file);
    if (parser.HandleNextDocument(second) && second.root) {
      throw InputError(second.root->place,
                       "a second YAML document begins here; one file holds one.");
    }
  } catch (const YAML::Exception& error) {
    throw InputError({file, error.mark.line + 1, error.mark.column + 1},
                     "this is not YAML: " + error.msg + ".");
  }
  if (builder.root->kind == YamlNode::Kind::null) {
    throw InputError({file, 0, 0}, "the file is empty.");
  }
  return builder.root;
}

void apply_override(YamlNode& root, const std::string& assignment) {
  const std::string label = "--set " + quote(assignment, 80);
  const Place place{label, 0, 0};
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos) {
    throw InputError(place, "there is no '='; write path=value, for example slo.tpot='30 ms'.");
  }
  const auto steps = parse_path(trimmed(assignment.substr(0, equals)), place);
  const std::string value_text = trimmed(assignment.substr(equals + 1));
  if (value_text.empty() || value_text == "~" || value_text == "null") {
    throw InputError(place, "there is no value after the '='.");
  }
  YamlNode* node = &root;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    YamlPtr* slot = nullptr;
    if (node->kind == YamlNode::Kind::null) node->kind = YamlNode::Kind::mapping;
    if (node->kind == YamlNode::Kind::sequence) {
      std::vector<std::string> names;
      for (std::size_t j = 0; j < node->items.size() && !slot; ++j) {
        const auto* name = node->items[j]->find("name");
        if (name) names.push_back(name->value->scalar);
        if (step.key == std::to_string(j) || (name && name->value->scalar == step.key)) {
          slot = &node->items[j];
        }
      }
      if (!slot) {
        throw InputError(place, "the list has " + std::to_string(node->items.size()) +
                                    " elements (numbered from 0) and none is " + quote(step.key) +
                                    "." + did_you_mean(step.key, names));
      }
    } else if (node->kind == YamlNode::Kind::mapping && !step.is_index) {
      for (auto& entry : node->entries) {
        if (entry.key == step.key) slot = &entry.value;
      }
      if (!slot) {
        auto child = std::make_shared<YamlNode>();
        child->place = place;
        node->entries.push_back({step.key, place, child});
        slot = &node->entries.back().value;
      }
    } else {
      throw InputError(place, quote(step.key) + " leads into " + std::string(describe(node->kind)) +
                                  ", which has no such part.");
    }
    // Aliased nodes are shared: an override changes only the place it names.
    *slot = std::make_shared<YamlNode>(**slot);
    node = slot->get();
  }
  const YamlPtr value = parse_yaml(value_text, label);
  *node = *value;
  node->place = place;
}

std::string to_yaml(const YamlNode& node) {
  std::string out;
  emit(node, 0, out);
  return out;
}

YamlPtr yaml_scalar(std::string text) {
  auto node = std::make_shared<YamlNode>();
  node->kind = YamlNode::Kind::scalar;
  node->scalar = std::move(text);
  return node;
}
YamlPtr yaml_mapping() {
  auto node = std::make_shared<YamlNode>();
  node->kind = YamlNode::Kind::mapping;
  return node;
}
YamlPtr yaml_sequence() {
  auto node = std::make_shared<YamlNode>();
  node->kind = YamlNode::Kind::sequence;
  return node;
}

}  // namespace tollgate
