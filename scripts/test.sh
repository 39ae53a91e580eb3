#!/usr/bin/env bash
# shellcheck disable=SC2317,SC2329 # the stages are called by name
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"

usage() {
    cat <<'END'
Usage: scripts/test.sh [--quick] [--peers] [-- ARGUMENT...]

Everything a change has to pass: sets up, checks the format, builds with
warnings as errors, fetches two real models and a text, runs the tests and the
scripts that measure Nibble against others, opens the page of a comparison in
Chromium, and builds two packages that depend
on this one: the benchmarks, and one that names it by git URL and version.

All stages run even if one fails, as far as they can; the last lines say which
failed and what was left out, and the exit status is 0 only if none failed.

What a stage prints goes to a log of its own. Shown are its progress (on
stderr), what failed, which tests were left out and the closing line of swift
test. The logs are removed when all stages passed.

  --quick   no real models and no text, and so no page
  --peers   also set up PyTorch, transformers and llama.cpp's tools, for the
            scripts that compare against them (see scripts/setup.sh and
            scripts/smoke-peers.sh)
  --help    print this
  ARGUMENT  goes to swift test, for example: -- --filter Safetensors

The tests see, besides NIBBLE_CACHE (see scripts/setup.sh):
  NIBBLE_PYTHON        Python with gguf, libgguf, numpy, safetensors, tensorboard
                       and xllamacpp
  NIBBLE_MODELS        folder of the real models, not with --quick
  NIBBLE_TEXT          text for their perplexity, not with --quick
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
scratch=$ROOT/.build-test
nibble=$scratch/release/nibble
logs=$(mktemp -d "${TMPDIR:-/tmp}/nibble-test.XXXXXX")
follower=
passed=()
failed=()
left=()

at_exit() {
    local status=$?
    stop_following
    if ((status == 0)); then
        rm -rf -- "$logs"
    else
        log "Logs: $logs"
    fi
}
trap at_exit EXIT

# MARK: What is shown of a stage

# follow NAME LOG: says on stderr what a stage is at, until it is killed: on a
# terminal in one line that is written anew, elsewhere in a line now and then.
follow() {
    local start=$SECONDS shown=0 elapsed line='' part now='' started=0 ended=0 issues=0 text input
    exec {input}<"$2"
    while sleep 1 >/dev/null 2>&1; do
        # At the end of the file a line may be there in part.
        while IFS= read -r part <&"$input" || { line+=$part && false; }; do
            line+=$part
            case $line in
                '◇ Suite '*)
                    ((started)) || now=none
                    started=$((started + 1))
                    ;;
                '✔ Suite '* | '✘ Suite '*)
                    ended=$((ended + 1))
                    now=${line#* Suite }
                    now=${now% passed after *}
                    now=${now% failed after *}
                    ;;
                '✘ '*' recorded an issue at '*) issues=$((issues + 1)) ;;
                *) ((started)) || [[ -z $line ]] || now=$line ;;
            esac
            line=
        done
        elapsed=$((SECONDS - start))
        text="   $1, $elapsed s: "
        ((started == 0)) || text+="$ended of $started suites ended, issues: $issues, last "
        text+=$now
        if [[ -t 2 ]]; then
            text=${text:0:${COLUMNS:-80} - 1}
            printf '\r\033[K%s' "$text" >&2
        elif ((elapsed - shown >= 30)); then
            shown=$elapsed
            printf '%s\n' "${text:0:120}" >&2
        fi
    done
}

