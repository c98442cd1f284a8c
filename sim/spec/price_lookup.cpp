#include "sim/spec/price_lookup.h"

#include <algorithm>
#include <set>

#include "sim/base/text.h"

namespace tollgate {

GpuPrice find_gpu_price(const std::vector<PriceBook>& books, const std::string& hardware,
                        const std::string& level, const Place& asked) {
  std::vector<GpuPrice> found;
  std::set<std::string> levels;
  for (const PriceBook& book : books) {
    for (const GpuPrice& price : book.gpus) {
      if (price.hardware != hardware) continue;
      levels.insert(price.level);
      if (price.level != level) continue;
      if (!found.empty() && price.date > found.front().date) found.clear();
      if (found.empty() || price.date == found.front().date) found.push_back(price);
    }
  }
  if (found.empty()) {
    const std::vector<std::string> known(levels.begin(), levels.end());
    throw InputError(
        asked,
        "there is no price of " + hardware + " at level " + quote(level) + " in models/prices; " +
            (known.empty() ? std::string("none is known at any level, so give "
                                         "pricing.usd_per_gpu_hour.")
                           : "known levels: " + join(known) + "." + did_you_mean(level, known)));
  }
  std::stable_sort(found.begin(), found.end(), [](const GpuPrice& a, const GpuPrice& b) {
    return a.usd_per_hour < b.usd_per_hour;
  });
  return found[(found.size() - 1) / 2];
}

}  // namespace tollgate
