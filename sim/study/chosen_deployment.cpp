#include "sim/study/chosen_deployment.h"

namespace tollgate {
namespace {

template <class Spec, class Result>
void fix_sizes(Spec& spec, const Result& r) {
  spec.gpus = r.gpus;
  spec.tensor = r.tensor;
  spec.pipeline = r.pipeline;
  spec.expert = r.expert;
  spec.data_attention = r.data_attention;
}

}  // namespace

CandidateSpec as_chosen(CandidateSpec c, const CandidateResult& r) {
  if (r.disaggregation) {
    fix_sizes(c.deployment.disaggregation->prefill, r.disaggregation->prefill);
    fix_sizes(c.deployment.disaggregation->decode, r.disaggregation->decode);
  } else {
    fix_sizes(c.deployment, r);
  }
  return c;
}

}  // namespace tollgate
