#include "sim/spec/price_lookup.h"

#include <algorithm>
#include <set>

#include "sim/base/text.h"

namespace tollgate {

std::optional<GpuPrice> look_up_gpu_price(const std::vector<PriceBook>& books,
                                          const std::string& hardware, const std::string& level) {
  std::vector<GpuPrice> found;
  for (const PriceBook& book : books) {
    for (const GpuPrice& price : book.gpus) {
      if (price.hardware != hardware || price.level != level) continue;
      if (!found.empty() && price.date > found.front().date) found.clear();
      if (found.empty() || price.date == found.front().date) found.push_back(price);
    }
  }
  if (found.empty()) return std::nullopt;
  std::stable_sort(found.begin(), found.end(), [](const GpuPrice& a, const GpuPrice& b) {
    return a.usd_per_hour < b.usd_per_hour;
  });
  return found[(found.size() - 1) / 2];
}

GpuPrice find_gpu_price(const std::vector<PriceBook>& books, const std::string& hardware,
                        const std::string& level, const Place& asked) {
  if (const auto price = look_up_gpu_price(books, hardware, level)) return *price;
  std::set<std::string> levels;
  for (const PriceBook& book : books) {
    for (const GpuPrice& price : book.gpus) {
      if (price.hardware == hardware) levels.insert(price.level);
    }
  }
  const std::vector<std::string> known(levels.begin(), levels.end());
  throw InputError(
      asked,
      "there is no price of " + hardware + " at level " + quote(level) + " in models/prices; " +
          (known.empty() ? std::string("none is known at any level, so give "
                                       "pricing.usd_per_gpu_hour.")
                         : "known levels: " + join(known) + "." + did_you_mean(level, known)));
}

TokenPrice find_token_price(const std::vector<PriceBook>& books, const std::string& model,
                            const std::string& seller, const std::string& date,
                            const Place& model_asked, const Place& seller_asked,
                            const Place& date_asked) {
  std::set<std::string> sellers;
  std::string first;
  std::optional<TokenPrice> best;
  for (const PriceBook& book : books) {
    for (const TokenPrice& price : book.tokens) {
      if (price.model != model) continue;
      sellers.insert(price.seller);
      if (price.seller != seller) continue;
      if (first.empty() || price.date < first) first = price.date;
      // A price of 2026-04-26 holds in 2026-04: only as much of its date as was asked for counts.
      if (!date.empty() && price.date.substr(0, date.size()) > date) continue;
      if (!best || price.date >= best->date) best = price;
    }
  }
  const std::vector<std::string> known(sellers.begin(), sellers.end());
  if (known.empty())
    throw InputError(model_asked, "nobody sells " + model +
                                      " in models/prices, so it has no "
                                      "market price.");
  if (!sellers.contains(seller)) {
    throw InputError(seller_asked, quote(seller) + " does not sell " + model +
                                       " in models/prices." + did_you_mean(seller, known) +
                                       " Sellers: " + join(known) + ".");
  }
  if (!best) {
    throw InputError(date_asked, "the first price of " + model + " by " + seller + " is of " +
                                     first + ", after " + quote(date) + ".");
  }
  return *best;
}

}  // namespace tollgate
