#include "sim/spec/plain_yaml.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace tollgate {
namespace {

constexpr std::size_t depth_limit = 32;
constexpr std::size_t node_limit = 100000;

/// Thrown where a document leaves the plain part.
struct NotPlain {};

bool is_key(std::string_view text) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
  });
}

/// Plain scalars inside brackets: nothing that could end one there.
bool is_simple(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_key(std::string_view(&c, 1)) || c == '-' || c == ' ';
  });
}

/// What a plain scalar may not begin with.
bool starts_otherwise(char c) {
  return std::string_view("!&*-?:,[]{}#|>@`\"'%").find(c) != std::string_view::npos;
}

class Reader {
 public:
  Reader(const std::string& text, const std::string& file) : file_(file) {
    for (std::size_t at = 0, line = 1; at < text.size(); ++line) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string_view all(text.data() + at, end - at);
      at = end + 1;
      const std::size_t indent = all.find_first_not_of(' ');
      if (indent == std::string_view::npos || all[indent] == '#') continue;
      all = all.substr(0, all.find_last_not_of(' ') + 1);
      lines_.push_back({all, indent, static_cast<int>(line)});
    }
  }

  YamlPtr document() {
    if (lines_.empty()) throw NotPlain();
    if (lines_.front().indent > 0) throw NotPlain();
    YamlPtr root = block(0);
    if (next_ < lines_.size()) throw NotPlain();
    return root;
  }

 private:
  struct Line {
    std::string_view text;  ///< without what follows the last character
    std::size_t indent;
    int number;
  };

  Place at(std::size_t column) const {
    return {file_, lines_[next_].number, static_cast<int>(column) + 1};
  }
  YamlPtr make(YamlNode::Kind kind, std::size_t column) {
    if (++nodes_ > node_limit) throw NotPlain();
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->place = at(column);
    return node;
  }

  static bool is_item(std::string_view text, std::size_t column) {
    return text[column] == '-' && column + 1 < text.size() && text[column + 1] == ' ';
  }

  /// The mapping or list that begins at the next line, whose first character is at `column`.
  YamlPtr block(std::size_t column) {
    if (++depth_ > depth_limit) throw NotPlain();
    YamlPtr node = is_item(lines_[next_].text, column) ? list(column) : mapping(column);
    --depth_;
    // Lines deeper than what was read would go on with a scalar.
    if (next_ < lines_.size() && lines_[next_].indent > column) throw NotPlain();
    return node;
  }

  YamlPtr list(std::size_t column) {
    auto node = make(YamlNode::Kind::sequence, column);
    while (next_ < lines_.size() && lines_[next_].indent == column) {
      const std::string_view text = lines_[next_].text;
      if (!is_item(text, column)) throw NotPlain();
      const std::size_t from = text.find_first_not_of(' ', column + 1);
      if (colon_of(text, from) != std::string_view::npos) {
        // A mapping whose first key stands on the line of the dash.
        lines_[next_].indent = from;
        node->items.push_back(block(from));
      } else {
        node->items.push_back(value(from));
        ++next_;
      }
    }
    return node;
  }

  YamlPtr mapping(std::size_t column) {
    auto node = make(YamlNode::Kind::mapping, column);
    while (next_ < lines_.size() && lines_[next_].indent == column) {
      const std::string_view text = lines_[next_].text;
      const std::size_t colon = colon_of(text, column);
      if (colon == std::string_view::npos) throw NotPlain();
      add_key(*node, text.substr(column, colon - column), column);
      const std::size_t from = text.find_first_not_of(' ', colon + 1);
      YamlPtr& slot = node->entries.back().value;
      if (from != std::string_view::npos) {
        slot = value(from);
        ++next_;
        continue;
      }
      ++next_;
      if (next_ == lines_.size() || lines_[next_].indent <= column) throw NotPlain();
      slot = block(lines_[next_].indent);
    }
    return node;
  }

  void add_key(YamlNode& node, std::string_view key, std::size_t column) {
    const bool taken = std::any_of(node.entries.begin(), node.entries.end(),
                                   [&](const YamlNode::Entry& e) { return e.key == key; });
    if (taken || ++nodes_ > node_limit) throw NotPlain();
    node.entries.push_back({std::string(key), at(column), nullptr});
  }

  /// Where the colon is that ends a key beginning at `from`; npos if none begins there.
  static std::size_t colon_of(std::string_view text, std::size_t from) {
    const std::size_t colon = text.find(':', from);
    if (colon == std::string_view::npos || !is_key(text.substr(from, colon - from))) {
      return std::string_view::npos;
    }
    return colon + 1 == text.size() || text[colon + 1] == ' ' ? colon : std::string_view::npos;
  }

  /// A value that fills the rest of the line.
  YamlPtr value(std::size_t from) {
    const std::string_view text = lines_[next_].text;
    std::size_t end = from;
    YamlPtr node;
    if (text[from] == '[' || text[from] == '{') {
      node = flow(end);
    } else if (text[from] == '"' || text[from] == '\'') {
      node = quoted(end);
    } else {
      end = text.size();
      node = plain(from, end);
    }
    if (end != text.size()) throw NotPlain();
    return node;
  }

  YamlPtr plain(std::size_t from, std::size_t end) {
    const std::string_view text = lines_[next_].text.substr(from, end - from);
    const bool negative = text.size() > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9';
    if (text.empty() || (starts_otherwise(text.front()) && !negative)) throw NotPlain();
    if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos ||
        text.back() == ':') {
      throw NotPlain();
    }
    constexpr std::array<std::string_view, 4> nulls{"~", "null", "Null", "NULL"};
    if (std::find(nulls.begin(), nulls.end(), text) != nulls.end()) throw NotPlain();
    auto node = make(YamlNode::Kind::scalar, from);
    node->scalar = text;
    return node;
  }

  YamlPtr quoted(std::size_t& at_character) {
    const std::string_view text = lines_[next_].text;
    const std::size_t end = text.find(text[at_character], at_character + 1);
    if (end == std::string_view::npos) throw NotPlain();
    const std::string_view inside = text.substr(at_character + 1, end - at_character - 1);
    const bool doubled = end + 1 < text.size() && text[end + 1] == text[at_character];
    if (doubled || inside.find('\\') != std::string_view::npos) throw NotPlain();
    auto node = make(YamlNode::Kind::scalar, at_character);
    node->scalar = inside;
    node->plain = false;
    at_character = end + 1;
    return node;
  }

  /// A flow collection that ends on this line.
  YamlPtr flow(std::size_t& at_character) {
    if (++depth_ > depth_limit) throw NotPlain();
    const std::string_view text = lines_[next_].text;
    const bool list = text[at_character] == '[';
    const char close = list ? ']' : '}';
    auto node = make(list ? YamlNode::Kind::sequence : YamlNode::Kind::mapping, at_character);
    ++at_character;
    skip(at_character);
    while (text[at_character] != close) {
      if (!list) {
        const std::size_t colon = colon_of(text, at_character);
        if (colon == std::string_view::npos) throw NotPlain();
        add_key(*node, text.substr(at_character, colon - at_character), at_character);
        at_character = colon + 1;
        skip(at_character);
      }
      YamlPtr item = flow_value(at_character);
      (list ? node->items.emplace_back() : node->entries.back().value) = std::move(item);
      skip(at_character);
      if (text[at_character] == close) break;
      if (text[at_character] != ',') throw NotPlain();
      ++at_character;
      skip(at_character);
      if (text[at_character] == close) throw NotPlain();
    }
    ++at_character;
    --depth_;
    return node;
  }

  YamlPtr flow_value(std::size_t& at_character) {
    const std::string_view text = lines_[next_].text;
    if (text[at_character] == '[' || text[at_character] == '{') return flow(at_character);
    if (text[at_character] == '"' || text[at_character] == '\'') return quoted(at_character);
    const std::size_t from = at_character;
    const std::size_t stop = text.find_first_of(",[]{}", from);
    if (stop == std::string_view::npos || text[stop] == '[' || text[stop] == '{') throw NotPlain();
    at_character = stop;
    std::size_t end = stop;
    while (end > from && text[end - 1] == ' ') --end;
    if (!is_simple(text.substr(from, end - from))) throw NotPlain();
    return plain(from, end);
  }

  /// Past spaces, of which the line must not end in.
  void skip(std::size_t& at_character) const {
    const std::string_view text = lines_[next_].text;
    while (at_character < text.size() && text[at_character] == ' ') ++at_character;
    if (at_character >= text.size()) throw NotPlain();
  }

  const std::string& file_;
  std::vector<Line> lines_;
  std::size_t next_ = 0, nodes_ = 0, depth_ = 0;
};

}  // namespace

YamlPtr parse_plain_yaml(const std::string& text, const std::string& file) {
  const bool printable = std::all_of(text.begin(), text.end(),
                                     [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
  // "---", "..." and "%" at the start of a line belong to documents.
  if (!printable || text.find("\n---") != std::string::npos || text.starts_with("---") ||
      text.find("\n...") != std::string::npos || text.starts_with("...")) {
    return nullptr;
  }
  try {
    return Reader(text, file).document();
  } catch (const NotPlain&) {
    return nullptr;
  }
}

}  // namespace tollgate
