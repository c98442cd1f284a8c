#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/spec/price_spec.h"

namespace tollgate {

/// The price of an accelerator at a level: the latest date wins; among several of that date the
/// median (the lower one of two in the middle) is taken, so that one odd provider does not decide.
/// Throws InputError at `asked` naming the levels known for that accelerator.
GpuPrice find_gpu_price(const std::vector<PriceBook>& books, const std::string& hardware,
                        const std::string& level, const Place& asked);

/// The same, and nothing where that accelerator has no price at that level.
std::optional<GpuPrice> look_up_gpu_price(const std::vector<PriceBook>& books,
                                          const std::string& hardware, const std::string& level);

/// The latest price of a seller for a model that is not after `date` (an ISO date, month or year,
/// its last day meant; "" = the latest of all). Throws InputError: at `model_asked` where nobody
/// sells the model, at `seller_asked` where this seller does not, at `date_asked` where all its
/// prices are later.
TokenPrice find_token_price(const std::vector<PriceBook>& books, const std::string& model,
                            const std::string& seller, const std::string& date,
                            const Place& model_asked, const Place& seller_asked,
                            const Place& date_asked);

}  // namespace tollgate