stop_following() {
    [[ -n $follower ]] || return 0
    kill "$follower" 2>/dev/null || true
    wait "$follower" 2>/dev/null || true
    follower=
    [[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# at_most COUNT: as many lines of standard input, and how many more there are.
at_most() {
    awk -v most="$1" 'NR <= most { print } END { if (NR > most) printf "... and %d lines more\n", NR - most }'
}

# complaints LOG: issues of tests with what belongs to them, where a test crashed,
# errors of compilers and warnings that count as such; the end of the log where
# there are none.
complaints() {
    local lines
    lines=$(awk '
        # What follows belongs to an issue, up to a line of another kind.
        /^(✔|✘|◇|➜|Test Suite |\[[0-9]+\/[0-9]+\] )/ { inside = 0 }
        /^✘ / { inside = !/^✘ (Suite|Test run) / }
        /^Warnings are errors here:$/ { inside = 1 }
        # The upper frames of the thread that crashed.
        /^Thread .* crashed:$/ { frames = 10 }
        inside || frames-- > 0 || /^\*\*\* |^error: |:[0-9]+: (fatal )?error: |Fatal error: |undefined reference/ {
            # A compiler says the same of a file for each that is compiled with it.
            if (inside || !said[$0]++) print substr($0, 1, 400)
        }
    ' "$1")
    if [[ -n $lines ]]; then
        at_most 60 <<<"$lines"
    else
        tail -n 30 -- "$1"
    fi
}

# left_out LOG: the tests that were skipped, by reason.
left_out() {
    awk '
        /^➜ .* skipped/ {
            sub(/^➜ /, "")
            place = match($0, / skipped(: ".*")?\.?$/)
            if (!place) next
            reason = substr($0, place + 8)
            name = substr($0, 1, place - 1)
            if (reason in names) names[reason] = names[reason] ", " name
            else { names[reason] = name; order[++count] = reason }
        }
        END { for (i = 1; i <= count; i++) print "Skipped" order[i] ": " names[order[i]] }
    ' "$1"
}

# stage NAME COMMAND...: runs COMMAND, remembers how it ended and goes on.
stage() {
    local name=$1 start=$SECONDS status=0 log=$logs/$1.log
    shift
    printf '\n== %s\n' "$name"
    : >"$log"
    follow "$name" "$log" &
    follower=$!
    "$@" >>"$log" 2>&1 || status=$?
    stop_following
    if ((status != 0)); then
        case $name in
            format | build | tests | benchmarks) complaints "$log" ;;
            *) tail -n 30 -- "$log" ;;
        esac
    fi
    # What was built and tested, and what was left out.
    left_out "$log"
    grep -E '^(Build complete!|With |Left to |(✔|✘) Test run with )' "$log" || true
    if ((status == 0)); then
        passed+=("$name")
        printf '== %s: passed after %d s\n' "$name" $((SECONDS - start))
    else
        failed+=("$name ($status)")
        printf '== %s: failed with %d after %d s; all of it: %s\n' "$name" "$status" $((SECONDS - start)) "$log"
    fi
    return "$status"
}

summary() {
    local list
    echo
    $peers || echo "Left to --peers: the scripts of Benchmarks/peers with llama.cpp's tools and PyTorch themselves"
    ! $quick || echo "Left out by --quick: real models, the text, the report"
    ((${#left[@]} == 0)) || printf 'Left out, %s\n' "${left[@]}"
    if ((${#failed[@]} == 0)); then
        printf -v list '%s, ' "${passed[@]}"
        printf 'Passed: %s. Total time: %d s\n' "${list%, }" "$SECONDS"
        exit 0
    fi
    printf -v list '%s, ' "${failed[@]}"
    printf 'FAILED: %s. Total time: %d s\n' "${list%, }" "$SECONDS"
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
    scripts/setup.sh "${options[@]}" >"$logs/settings" || return
    NIBBLE_PYTHON=$(value_of python <"$logs/settings")
    NIBBLE_PEERS_PYTHON=$(value_of peers_python <"$logs/settings")
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

# Program and tests in one build, as compiling takes most of the time. Tests need
# code that is compiled with -enable-testing; a scratch path of its own spares
# who builds without it from compiling everything anew after each test.
# SwiftPM leaves dependencies out of -warnings-as-errors. The flag is not for C:
# there the log tells.
build() {
    swift build -c release --scratch-path "$scratch" --build-tests \
        -Xswiftc -enable-testing -Xswiftc -warnings-as-errors || return
    no_warnings "$logs/build.log"
}

fetch_models() {
    local model
    for model in gemma-3-270m smollm2-135m; do
        NIBBLE=$nibble scripts/fetch-model.sh "$model" "$NIBBLE_CACHE/models" || return
    done
    export NIBBLE_MODELS=$NIBBLE_CACHE/models
}

fetch_text() {
    scripts/fetch-text.sh >"$logs/places" || return
    NIBBLE_TEXT=$(value_of text <"$logs/places")
    export NIBBLE_TEXT
}

run_tests() {
    # As many tests at a time as there are processors. All at once, a test that
    # has begun waits for the others, and that counts toward its time limit.
    local -x SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH
    SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=$(getconf _NPROCESSORS_ONLN)
    swift test -c release --scratch-path "$scratch" --skip-build "$@" || return
    if ! grep -Eq 'Test run with [1-9][0-9]* test' "$logs/tests.log"; then
        log "No test was run."
        return 1
    fi
}

# A debug build, which takes half as long: nothing is measured here. It has a
# scratch path of its own: with that of the build, SwiftPM takes this package's
# plan for its own, and says that it is complete without compiling a line.
build_benchmarks() {
    swift build --package-path Benchmarks -Xswiftc -warnings-as-errors || return
    no_warnings "$logs/benchmarks.log"
}

# A page of Gemma 3 270M with eight files: made, and looked at.
check_report() {
    local folder=$logs/report type files=() text python
    local base=$NIBBLE_MODELS/gemma-3-270m.dithered.bf16.gguf
    scripts/setup.sh --report >"$logs/report-settings" || return
    python=$(value_of report_python <"$logs/report-settings")
    mkdir -p -- "$folder/text"
    # Documents, for intervals over them.
    split --bytes 6000 -d --additional-suffix=.txt -- "$NIBBLE_TEXT" "$folder/text/" || return
    text=handbook=$folder/text
    for type in q4_0 q4_1 q5_0 q5_1 q8_0 q4_k_m q5_k_m q6_k; do
        files+=("$folder/gemma-3-270m.$type.gguf")
        "$nibble" convert "$base" -o "${files[-1]}" --type "$type" --quiet || return
    done
    "$nibble" compare "$base" "${files[@]}" --text "$text" --chunks 24 --quiet \
        --report "$folder/gemma-3-270m.html" || return
    "$python" scripts/check-report.py "$folder/gemma-3-270m.html"
}

smoke_peers() {
    local options=()
    if $peers; then
        options+=(--peers)
    fi
    NIBBLE=$nibble scripts/smoke-peers.sh "${options[@]}"
}

unset NIBBLE_MODELS NIBBLE_TEXT

# Without what is set up nothing below means anything.
stage setup set_up || {
    left+=("as nothing is set up: all other stages")
    summary
}
stage format check_format || true
if stage build build; then
    if ! $quick; then
        stage models fetch_models || true
        stage text fetch_text || true
    fi
    stage peers smoke_peers || true
    if [[ -n ${NIBBLE_MODELS:-} && -n ${NIBBLE_TEXT:-} ]]; then
        stage report check_report || true
    elif ! $quick; then
        left+=("as there is no model or no text: report")
    fi
    stage tests run_tests "$@" || true
elif $quick; then
    left+=("as there is no build: peers, tests")
else
    left+=("as there is no build: models, text, peers, report, tests")
fi
stage benchmarks build_benchmarks || true
stage dependency scripts/check-dependency.sh || true
summary
