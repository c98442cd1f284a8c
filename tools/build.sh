# Sourced by quickstart and test: configures the preset once and builds the targets given.
build() {
  local preset=$1
  shift
  if [[ ! -f build/$preset/build.ninja ]]; then
    cmake --preset "$preset"
  fi
  cmake --build --preset "$preset" --parallel "$(nproc)" "$@"
}
