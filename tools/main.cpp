#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "tools/cli.h"
#include "tools/command.h"

namespace {

bool environment_has(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

tollgate::Terminal terminal() {
  tollgate::Terminal terminal;
  terminal.notes = ::isatty(STDERR_FILENO) != 0;
  if (::isatty(STDOUT_FILENO) == 0) return terminal;
  const char* kind = std::getenv("TERM");
  terminal.colour =
      !environment_has("NO_COLOR") && kind != nullptr && std::strcmp(kind, "dumb") != 0;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.width = std::clamp<int>(size.ws_col, 80, 140);
  }
  return terminal;
}

/// Exit code of writing everything to stdout. A reader that has seen enough is no error.
int write_out(const std::string& text, int code) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) return code;
    if (n < 0) {
      std::cerr << "the output cannot be written: " << std::strerror(errno) << ".\n";
      return tollgate::exit_code::file;
    }
    done += static_cast<std::size_t>(n);
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::ostringstream out;
  const int code =
      tollgate::run_main({argv + std::min(argc, 1), argv + argc}, out, std::cerr, terminal());
  return write_out(out.str(), code);
}
