#include "kernels/trace/torch_file.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_map>

namespace tollgate::kernels {

using Kind = TorchValue::Kind;

/// A stack machine for the opcodes of pickle protocol 2 that torch.save uses (CPython
/// Lib/pickletools.py). Values are numbered and never freed, so cycles do no harm.
class PickleReader {
 public:
  PickleReader(TorchFile& file, std::string_view pickle) : file_(file), left_(pickle) {
    none_ = make(Kind::none);
    while (step()) {
    }
  }

 private:
  [[noreturn]] void fail(const std::string& sentence) const {
    throw std::invalid_argument(file_.name_ + sentence);
  }
  [[noreturn]] void damaged() const { fail(" is damaged: its pickle makes no sense."); }

  std::string_view take(std::size_t size) {
    if (size > left_.size()) fail(" is cut short within its pickle.");
    const std::string_view result = left_.substr(0, size);
    left_.remove_prefix(size);
    return result;
  }

  std::uint64_t number(std::size_t size) {
    const std::string_view from = take(size);
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(from[i]);
    return value;
  }

  std::string_view line() {
    const std::size_t end = left_.find('\n');
    if (end == std::string_view::npos) fail(" is cut short within its pickle.");
    const std::string_view result = take(end);
    take(1);
    return result;
  }

  int make(Kind kind, std::int64_t integer = 0, std::string_view text = {}) {
    file_.values_.push_back({kind, integer, text, {}});
    return static_cast<int>(file_.values_.size()) - 1;
  }
  TorchValue& value(int index) { return file_.values_[static_cast<std::size_t>(index)]; }
  void push(int index) { stack_.push_back(index); }
  void push(Kind kind, std::int64_t integer = 0, std::string_view text = {}) {
    push(make(kind, integer, text));
  }

  int pop() {
    if (stack_.empty()) damaged();
    const int top = stack_.back();
    stack_.pop_back();
    return top;
  }

  /// What was pushed since the last mark, and the mark, taken off.
  std::vector<int> pop_to_mark() {
    for (std::size_t at = stack_.size(); at-- > 0;) {
      if (value(stack_[at]).kind != Kind::mark) continue;
      std::vector<int> items(stack_.begin() + static_cast<std::ptrdiff_t>(at) + 1, stack_.end());
      stack_.resize(at);
      return items;
    }
    damaged();
  }

  void extend(Kind kind, const std::vector<int>& items) {
    if (stack_.empty() || value(stack_.back()).kind != kind) damaged();
    if (kind == Kind::dict && items.size() % 2 != 0) damaged();
    std::vector<int>& to = value(stack_.back()).items;
    to.insert(to.end(), items.begin(), items.end());
  }

  void push_tuple(std::vector<int> items) {
    push(Kind::tuple);
    value(stack_.back()).items = std::move(items);
  }

  void push_tuple_of(std::size_t size) {
    std::vector<int> items(size);
    for (std::size_t i = size; i-- > 0;) items[i] = pop();
    push_tuple(std::move(items));
  }

  void push_long(std::size_t size) {
    if (size > 8) fail(" has a number beyond 64 bits.");
    std::uint64_t bits = number(size);
    if (size > 0 && size < 8 && (bits >> (8 * size - 1)) != 0)
      bits |= ~std::uint64_t{0} << 8 * size;
    push(Kind::integer, static_cast<std::int64_t>(bits));
  }

  void push_global() {
    const std::string_view module = line(), name = line();
    const bool storage = module == "torch" && name.ends_with("Storage");
    const bool known = (module == "torch._utils" && name == "_rebuild_tensor_v2") ||
                       (module == "collections" && name == "OrderedDict");
    if (!storage && !known) {
      fail(" names " + shown(module) + "." + shown(name) +
           ", which is not part of a plain tensor; only dictionaries of tensors and numbers are "
           "read.");
    }
    push(Kind::global, storage ? 1 : 0, name);
  }

  /// ('storage', torch.IntStorage, key, device, elements)
  void push_storage() {
    const int id = pop();
    const std::vector<int> parts = value(id).items;
    if (value(id).kind != Kind::tuple || parts.size() < 5 || value(parts[1]).kind != Kind::global ||
        value(parts[1]).integer != 1 || value(parts[2]).kind != Kind::text) {
      damaged();
    }
    push(Kind::storage, 0, value(parts[2]).text);
    value(stack_.back()).items = {parts[1]};
  }

  void call() {
    const int arguments = pop(), function = pop();
    if (value(function).kind != Kind::global || value(arguments).kind != Kind::tuple) damaged();
    const std::vector<int> parts = value(arguments).items;
    if (value(function).text == "OrderedDict") {
      if (!parts.empty()) damaged();
      push(Kind::dict);
      return;
    }
    if (value(function).text != "_rebuild_tensor_v2" || parts.size() < 4 ||
        value(parts[0]).kind != Kind::storage || value(parts[1]).kind != Kind::integer ||
        value(parts[2]).kind != Kind::tuple || value(parts[3]).kind != Kind::tuple) {
      damaged();
    }
    push(Kind::tensor);
    value(stack_.back()).items = {parts[0], parts[1], parts[2], parts[3]};
  }

  void remember(std::uint64_t slot) {
    if (stack_.empty()) damaged();
    memo_[slot] = stack_.back();
  }
  void recall(std::uint64_t slot) {
    const auto at = memo_.find(slot);
    if (at == memo_.end()) damaged();
    push(at->second);
  }

