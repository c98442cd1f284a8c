#include "sim/base/error.h"
#include "tools/arguments.h"
#include "tools/output.h"

namespace tollgate {
namespace {

int run(const Arguments&, Console&) { throw InputError("tollgate import: not built yet."); }

}  // namespace

Command import_command() {
  CommandHelp help;
  help.name = "import";
  help.summary = "Turn a Hugging Face config.json into a model file.";
  return {help, run};
}

}  // namespace tollgate
