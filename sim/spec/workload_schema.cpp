#include "sim/spec/workload_schema.h"

#include <tuple>

#include "sim/base/text.h"
#include "sim/spec/arrival_schema.h"
#include "sim/spec/length_schema.h"
#include "sim/spec/model_schema.h"
#include "sim/spec/session_schema.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;

FieldInfo arrivals_field() {
  FieldInfo info;
  info.name = "arrivals";
  info.type = FieldInfo::Type::object;
  info.child = &arrival_schema().info();
  info.doc = "rate: when the requests come; event simulation. Default: poisson.";
  return info;
}

const Schema<RequestSlo>& request_slo_schema() {
  static const auto schema =
      Schema<RequestSlo>("class slo",
                         "Latency that each request of a class is promised; only the event "
                         "simulation counts who kept it.")
          .quantity("ttft", &RequestSlo::ttft, Dimension::seconds, optional, positive,
                    "Time to the first token.")
          .quantity("tpot", &RequestSlo::tpot, Dimension::seconds, optional, positive,
                    "Time per output token after the first.")
          .quantity("end_to_end", &RequestSlo::end_to_end, Dimension::seconds, optional, positive,
                    "Time to the last token.")
          .check([](const RequestSlo& s, const std::string& path) {
            if (s.end_to_end > 0 && s.ttft > s.end_to_end) {
              throw InputError(place_of(s.places, "ttft"),
                               path + ".ttft is " + shortest(s.ttft) +
                                   " s, but the whole answer is promised in " +
                                   shortest(s.end_to_end) + " s.");
            }
          });
  return schema;
}

}  // namespace

const Schema<RequestClass>& request_class_schema() {
  static const auto schema = [] {
    Schema<RequestClass> s("request class", "One class of requests of the workload mix.");
    s.text("name", &RequestClass::name, required, "Name of the class.");
    s.number("weight", &RequestClass::weight, optional, positive,
             "Share of requests, relative to the others.");
    FieldInfo input = length_field("input", required,
                                   "Prompt length in tokens, the cached part included. With a "
                                   "session, what the average sees (default: the session's own).");
    input.unless = "session";
    s.custom(
        input,
        [](const YamlNode& n, const std::string& p, RequestClass& c) {
          c.input = read_length(n, p);
        },
        [](const RequestClass& c) { return write_length(c.input); });
    add_length(s, "output", &RequestClass::output, required,
               "Generated tokens, the first included.");
    FieldInfo hit_rate;
    hit_rate.name = "prefix_hit_rate";
    hit_rate.type = FieldInfo::Type::number;
    hit_rate.required = true;
    hit_rate.unless = "session";
    hit_rate.range = describe(fraction);
    hit_rate.doc =
        "Fraction of prompt tokens found in the prefix cache. Required: a missing rate is not "
        "zero. "
        "With a session, what the average sees (default: what the session repeats).";
    s.custom(
        hit_rate,
        [](const YamlNode& n, const std::string& p, RequestClass& c) {
          c.prefix_hit_rate = scalar::number(n, p, fraction);
        },
        [](const RequestClass& c) -> YamlPtr {
          if (c.session && !c.places.count("prefix_hit_rate")) return nullptr;
          return yaml_scalar(shortest(c.prefix_hit_rate));
        });
    s.number("correlation", &RequestClass::correlation, optional, Range{-1, 1},
             "Spearman's rank correlation of prompt (in a session: of what a turn adds) and answer "
             "length; event simulation.");
    s.integer("priority", &RequestClass::priority, optional, Range{-128, 127},
              "Urgency, smallest first, for engines that go by it; event simulation.");
    s.object("slo", &RequestClass::slo, request_slo_schema(), optional,
             "Latency that each request of the class is promised; event simulation.");
    s.optional_object("session", &RequestClass::session, session_schema(),
                      "The requests are turns of conversations.");
    s.optional_object("agent", &RequestClass::agent, agent_schema(),
                      "Turns of the session start sub-agents.");
    s.list("sources", &RequestClass::sources, source_schema(), optional,
           "Where the lengths were measured.");
    s.check([](const RequestClass& c, const std::string& path) {
      if (c.agent && !c.session) {
        throw InputError(place_of(c.places, "agent"), path + ".agent goes with a session.");
      }
    });
    return s;
  }();
  return schema;
}

