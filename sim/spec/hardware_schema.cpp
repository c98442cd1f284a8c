#include "sim/spec/model_schema.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;

const Schema<PeakRates>& peak_schema() {
  static const auto schema =
      Schema<PeakRates>("peak", "Dense peak rates of the matrix units (never the sparse figure).")
          .quantity("bf16", &PeakRates::bf16, Dimension::flops_per_second, required, positive,
                    "BF16 / FP16.")
          .quantity("fp8", &PeakRates::fp8, Dimension::flops_per_second, optional, not_negative,
                    "FP8; 0 where there is no FP8 unit.")
          .quantity("int8", &PeakRates::int8, Dimension::flops_per_second, optional, not_negative,
                    "INT8.")
          .quantity("fp4", &PeakRates::fp4, Dimension::flops_per_second, optional, not_negative,
                    "FP4.");
  return schema;
}

const Schema<LinkSpec>& link_schema() {
  static const auto schema =
      Schema<LinkSpec>("link", "A link; figures per accelerator and one direction.")
          .text("name", &LinkSpec::name, required, "Kind of link.")
          .quantity("bandwidth", &LinkSpec::bandwidth, Dimension::bytes_per_second, required,
                    positive, "Bandwidth per accelerator, one direction.")
          .quantity("latency", &LinkSpec::latency, Dimension::seconds, required, positive,
                    "One small message, end to end.");
  return schema;
}

}  // namespace

const Schema<HardwareSpec>& hardware_schema() {
  static const auto schema =
      Schema<HardwareSpec>("hardware", "An accelerator with the machine around it.")
          .text("name", &HardwareSpec::name, required, "Name; equals the file name.")
          .text("vendor", &HardwareSpec::vendor, required, "Maker.")
          .text("released", &HardwareSpec::released, optional,
                "ISO date, month or year of availability.")
          .quantity("memory", &HardwareSpec::memory, Dimension::bytes, required, positive,
                    "Device memory per accelerator.")
          .quantity("memory_bandwidth", &HardwareSpec::memory_bandwidth,
                    Dimension::bytes_per_second, required, positive, "Device memory bandwidth.")
          .object("peak", &HardwareSpec::peak, peak_schema(), required, "Dense peak rates.")
          .integer("processors", &HardwareSpec::processors, optional, Range{0, 100000},
                   "Streaming multiprocessors or compute units; 0 where unknown.")
          .number("clock_ghz", &HardwareSpec::clock_ghz, optional, Range{0, 10},
                  "Clock of the processors in GHz, where matrix units were cut below what it would "
                  "give; left out: what the bf16 peak says.")
          .quantity("l2", &HardwareSpec::l2, Dimension::bytes, optional, not_negative,
                    "Last-level cache; 0 B where unknown.")
          .quantity("tdp", &HardwareSpec::tdp, Dimension::watts, optional, positive, "Board power.")
          .quantity(
              "all_in_power", &HardwareSpec::all_in_power, Dimension::watts, optional, not_negative,
              "Power per accelerator with its share of the machine and cooling; 0 W where unknown.")
          .integer("per_node", &HardwareSpec::per_node, optional, Range{1, 1024},
                   "Accelerators in one machine.")
          .integer("per_domain", &HardwareSpec::per_domain, optional, Range{1, 16384},
                   "Accelerators joined by the scale-up link (GB200 NVL72: 72).")
          .object("scale_up", &HardwareSpec::scale_up, link_schema(), required,
                  "Link inside the domain.")
          .object("scale_out", &HardwareSpec::scale_out, link_schema(), required,
                  "Network between domains.")
          .list("sources", &HardwareSpec::sources, source_schema(), required,
                "Where the figures were read.")
          .text_list("notes", &HardwareSpec::notes, "Remarks shown with the device.")
          .check([](const HardwareSpec& h, const std::string& path) {
            if (h.sources.empty())
              throw InputError(place_of(h.places, "sources"), path + ".sources is empty.");
            if (h.per_domain % h.per_node != 0) {
              throw InputError(place_of(h.places, "per_domain"),
                               path + ".per_domain is " + std::to_string(h.per_domain) +
                                   ", which is not a multiple of per_node " +
                                   std::to_string(h.per_node) + ".");
            }
          });
  return schema;
}

}  // namespace tollgate
