#include <set>

#include "sim/base/text.h"
#include "sim/spec/popularity_spec.h"
#include "sim/spec/scenario.h"

namespace tollgate {
namespace {

constexpr Need required = Need::required, optional = Need::optional;

const Schema<FamilyPopularity>& family_schema() {
  static const auto schema =
      Schema<FamilyPopularity>("popularity", "How unequally the experts of a family are liked.")
          .text("family", &FamilyPopularity::family, required,
                "Family of models/llm entries; `other` stands for those not listed.")
          .number("sigma_global", &FamilyPopularity::sigma_global, required, Range{0, 4},
                  "Standard deviation of the logarithm of popularity, the same for all traffic.")
          .number("sigma_domain", &FamilyPopularity::sigma_domain, required, Range{0, 4},
                  "The part that differs between kinds of traffic.")
          .number("sigma_topic", &FamilyPopularity::sigma_topic, required, Range{0, 4},
                  "The part that differs between topics of one kind.")
          .number("stickiness", &FamilyPopularity::stickiness, optional, Range{0, 0.9},
                  "Share of proposals that repeat an expert of the token before (alias form).")
          .number("layer_jitter", &FamilyPopularity::layer_jitter, optional, Range{0, 1},
                  "Standard deviation of the logarithm of sigma_domain over layers (alias form).")
          .integer("domains", &FamilyPopularity::domains, optional, Range{1, 64},
                   "Kinds of traffic that are mixed.")
          .integer("topics", &FamilyPopularity::topics, optional, Range{1, 64},
                   "Topics of each kind of traffic.")
          .choice<Provenance>(
              "confidence", &FamilyPopularity::confidence, required,
              {{"fitted", Provenance::fitted},
               {"scaled", Provenance::extrapolated},
               {"guessed", Provenance::assumed}},
              "fitted to the model's own counts, scaled from such a fit, or guessed.")
          .text("source", &FamilyPopularity::source, required, "What the values rest on.");
  return schema;
}

}  // namespace

const char* grade_of(Provenance confidence) {
  switch (confidence) {
    case Provenance::exact:
      return "given";
    case Provenance::fitted:
      return "fitted";
    case Provenance::extrapolated:
      return "scaled";
    case Provenance::assumed:
      break;
  }
  return "guessed";
}

const Schema<PopularityTable>& popularity_schema() {
  static const auto schema =
      Schema<PopularityTable>("routing families", "Popularity of experts by model family.")
          .list("families", &PopularityTable::families, family_schema(), required,
                "One entry per family.")
          .check([](const PopularityTable& table, const std::string&) {
            std::set<std::string> names;
            for (const FamilyPopularity& f : table.families) {
              if (!names.insert(f.family).second) {
                throw InputError(place_of(f.places, "family"),
                                 "there are two families named " + quote(f.family) + ".");
              }
            }
            if (!names.count("other")) {
              throw InputError(place_of(table.places, "families"),
                               "families lacks 'other', which stands for those not listed.");
            }
          });
  return schema;
}

FamilyPopularity with_overrides(FamilyPopularity family, const RoutingSpec& routing) {
  const bool spread = routing.sigma_global || routing.sigma_domain || routing.sigma_topic;
  family.sigma_global = routing.sigma_global.value_or(family.sigma_global);
  family.sigma_domain = routing.sigma_domain.value_or(family.sigma_domain);
  family.sigma_topic = routing.sigma_topic.value_or(family.sigma_topic);
  family.stickiness = routing.stickiness.value_or(family.stickiness);
  family.layer_jitter = routing.layer_jitter.value_or(family.layer_jitter);
  family.domains = routing.domains.value_or(family.domains);
  family.topics = routing.topics.value_or(family.topics);
  if (spread) {
    family.confidence = Provenance::exact;
    family.source = "the scenario";
  }
  return family;
}

}  // namespace tollgate
