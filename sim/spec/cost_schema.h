#pragma once

#include "sim/spec/cost_spec.h"
#include "sim/spec/schema.h"

namespace tollgate {

/// Field tables of the parts of `pricing` and `answers`.
const Schema<PowerSpec>& power_spec_schema();
const Schema<RentSpec>& rent_schema();
const Schema<OwnershipSpec>& ownership_schema();
const Schema<UtilisationSpec>& utilisation_schema();
const Schema<TariffSpec>& tariff_choice_schema();
const Schema<PackSpec>& pack_choice_schema();
const Schema<AnswersSpec>& answers_schema();

/// A number above 0 and at most 1, or a mapping of its parts.
UtilisationSpec read_utilisation(const YamlNode& node, const std::string& path);

}  // namespace tollgate
