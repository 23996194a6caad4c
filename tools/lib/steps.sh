# shellcheck shell=bash
# Sourced by the scripts in tools/: runs a step quietly, reports how long it took, and shows its
# output if it fails.
# Expects bash with `set -euo pipefail`.

tenon_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

# say TEXT...: writes one line to standard error, so that standard output only has the command's output.
say() { printf '%s\n' "$*" >&2; }

# die TEXT...: reports the error and exits with 1.
die() {
  say "$(basename "$0"): error: $*"
  exit 1
}

# jobs_for_build: prints how many compilers to run at once: the value of CMake's own variable, else
# as many as fit into memory.
jobs_for_build() {
  if [[ "${CMAKE_BUILD_PARALLEL_LEVEL:-}" =~ ^[1-9][0-9]*$ ]]; then
    echo "$CMAKE_BUILD_PARALLEL_LEVEL"
    return
  fi
  local cores memory_kib by_memory
  cores="$(nproc)"
  memory_kib="$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || echo 0)"
  by_memory=$((memory_kib / 1500000))
  if ((memory_kib > 0 && by_memory < cores)); then cores=$((by_memory > 0 ? by_memory : 1)); fi
  echo "$cores"
}

# progress_of LOG: prints the progress of ninja or ctest, from the last lines of its output; empty if
# unknown.
progress_of() {
  tail -c 4000 "$1" 2>/dev/null | tr '\r' '\n' | sed -n 's/^ *\[\([0-9]*\/[0-9]*\)\].*/\1/p' | tail -n 1
}

# report_progress NAME LOG STARTED: reports the progress of a step until it is killed: on a terminal
# in one line that is overwritten each second, elsewhere in a new line every TENON_PROGRESS_SECONDS (20).
report_progress() {
  local name="$1" log="$2" started="$3" pause=1 clock
  if [[ ! -t 2 ]]; then pause="${TENON_PROGRESS_SECONDS:-20}"; fi
  exec {clock}<> <(:)
  # `sleep` would outlive this process and keep standard error open. $$ is the script.
  while ! read -r -t "$pause" -u "$clock" && kill -0 $$ 2>/dev/null; do
    printf '  %-28s ... %4d s  %s' "$name" $((SECONDS - started)) "$(progress_of "$log")" >&2
    if [[ -t 2 ]]; then printf '\r' >&2; else printf '\n' >&2; fi
  done
}

# step LOG_DIRECTORY NAME COMMAND...: runs a command and writes its output to LOG_DIRECTORY/NAME.log.
step() {
  local directory="$1" name="$2" log started status=0 reporter
  shift 2
  mkdir -p "$directory"
  log="$directory/${name// /_}.log"
  started=$SECONDS
  if [[ -t 2 ]]; then printf '  %-28s ...\r' "$name" >&2; fi
  : >"$log"
  report_progress "$name" "$log" "$started" </dev/null >/dev/null &
  reporter=$!
  # It runs in the foreground, so that Ctrl-C stops it.
  "$@" >"$log" 2>&1 || status=$?
  kill "$reporter" 2>/dev/null || true
  wait "$reporter" 2>/dev/null || true
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
  if ((status == 0)); then
    printf '  %-28s %4d s\n' "$name" $((SECONDS - started)) >&2
  else
    printf '  %-28s failed with %d after %d s; the end of %s:\n' "$name" "$status" $((SECONDS - started)) "$log" >&2
    tail -n 60 "$log" | sed 's/^/    /' >&2
    return "$status"
  fi
}

# binary_directory PRESET: prints the directory in which CMakePresets.json puts a preset's output.
binary_directory() {
  if [[ "$1" == default ]]; then echo "$tenon_root/build"; else echo "$tenon_root/build-$1"; fi
}

# configure PRESET [CMAKE ARGUMENT...]: configures if there is something new to configure; ninja
# handles later changes itself.
configure() {
  local preset="$1" directory
  shift
  directory="$(binary_directory "$preset")"
  if [[ ! -f "$directory/build.ninja" || $# -gt 0 ]]; then
    step "$directory/logs" "configure $preset" cmake -S "$tenon_root" --preset "$preset" "$@"
  fi
}

# build PRESET [TARGET...]: builds a preset.
build() {
  local preset="$1" directory targets=()
  shift
  directory="$(binary_directory "$preset")"
  if (($# > 0)); then targets=(--target "$@"); fi
  step "$directory/logs" "build $preset" cmake --build "$directory" --parallel "$(jobs_for_build)" "${targets[@]}"
}

# sanitizer_options: sets the options of the sanitizers that the caller has not set.
sanitizer_options() {
  export ASAN_OPTIONS="${ASAN_OPTIONS:-abort_on_error=0:detect_stack_use_after_return=1}"
  export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
  export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}"
}
