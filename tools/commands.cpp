#include "tools/command.h"

namespace tollgate {

const std::vector<Command>& commands() {
  static const std::vector<Command> all{run_command(),      list_command(),   show_command(),
                                        import_command(),   route_command(),  route_fit_command(),
                                        validate_command(), schema_command(), help_command()};
  return all;
}

}  // namespace tollgate
