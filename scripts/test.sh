#!/usr/bin/env bash
# shellcheck disable=SC2329 # the stages are called by name
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"

usage() {
    cat <<'END'
Usage: scripts/test.sh [--quick] [--peers] [-- ARGUMENT...]

Everything a change has to pass: sets up, checks the format, builds with
warnings as errors, fetches two real models and a text, runs the tests, and
builds two packages that depend on this one: the benchmarks, and one that names
it by git URL and version.

All stages run even if one fails, as far as they can; the last line says which
failed, and the exit status is 0 only if none did.

  --quick   no real models, no text and no slow tests
  --peers   also set up PyTorch and transformers for the tests that compare
            against them (see scripts/setup.sh)
  --help    print this
  ARGUMENT  goes to swift test, for example: -- --filter Safetensors

The tests see, besides NIBBLE_CACHE (see scripts/setup.sh):
  NIBBLE_PYTHON        Python with gguf, libgguf, numpy, tensorboard and xllamacpp
  NIBBLE_PEERS_PYTHON  Python with PyTorch and transformers, with --peers
  NIBBLE_MODELS        folder of the real models, not with --quick
  NIBBLE_TEXT          text for their perplexity, not with --quick
  NIBBLE_QUICK         1 with --quick
END
}

quick=false
peers=false
while (($#)); do
    case $1 in
        --quick) quick=true ;;
        --peers) peers=true ;;
        -h | --help)
            usage
            exit 0
            ;;
        --)
            shift
            break
            ;;
        *) misuse "unknown argument '$1'" ;;
    esac
    shift
done

cd -- "$ROOT"
logs=$(mktemp -d "${TMPDIR:-/tmp}/nibble-test.XXXXXX")
trap 'rm -rf -- "$logs"' EXIT

passed=()
failed=()

# stage NAME COMMAND...: runs COMMAND, remembers how it ended and goes on.
stage() {
    local name=$1 start=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    if ((status == 0)); then
        passed+=("$name")
    else
        failed+=("$name ($status)")
    fi
    printf '== %s: %s after %d s\n' "$name" "$( ((status == 0)) && echo passed || echo "failed with $status")" \
        $((SECONDS - start))
    return "$status"
}

summary() {
    local list
    if ((${#failed[@]} == 0)); then
        printf -v list '%s, ' "${passed[@]}"
        printf '\nPassed: %s. Total time: %d s\n' "${list%, }" "$SECONDS"
        exit 0
    fi
    printf -v list '%s, ' "${failed[@]}"
    printf '\nFAILED: %s. Total time: %d s\n' "${list%, }" "$SECONDS"
    exit 1
}

# no_warnings LOG: fails if LOG shows a warning in our own sources. Files with
# one are touched, because a compiler that is not run again does not warn again.
no_warnings() {
    local lines path
    lines=$(grep -E '^(/|Sources/|Tests/|Benchmarks/).*:[0-9]+:[0-9]+: warning: ' "$1" |
        grep -F -v '/checkouts/' | sort -u) || true
    [[ -n $lines ]] || return 0
    printf '\nWarnings are errors here:\n%s\n' "$lines" >&2
    while IFS= read -r path; do
        [[ ! -f $path ]] || touch -- "$path"
    done < <(sed -E 's/:[0-9]+:[0-9]+: warning: .*//' <<<"$lines" | sort -u)
    return 1
}

# MARK: Stages

set_up() {
    local options=(--python)
    if $peers; then
        options+=(--peers)
    fi
    scripts/setup.sh "${options[@]}" >"$logs/setup" || return
    NIBBLE_PYTHON=$(sed -n 's/^python=//p' "$logs/setup")
    NIBBLE_PEERS_PYTHON=$(sed -n 's/^peers_python=//p' "$logs/setup")
    export NIBBLE_PYTHON
    if [[ -n $NIBBLE_PEERS_PYTHON ]]; then
        export NIBBLE_PEERS_PYTHON
    else
        unset NIBBLE_PEERS_PYTHON
    fi
}

check_format() {
    local path paths=()
    for path in Package.swift Sources Tests Benchmarks; do
        [[ ! -e $path ]] || paths+=("$path")
    done
    swift format lint --strict --parallel --recursive "${paths[@]}"
}

# SwiftPM leaves dependencies out of -warnings-as-errors. The flag is not for C:
# there the log tells.
build() {
    swift build -c release -Xswiftc -warnings-as-errors 2>&1 | tee "$logs/build" || return
    no_warnings "$logs/build"
}

fetch_models() {
    local model
    for model in gemma-3-270m smollm2-135m; do
        NIBBLE=$ROOT/.build/release/nibble scripts/fetch-model.sh "$model" "$NIBBLE_CACHE/models" || return
    done
    export NIBBLE_MODELS=$NIBBLE_CACHE/models
}

fetch_text() {
    scripts/fetch-text.sh >"$logs/text" || return
    NIBBLE_TEXT=$(sed -n 's/^text=//p' "$logs/text")
    export NIBBLE_TEXT
}

# Another scratch path than the build's: tests need code that is compiled with
# -enable-testing, and alternating would compile everything each time.
run_tests() {
    # As many tests at a time as there are processors. All at once, a test that
    # has begun waits for the others, and that counts toward its time limit.
    local -x SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH
    SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=$(getconf _NPROCESSORS_ONLN)
    swift test -c release --scratch-path .build-test "$@" 2>&1 | tee "$logs/test" || return
    if ! grep -Eq 'Test run with [1-9][0-9]* test' "$logs/test"; then
        log "No test was run."
        return 1
    fi
    no_warnings "$logs/test"
}

# A debug build, which takes half as long: nothing is measured here. It has a
# scratch path of its own: with that of the build, SwiftPM takes this package's
# plan for its own, and says that it is complete without compiling a line.
build_benchmarks() {
    swift build --package-path Benchmarks -Xswiftc -warnings-as-errors 2>&1 | tee "$logs/benchmarks" || return
    no_warnings "$logs/benchmarks"
}

unset NIBBLE_MODELS NIBBLE_TEXT NIBBLE_QUICK
if $quick; then
    export NIBBLE_QUICK=1
fi

# Without what is set up nothing below means anything.
stage setup set_up || summary
stage format check_format || true
if stage build build; then
    if ! $quick; then
        stage models fetch_models || true
        stage text fetch_text || true
    fi
fi
stage tests run_tests "$@" || true
stage benchmarks build_benchmarks || true
stage dependency scripts/check-dependency.sh || true
summary
