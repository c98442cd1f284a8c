#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/spec/price_spec.h"

namespace tollgate {

/// The price of an accelerator at a level on `date` ("" = the latest): the last one of that date or
/// before wins; among several of that date the
/// median (the lower one of two in the middle) is taken, so that one odd provider does not decide.
/// Throws InputError at `asked` naming the levels known for that accelerator, or the first date.
GpuPrice find_gpu_price(const std::vector<PriceBook>& books, const std::string& hardware,
                        const std::string& level, const Place& asked, const std::string& date = "");

/// The same, and nothing where the accelerator has no price at that level.
std::optional<GpuPrice> look_up_gpu_price(const std::vector<PriceBook>& books,
                                          const std::string& hardware, const std::string& level,
                                          const std::string& date = "");

/// The tariff of a model at a seller that holds on `date` ("" = the latest): the last one that
/// begins on or before it. Throws InputError at `asked`: no such model, no such seller, or a date
/// before the first price.
Tariff find_tariff(const std::vector<PriceBook>& books, const std::string& model,
                   const std::string& seller, const std::string& date, const Place& asked);

/// Units of a currency for one US dollar on `date` ("" = the latest); 1 for USD. Throws InputError
/// at `asked` where no rate is known.
CurrencyRate find_rate(const std::vector<PriceBook>& books, const std::string& currency,
                       const std::string& date, const Place& asked);

/// The latest price of buying an accelerator. Throws InputError at `asked`.
CapitalPrice find_capital(const std::vector<PriceBook>& books, const std::string& hardware,
                          const Place& asked);

/// The latest price of electricity in a region. Throws InputError at `asked` naming the regions.
PowerPrice find_power(const std::vector<PriceBook>& books, const std::string& region,
                      const Place& asked);

/// The latest pack of that seller and name. Throws InputError at `asked` naming the packs.
TokenPack find_pack(const std::vector<PriceBook>& books, const std::string& seller,
                    const std::string& name, const Place& asked);

/// The latest plan of that seller and name, with or without usage included. Throws InputError at
/// `asked`.
SeatPlan find_seat(const std::vector<PriceBook>& books, const std::string& seller,
                   const std::string& name, bool usage_included, const Place& asked);

}  // namespace tollgate