  bool step() {
    const auto opcode = static_cast<unsigned char>(take(1)[0]);
    switch (opcode) {
      case 0x80: {  // PROTO
        const std::uint64_t protocol = number(1);
        if (protocol != 2) {
          fail(" has pickle protocol " + std::to_string(protocol) +
               "; torch.save writes 2 unless told otherwise.");
        }
        return true;
      }
      case '(':
        push(Kind::mark);
        return true;
      case '}':
        push(Kind::dict);
        return true;
      case ']':
        push(Kind::list);
        return true;
      case ')':
        push(Kind::tuple);
        return true;
      case 'N':
        push(none_);
        return true;
      case 0x88:  // NEWTRUE, NEWFALSE
      case 0x89:
        push(Kind::integer, opcode == 0x88 ? 1 : 0);
        return true;
      case 'K':
        push(Kind::integer, static_cast<std::int64_t>(number(1)));
        return true;
      case 'M':
        push(Kind::integer, static_cast<std::int64_t>(number(2)));
        return true;
      case 'J':
        push(Kind::integer, static_cast<std::int32_t>(number(4)));
        return true;
      case 0x8a:  // LONG1
        push_long(number(1));
        return true;
      case 'G':
        take(8);
        push(Kind::real);
        return true;
      case 'X': {
        const std::uint64_t size = number(4);
        push(Kind::text, 0, take(size));
        return true;
      }
      case 'c':
        push_global();
        return true;
      case 'q':
        remember(number(1));
        return true;
      case 'r':
        remember(number(4));
        return true;
      case 'h':
        recall(number(1));
        return true;
      case 'j':
        recall(number(4));
        return true;
      case 't':
        push_tuple(pop_to_mark());
        return true;
      case 0x85:  // TUPLE1, TUPLE2, TUPLE3
      case 0x86:
      case 0x87:
        push_tuple_of(opcode - 0x84u);
        return true;
      case 'a':
        extend_with(Kind::list, 1);
        return true;
      case 'e':
        extend(Kind::list, pop_to_mark());
        return true;
      case 's':
        extend_with(Kind::dict, 2);
        return true;
      case 'u':
        extend(Kind::dict, pop_to_mark());
        return true;
      case 'Q':
        push_storage();
        return true;
      case 'R':
        call();
        return true;
      case '.':
        file_.root_ = pop();
        return false;
      default:
        fail(" has a pickle with opcode " + std::to_string(opcode) +
             ", which dictionaries of tensors and numbers do not need.");
    }
  }

  void extend_with(Kind kind, std::size_t size) {
    std::vector<int> items(size);
    for (std::size_t i = size; i-- > 0;) items[i] = pop();
    extend(kind, items);
  }

  TorchFile& file_;
  std::string_view left_;
  std::vector<int> stack_;
  std::unordered_map<std::uint64_t, int> memo_;
  int none_ = 0;
};

namespace {

constexpr std::string_view kPickle = "data.pkl";

bool is_pickle(const ZipMember& member) {
  return member.name == kPickle || member.name.ends_with("/data.pkl");
}

}  // namespace

bool is_torch_file(const std::vector<ZipMember>& members) {
  return std::any_of(members.begin(), members.end(), is_pickle);
}

TorchFile::TorchFile(std::vector<ZipMember> members, std::string name)
    : members_(std::move(members)), name_(std::move(name)) {
  const auto pickle = std::find_if(members_.begin(), members_.end(), is_pickle);
  if (pickle == members_.end()) throw std::invalid_argument(name_ + " has no data.pkl.");
  prefix_ = pickle->name.size() - kPickle.size();
  for (const ZipMember& member : members_) {
    if (member.name.substr(std::min(prefix_, member.name.size())) == "byteorder" &&
        member.data != "little") {
      throw std::invalid_argument(name_ + " was written on a big-endian machine.");
    }
  }
  PickleReader(*this, pickle->data);
}

const TorchValue* TorchFile::find(const TorchValue& dict, std::string_view key) const {
  if (dict.kind != Kind::dict) return nullptr;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const TorchValue& name = (*this)[dict.items[i]];
    if (name.kind == Kind::text && name.text == key) return &(*this)[dict.items[i + 1]];
  }
  return nullptr;
}

IntegerArray TorchFile::tensor(const TorchValue& value, const std::string& what) const {
  const std::string where = name_ + ": " + what;
  if (value.kind != Kind::tensor) throw std::invalid_argument(where + " is not a tensor.");
  const TorchValue& storage = (*this)[value.items[0]];
  const std::string_view type = (*this)[storage.items[0]].text;
  IntegerArray array;
  array.is_signed = type != "ByteStorage";
  if (type == "ByteStorage" || type == "CharStorage") {
    array.width = 1;
  } else if (type == "ShortStorage") {
    array.width = 2;
  } else if (type == "IntStorage") {
    array.width = 4;
  } else if (type == "LongStorage") {
    array.width = 8;
  } else {
    throw std::invalid_argument(where + " is a tensor of " + shown(type) +
                                "; it must be one of whole numbers.");
  }
  array.offset = (*this)[value.items[1]].integer;
  for (const auto& [from, to] :
       {std::pair{value.items[2], &array.shape}, std::pair{value.items[3], &array.strides}}) {
    for (const int item : (*this)[from].items) {
      if ((*this)[item].kind != Kind::integer) {
        throw std::invalid_argument(where + " has a shape that is not made of whole numbers.");
      }
      to->push_back((*this)[item].integer);
    }
  }
  const std::string key = "data/" + std::string(storage.text);
  const auto member = std::find_if(members_.begin(), members_.end(), [&](const ZipMember& m) {
    return m.name.size() > prefix_ && std::string_view(m.name).substr(prefix_) == key;
  });
  if (member == members_.end()) throw std::invalid_argument(where + " has no data in the archive.");
  array.bytes = member->data;
  check_array(array, where);
  return array;
}

}  // namespace tollgate::kernels
