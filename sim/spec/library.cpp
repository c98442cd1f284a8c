#include "sim/spec/library.h"

#include <algorithm>
#include <cstdlib>

#include "sim/base/file.h"
#include "sim/base/text.h"
#include "sim/spec/workload_schema.h"

namespace tollgate {
namespace {

constexpr std::size_t spec_file_limit = 1 << 20;

const char* folder(Library::Shelf shelf) {
  switch (shelf) {
    case Library::Shelf::llm:
      return "llm";
    case Library::Shelf::hardware:
      return "hardware";
    case Library::Shelf::engines:
      return "engines";
    case Library::Shelf::prices:
      return "prices";
    case Library::Shelf::traffic:
      return "traffic";
  }
  return "";
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

YamlPtr load_spec_file(const std::filesystem::path& path, std::string* text) {
  const std::string contents = read_text_file(path, spec_file_limit);
  YamlPtr root = parse_yaml(contents, path.string());
  check_schema_version(*root);
  std::erase_if(root->entries, [](const auto& entry) { return entry.key == "schema_version"; });
  if (text) *text = contents;
  return root;
}

Library::Library(std::filesystem::path root) : root_(std::move(root)) {}

std::filesystem::path Library::find_root() {
  std::vector<std::filesystem::path> places;
  if (const char* given = std::getenv("TOLLGATE_MODELS"); given && *given) {
    places.emplace_back(given);
  } else {
    places.emplace_back("models");
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) places.push_back(program.parent_path().parent_path() / "share/tollgate/models");
    places.emplace_back(TOLLGATE_SOURCE_MODELS);
  }
  for (const auto& place : places) {
    if (std::filesystem::is_directory(place / "llm") &&
        std::filesystem::is_directory(place / "hardware")) {
      return place;
    }
  }
  if (const char* given = std::getenv("TOLLGATE_MODELS"); given && *given) {
    throw InputError("TOLLGATE_MODELS is " + quote(given, 200) +
                     ", which has no folders llm and hardware.");
  }
  throw InputError("the folder models/ was not found; set TOLLGATE_MODELS to it.");
}

std::vector<std::string> Library::names(Shelf shelf) const {
  std::vector<std::string> names;
  const auto directory = root_ / folder(shelf);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() == ".yaml" && stem[0] != '_') names.push_back(stem);
  }
  std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) {
    return std::make_pair(lower(a), a) < std::make_pair(lower(b), b);
  });
  return names;
}

YamlPtr Library::load_file(const std::filesystem::path& path) {
  std::string text;
  YamlPtr root = load_spec_file(path, &text);
  const auto inside = path.lexically_relative(root_);
  const bool outside = inside.empty() || *inside.begin() == "..";
  files_read_[outside ? path.string() : inside.generic_string()] = digest(text);
  return root;
}

YamlPtr Library::load(Shelf shelf, const std::string& name, const Place& asked) {
  if (name.ends_with(".yaml") || name.ends_with(".yml")) {
    const auto directory = std::filesystem::path(asked.file).parent_path();
    const auto path =
        std::filesystem::path(name).is_absolute() ? std::filesystem::path(name) : directory / name;
    if (!std::filesystem::exists(path)) {
      throw InputError(asked, "there is no file " + quote(path.string(), 200) + ".");
    }
    return load_file(path);
  }
  const auto known = names(shelf);
  for (const std::string& candidate : known) {
    if (candidate == name) return load_file(root_ / folder(shelf) / (candidate + ".yaml"));
  }
  const char* what = shelf == Shelf::llm        ? "model"
                     : shelf == Shelf::hardware ? "hardware"
                     : shelf == Shelf::engines  ? "engine"
                                                : "traffic";
  const char* list = shelf == Shelf::llm ? "models" : folder(shelf);
  std::string hint = did_you_mean(name, known);
  if (hint.empty()) hint = std::string(" 'tollgate list ") + list + "' names those that are.";
  throw InputError(asked, "no " + std::string(what) + " named " + quote(name) + " is in " +
                              (root_ / folder(shelf)).string() + "." + hint);
}

LlmSpec Library::model(const std::string& name, const Place& asked) {
  return model_schema().read(*load(Shelf::llm, name, asked), "");
}

HardwareSpec Library::hardware(const std::string& name, const Place& asked) {
  return hardware_schema().read(*load(Shelf::hardware, name, asked), "");
}

YamlPtr Library::operator_curves(const std::string& name) {
  const auto path = root_ / folder(Shelf::hardware) / "operators" / (name + ".yaml");
  return std::filesystem::exists(path) ? load_file(path) : nullptr;
}

EngineSpec Library::engine(const std::string& name, const Place& asked) {
  return engine_schema().read(*load(Shelf::engines, name, asked), "");
}

RequestClass Library::traffic(const std::string& name, const Place& asked) {
  return request_class_schema().read(*load(Shelf::traffic, name, asked), "");
}

RecipeBook Library::recipes(const std::string& name) {
  const auto path = root_ / "recipes" / (name + ".yaml");
  if (!std::filesystem::exists(path)) return {};
  return recipe_schema().read(*load_file(path), "");
}

const FamilyPopularity& Library::popularity(const std::string& family) {
  if (!popularity_) {
    popularity_ = popularity_schema().read(*load_file(root_ / "routing" / "families.yaml"), "");
  }
  const FamilyPopularity* other = nullptr;
  for (const FamilyPopularity& entry : popularity_->families) {
    if (entry.family == family) return entry;
    if (entry.family == "other") other = &entry;
  }
  return *other;
}

void Library::note_operator_curves() {
  std::error_code error;
  const auto directory = root_ / folder(Shelf::hardware) / "operators";
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string name = entry.path().lexically_relative(root_).generic_string();
    files_read_[name] = digest(read_text_file(entry.path(), spec_file_limit));
  }
}

void Library::note(const std::filesystem::path& path, const std::string& digest) {
  files_read_[path.string()] = digest;
}

std::vector<PriceBook> Library::prices() {
  std::vector<PriceBook> books;
  for (const std::string& name : names(Shelf::prices)) {
    books.push_back(
        price_schema().read(*load_file(root_ / folder(Shelf::prices) / (name + ".yaml")), ""));
  }
  return books;
}

}  // namespace tollgate
