#pragma once

#include "sim/spec/schema.h"
#include "sim/spec/tariff_spec.h"

namespace tollgate {

/// Field tables of what sellers of tokens publish, elements of a models/prices file.
const Schema<Tariff>& tariff_schema();
const Schema<CurrencyRate>& currency_rate_schema();
const Schema<TokenPack>& token_pack_schema();
const Schema<SeatPlan>& seat_plan_schema();
const Schema<ProvisionedPlan>& provisioned_plan_schema();

}  // namespace tollgate