const Schema<LoadSpec>& load_schema() {
  static const auto schema =
      Schema<LoadSpec>("load", "What is offered to the service.")
          .choice<LoadKind>(
              "kind", &LoadSpec::kind, required,
              {{"saturate", LoadKind::saturate},
               {"concurrency", LoadKind::concurrency},
               {"rate", LoadKind::rate},
               {"trace", LoadKind::trace}},
              "saturate: the largest throughput that keeps the SLO; concurrency: so many "
              "requests in flight per replica; rate: a request rate for the whole service, "
              "with as many replicas as the SLO needs; trace: recorded requests, with their "
              "lengths.")
          .number("concurrency", &LoadSpec::concurrency, optional, Range{1, 1e6},
                  "Requests in flight per replica.")
          .quantity("think_time", &LoadSpec::think_time, Dimension::seconds, optional, positive,
                    "concurrency: time from an answer to the next request of the same user; event "
                    "simulation.")
          .quantity("rate", &LoadSpec::rate, Dimension::per_second, optional, positive,
                    "Requests per second for the whole service.")
          .custom(
              arrivals_field(),
              [](const YamlNode& n, const std::string& p, LoadSpec& l) {
                l.arrivals = read_arrivals(n, p);
              },
              [](const LoadSpec& l) { return arrival_schema().write(l.arrivals); })
          .text("trace", &LoadSpec::trace, optional,
                "trace: file of recorded requests, plain or .gz, relative to the scenario.")
          .choice<TraceFormat>(
              "format", &LoadSpec::format, optional,
              {{"auto", TraceFormat::automatic},
               {"azure", TraceFormat::azure},
               {"mooncake", TraceFormat::mooncake},
               {"burstgpt", TraceFormat::burstgpt},
               {"sharegpt", TraceFormat::sharegpt}},
              "trace: azure: CSV of the Azure LLM inference traces; mooncake: JSON lines with "
              "hashes of prompt blocks; burstgpt: CSV of BurstGPT; sharegpt: CSV with arrival_s or "
              "arrival_ms, input_tokens, output_tokens and perhaps hash_ids_N (blocks of N "
              "tokens); "
              "auto: found from the first line.")
          .number("speed", &LoadSpec::speed, optional, positive,
                  "trace: how many times faster than recorded it is replayed.")
          .check([](const LoadSpec& l, const std::string& path) {
            constexpr std::tuple<const char*, LoadKind, const char*> owners[] = {
                {"concurrency", LoadKind::concurrency, "concurrency"},
                {"think_time", LoadKind::concurrency, "concurrency"},
                {"rate", LoadKind::rate, "rate"},
                {"arrivals", LoadKind::rate, "rate"},
                {"trace", LoadKind::trace, "trace"},
                {"format", LoadKind::trace, "trace"},
                {"speed", LoadKind::trace, "trace"}};
            for (const auto& [key, kind, name] : owners) {
              if (l.places.count(key) && l.kind != kind) {
                throw InputError(place_of(l.places, key),
                                 path + "." + key + " goes with 'kind: " + name + "'.");
              }
            }
            const auto needs = [&](const char* key, bool given) {
              if (given) return;
              throw InputError(place_of(l.places, "kind"),
                               path + " lacks '" + key + "', which this kind needs.");
            };
            needs("concurrency", l.kind != LoadKind::concurrency || l.concurrency > 0);
            needs("rate", l.kind != LoadKind::rate || l.rate > 0);
            needs("trace", l.kind != LoadKind::trace || !l.trace.empty());
          });
  return schema;
}

const Schema<SloSpec>& slo_schema() {
  static const auto schema =
      Schema<SloSpec>("slo", "Latency targets on means; a target that is left out does not bound.")
          .quantity("ttft", &SloSpec::ttft, Dimension::seconds, optional, positive,
                    "Time to the first token.")
          .quantity("tpot", &SloSpec::tpot, Dimension::seconds, optional, positive,
                    "Time per output token after the first.");
  return schema;
}

}  // namespace tollgate
