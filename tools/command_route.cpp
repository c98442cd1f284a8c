#include "sim/base/error.h"
#include "sim/base/file.h"
#include "tools/command.h"
#include "tools/engine.h"
#include "tools/output.h"
#include "tools/route_output.h"

namespace tollgate {
namespace {

int run(const Arguments& arguments, Console& console) {
  const RouteQuestion question = route_question(arguments);
  return with_backend(arguments, "auto", console, [&](const kernels::RoutingBackend& backend) {
    const RouteAnswer answer = study_route(question, backend);
    if (arguments.has("--dump")) {
      if (arguments.text("--dump") == "-" || arguments.text("--dump") == arguments.text("--output"))
        throw InputError("tollgate route: --dump needs a file of its own.");
      write_file_atomically(arguments.text("--dump"), route_dump(question, answer));
    }
    deliver(arguments.text("--format") == "json" ? route_json(question, answer)
                                                 : route_text(question, answer),
            arguments.text("--output"), console);
    return exit_code::ok;
  });
}

}  // namespace

Command route_command() {
  CommandHelp help;
  help.name = "route";
  help.summary = "Run the routing engine alone: loads, imbalance, distinct experts, traffic.";
  help.details = {
      "A step routes so many tokens together over all ranks. The whole group waits for its busiest "
      "rank, so that is compared with the mean, over layers and steps; and averaged over the "
      "layers "
      "of a step, which is what makes one step slower than another.",
      "The last table is of the first size of step and the first number of ranks."};
  help.positionals = {{"MODEL", "Gate, popularity and width of a model of models/llm.", false, {}}};
  help.options = route_question_options();
  help.options.push_back({"--dump", "", "FILE",
                          "Also write the tokens of every layer's experts as CSV: layer_id, "
                          "expert_id, activation_count."});
  help.options.push_back(backend_option());
  help.options.push_back(threads_option());
  help.options.push_back(format_option({"text", "json"}));
  help.options.push_back(output_option());
  help.examples = {
      {"tollgate route DeepSeek-V3.2 --tokens 64,4096 --ranks 8,32",
       "How evenly a model's experts are used."},
      {"tollgate route DeepSeek-V3.2 --tokens 4096 --ranks 32 --placement eplb --redundant 32",
       "Redundant experts and planned placement."},
      {"tollgate route DeepSeek-V3.2 --phase prefill --tokens 16384 --ranks 32 --dump counts.csv",
       "Prompts, with the counts for other programs."},
      {"tollgate route --experts 128 --top-k 8 --popularity lognormal --sigma 0.9",
       "A gate of one's own."}};
  return {help, run};
}

}  // namespace tollgate
