#pragma once
/// The GPU backend. Unavailable without a CUDA build, a driver and a device.

#include "kernels/backend.h"

namespace tollgate::kernels {

class CudaBackend final : public RoutingBackend {
 public:
  std::string_view name() const override;
  std::string_view description() const override;
  Availability available() const override;
  RoutingStats route(const RoutingProblem& problem) const override;
  std::vector<std::uint16_t> select(const RoutingProblem& problem) const override;
};

}  // namespace tollgate::kernels
