#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/spec/model_schema.h"
#include "sim/spec/popularity_spec.h"
#include "sim/spec/recipe_spec.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

/// The folder models/: architectures, accelerators, engines, prices and traffic by name. A name is
/// the file's name without .yaml. Remembers what it read, for the digest of a run's inputs.
class Library {
 public:
  /// `root` holds llm/, hardware/, engines/, prices/, recipes/, traffic/.
  explicit Library(std::filesystem::path root);

  /// The first that exists of: $TOLLGATE_MODELS, models/ in the current directory,
  /// share/tollgate/models beside the program's prefix, the source tree this program was built
  /// from. InputError when none.
  static std::filesystem::path find_root();

  enum class Shelf { llm, hardware, engines, prices, traffic };

  std::vector<std::string> names(Shelf shelf) const;

  /// Reads an entry. An unknown name is an InputError at `asked` with a suggestion. A name that
  /// ends in .yaml is a path, relative to the directory of `asked.file`.
  LlmSpec model(const std::string& name, const Place& asked);
  HardwareSpec hardware(const std::string& name, const Place& asked);
  EngineSpec engine(const std::string& name, const Place& asked);
  RequestClass traffic(const std::string& name, const Place& asked);
  std::vector<PriceBook> prices();

  /// Engine options of a public benchmark, of recipes/NAME.yaml; no rules if there is none.
  RecipeBook recipes(const std::string& name);

  /// Popularity of a model family, of routing/families.yaml; the entry `other` for unknown ones.
  const FamilyPopularity& popularity(const std::string& family);

  /// The tree of hardware/operators/NAME.yaml, fitted operator curves (sim/operators reads it);
  /// null if there is none.
  YamlPtr operator_curves(const std::string& name);

  /// Counts all files of fitted operator curves among those read, since which of them a run takes
  /// is known only later.
  void note_operator_curves();

  /// Counts a file of the scenario's own among those read.
  void note(const std::filesystem::path& path, const std::string& digest);

  /// Digest of every file read so far, by its path inside the root (others: by their path).
  const std::map<std::string, std::string>& files_read() const { return files_read_; }
  const std::filesystem::path& root() const { return root_; }

 private:
  YamlPtr load(Shelf shelf, const std::string& name, const Place& asked);
  YamlPtr load_file(const std::filesystem::path& path);

  std::filesystem::path root_;
  std::map<std::string, std::string> files_read_;
  std::optional<PopularityTable> popularity_;
};

/// A file of models/ as the program sees it, without `schema_version`, for reading by a Schema.
/// Reads, parses, checks the version. `limit_bytes` guards against the wrong file.
YamlPtr load_spec_file(const std::filesystem::path& path, std::string* text = nullptr);

}  // namespace tollgate
