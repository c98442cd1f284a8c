#pragma once

#include <string>
#include <vector>

#include "sim/base/estimate.h"
#include "sim/spec/places.h"
#include "sim/spec/schema.h"

namespace tollgate {

struct RoutingSpec;

/// Spread of expert popularity of a model family: log-normal with a global, a domain and a topic
/// part (standard deviations of ln weight), and how well it is known. One entry of
/// models/routing/families.yaml.
struct FamilyPopularity {
  std::string family;  ///< LlmSpec::family; "other" stands for every family not listed
  double sigma_global = 0, sigma_domain = 0, sigma_topic = 0;
  double stickiness = 0;       ///< alias form: share of proposals that repeat the previous token's
  double layer_jitter = 0.25;  ///< alias form: log-sd over layers of sigma_domain
  int domains = 4;             ///< kinds of traffic, equally likely
  int topics = 8;              ///< per domain, equally likely
  Provenance confidence = Provenance::assumed;
  std::string source;
  Places places;
};

/// The file models/routing/families.yaml.
struct PopularityTable {
  std::vector<FamilyPopularity> families;
  Places places;
};

/// "fitted" to that model's own counts, "scaled" from a fitted one with reports on the model, or
/// "guessed".
const char* grade_of(Provenance confidence);

const Schema<PopularityTable>& popularity_schema();

/// The family's values with those that a scenario's routing keys give instead.
FamilyPopularity with_overrides(FamilyPopularity family, const RoutingSpec& routing);

}  // namespace tollgate
