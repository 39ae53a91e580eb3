#!/usr/bin/env bash
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"

usage() {
    cat <<'END'
Usage: scripts/smoke-peers.sh [--peers | --record]

Runs the scripts of Benchmarks/peers on tiny files and checks what they print.
nibble runs itself; llama.cpp's tools and PyTorch answer with what they printed
when they were recorded (Benchmarks/peers/recorded).

  --peers   also build llama.cpp's tools (minutes) and run all scripts with
            them and PyTorch themselves
  --record  as --peers, and record what they print, for the runs without them
  --help    print this

Environment:
  NIBBLE               the nibble program; by default .build/release/nibble
  NIBBLE_PYTHON        Python of scripts/setup.sh --python, which is run if this
                       is not set
  NIBBLE_PEERS_PYTHON  Python of scripts/setup.sh --peers, likewise
END
}

peers=false
record=false
while (($#)); do
    case $1 in
        --peers) peers=true ;;
        --record) peers=true record=true ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) misuse "unknown argument '$1'" ;;
    esac
    shift
done

# absolute PROGRAM: its path, which holds in other folders and with another PATH.
absolute() {
    local path
    path=$(command -v -- "$1") || die "there is no program '$1'"
    [[ $path == /* ]] || path=$PWD/$path
    printf '%s\n' "$path"
}

nibble=$(absolute "${NIBBLE:-$ROOT/.build/release/nibble}")
python=${NIBBLE_PYTHON:-}
if [[ -z $python ]]; then
    settings=$("$ROOT/scripts/setup.sh" --python)
    python=$(value_of python <<<"$settings")
fi
python=$(absolute "$python")
peers_python=${NIBBLE_PEERS_PYTHON:-}
if $peers; then
    if [[ -z $peers_python ]]; then
        settings=$("$ROOT/scripts/setup.sh" --peers)
        peers_python=$(value_of peers_python <<<"$settings")
    fi
    peers_python=$(absolute "$peers_python")
fi

scripts=$ROOT/Benchmarks/peers
work=$(mktemp -d "${TMPDIR:-/tmp}/nibble-smoke.XXXXXX")
trap 'rm -rf -- "$work"' EXIT

# MARK: Programs

# stand_ins FOLDER: recorded programs, where build-llama-tools.sh has the tools it builds, and a recorded Python.
stand_ins() {
    local name
    mkdir -p -- "$1/build/bin"
    for name in llama-quantize llama-imatrix llama-perplexity llama-tokenize python; do
        ln -s -- "$scripts/recorded/program.py" "$1/build/bin/$name"
    done
}

# The recorded programs are Python, too: they get the one that the scripts get.
mkdir -- "$work/bin"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$work/bin/python3"
chmod +x -- "$work/bin/python3"
PATH=$work/bin:$PATH

# MARK: Checks

failed=()

# attempt NAME COMMAND...: COMMAND's standard output goes to $work/output; if it fails, it is shown what it said.
attempt() {
    local name=$1 status=0
    shift
    "$@" >"$work/output" 2>"$work/errors" || status=$?
    ((status == 0)) || reject "$name" "exit status $status of: $*"
    return "$status"
}

# reject NAME REASON: notes a failure and shows the last output.
reject() {
    failed+=("$1")
    {
        printf 'FAILED: %s: %s\n' "$1" "$2"
        sed 's/^/    /' "$work/output" "$work/errors"
    } >&2
}

# expect NAME COUNT PATTERN [FILE]: that many lines of the last output (or errors) match.
expect() {
    local count
    count=$(grep -Ec -- "$3" "${4:-$work/output}") || true
    ((count == $2)) || reject "$1" "$count lines match '$3', expected $2"
}

# expect_near NAME FACTOR A B: of the last output's last line, columns A and B (of those between bars; the first number
# in them) are above zero and differ by FACTOR at most.
expect_near() {
    awk -F '|' -v factor="$2" -v a="$(($3 + 1))" -v b="$(($4 + 1))" '
        { x = $a + 0; y = $b + 0 }
        END { exit !(x > 0 && y > 0 && x <= factor * y && y <= factor * x) }
    ' "$work/output" || reject "$1" "columns $3 and $4 of the last line are not within a factor of $2"
}

# MARK: Runs

# llama.cpp writes paths into its files: those that are recorded must not depend on this machine.
cd -- "$work"
hub=$ROOT/Tests/Fixtures/hub
cp -- "$hub/llama3-new.expected.gguf" tiny.gguf
cp -- "$ROOT/Tests/Fixtures/texts/english.txt" "$ROOT/Tests/Fixtures/texts/code.txt" .

# compare_all WITH LLAMA PYTHON: the scripts that compare, with llama.cpp's tools in the folder LLAMA and PyTorch in
# PYTHON; WITH says which these are.
compare_all() {
    local with=$1 llama=$2 other_python=$3 name document before=${#failed[@]}

    name="compare_conversion.py with $with"
    if attempt "$name" "$python" "$scripts/compare_conversion.py" "$nibble" "$llama/llama-quantize" tiny.gguf \
        --runs 1; then
        expect "$name" 1 '^\| q4_0 \|.*\| equal \|$'
    fi
    if attempt "$name" "$python" "$scripts/compare_conversion.py" "$nibble" "$llama/llama-quantize" tiny.gguf \
        --runs 1 --flush; then
        expect "$name" 1 '^\| q4_0, flushed \|.*\| equal \|$'
    fi

    name="compare_perplexity.py with $with"
    if attempt "$name" "$python" "$scripts/compare_perplexity.py" "$nibble" "$llama/llama-perplexity" tiny.gguf \
        english.txt --context 64 --chunks 8 --runs 1; then
        expect "$name" 1 '^\| tiny\.gguf \| 64 \| 512 \|'
        expect_near "$name" 1.01 12 13
    fi

    name="compare_imatrix.py with $with"
    if attempt "$name" "$python" "$scripts/compare_imatrix.py" "$nibble" "$llama/llama-imatrix" \
        "$llama/llama-quantize" tiny.gguf english.txt --chunks 2 --runs 1 --precision f32; then
        expect "$name" 1 '^\| tiny\.gguf \| [1-9][0-9]* \| [1-9][0-9]* \| 0 \|.*\| yes \|$'
    fi

    name="compare_tokens.py with $with"
    if attempt "$name" "$python" "$scripts/compare_tokens.py" tiny.gguf english.txt code.txt \
        --nibble "$nibble" --llama "$llama/llama-tokenize" --hub "$hub/llama3-new" --peers "$other_python"; then
        expect "$name" 4 ' bytes\), (parsed|plain): [1-9][0-9]* tokens, equal; '
        expect "$name" 2 '^  tokenizers: [1-9][0-9]* tokens, equal$'
    fi

    name="compare_qat.py with $with"
    # Q8_0 in the place of the trained file: nearly all of what Q4_0 costs must be recovered.
    rm -rf -- qat
    if attempt "$name" "$nibble" convert tiny.gguf -o trained.gguf --type q8_0 --force --quiet &&
        attempt "$name" "$python" "$scripts/compare_qat.py" --llama-cpp "$llama" --base tiny.gguf \
            --trained trained.gguf --imatrix-text code.txt --text english.txt \
            --context 64 --chunks 8 --imatrix-chunks 2 --folder qat; then
        expect "$name" 4 '^\| (unquantized|rounded to nearest|importance matrix|trained) \|'
        expect "$name" 1 '^\| trained \|.*\| (9[0-9]|100)\.[0-9] % \|$'
        expect "$name" 1 '^step 7 of 7: trained on english\.txt took ' "$work/errors"
    fi

    name="compare_methods.py with $with"
    rm -rf -- methods training evaluation
    mkdir -p -- training evaluation/prose
    cp -- english.txt code.txt training
    for document in 1 2 3 4 5; do
        tail -c "+${document}00" -- english.txt >"evaluation/prose/$document.txt"
    done
    printf 'train: {steps: 2}\nschedule: {warmup_steps: 0}\ncalibration: {sequences: 2}\nevaluation: {chunks: 2}\n' >recipe.yaml
    if attempt "$name" "$python" "$scripts/compare_methods.py" --nibble "$nibble" --llama-cpp "$llama" \
        --base tiny.gguf --recipe recipe.yaml --training training --evaluation evaluation --folder methods \
        --sequences 4 --sequence-length 64 --contexts 64 128 --sample-chunks 8; then
        expect "$name" 8 '^\| (plain|imatrix|calibrated|trained) \|'
        expect "$name" 2 '^\| prose \| 5 \|( [0-9.,]+( \([0-9.]+ to [0-9.]+\))? \|)+$'
        expect "$name" 2 '^\| prose \|( -?[0-9.]+ \(-?[0-9.]+ to -?[0-9.]+\) \|)+( [^|]* \|)+$'
        # Again: what is gone is made, all else serves.
        rm -- methods/plain.gguf methods/made/prose-64.json
        if attempt "$name" "$python" "$scripts/compare_methods.py" --nibble "$nibble" --llama-cpp "$llama" \
            --base tiny.gguf --recipe recipe.yaml --training training --evaluation evaluation --folder methods \
            --sequences 4 --sequence-length 64 --contexts 64 128 --sample-chunks 8; then
            expect "$name" 1 '^plain took ' "$work/errors"
            expect "$name" 1 '^prose, context 64 took ' "$work/errors"
            expect "$name" 0 '^(imatrix|calibrated|trained) took |, context 128|^llama-perplexity' "$work/errors"
        fi
    fi

    name="compare_types.py with $with"
    rm -rf -- types
    if attempt "$name" "$python" "$scripts/compare_types.py" --nibble "$nibble" --llama-cpp "$llama" --base tiny.gguf \
        --training training --evaluation evaluation/prose --folder types --types q4_0 q4_1 int4_32 \
        --sequences 4 --context 64 --chunks 8; then
        expect "$name" 2 '^\| q4_[01] \| [0-9.]+ \|( [0-9.]+ \|){6} -?[0-9.]+ \(-?[0-9.]+ to -?[0-9.]+\) \|$'
        expect "$name" 1 '^\| int4_32 \|  \| [0-9.]+ \|  \| [0-9.]+ \| [0-9.]+ \|  \| [0-9.]+ \| '
        expect "$name" 1 '^Calibrated in [0-9]+ s, all types together\.$'
    fi

    name="compare_training.py with $with"
    if attempt "$name" "$python" "$scripts/compare_training.py" "$nibble" "$other_python" "$hub/gemma3-text" \
        english.txt --runs 1 --steps 3 --warm-up 1 --sequence-length 64 --precision fp32; then
        expect "$name" 1 '^\| gemma3-text \| fp32 \| 64 \| 3 \|'
        expect_near "$name" 2 14 15
    fi

    ((${#failed[@]} > before)) ||
        printf 'With %s: compare_conversion.py, compare_perplexity.py, compare_imatrix.py, compare_tokens.py, compare_qat.py, compare_methods.py, compare_types.py, compare_training.py\n' "$with"
}

# It compares with Jinja2, which the Python has that the scripts get.
if attempt compare_templates.py "$python" "$scripts/compare_templates.py" "$nibble" "$ROOT"/Tests/Fixtures/chat/*.jinja; then
    expect compare_templates.py 1 '^[1-9][0-9]* texts are the same, [0-9]+ are refused by both, 0 differ$'
fi

if attempt widen_checkpoint.py "$python" "$scripts/widen_checkpoint.py" tiny.gguf wide.gguf --width 256 \
    --check "$nibble" english.txt; then
    expect widen_checkpoint.py 1 '^perplexity [0-9.]+, widened [0-9.]+$'
fi

stand_ins "$work/recorded"
if ! $record; then
    # It builds nothing where all tools are.
    if attempt build-llama-tools.sh "$scripts/build-llama-tools.sh" "$work/recorded"; then
        expect build-llama-tools.sh 1 "^$work/recorded/build/bin\$"
    fi
    compare_all "recorded answers" "$work/recorded/build/bin" "$work/recorded/build/bin/python"
fi

if $peers; then
    log "Building llama.cpp's tools, where they are not built ..."
    llama=$("$scripts/build-llama-tools.sh" 2>"$work/errors") || {
        tail -n 20 -- "$work/errors" >&2
        die "build-llama-tools.sh failed"
    }
    if $record; then
        rm -f -- "$scripts"/recorded/*.json "$scripts"/recorded/*.gguf
        PEERS_RECORD=$work/real
        export PEERS_RECORD
        mkdir -- "$PEERS_RECORD"
        ln -s -- "$llama"/* "$PEERS_RECORD"
        # A link to the Python of an environment would not find its packages.
        printf '#!/bin/sh\nexec "%s" "$@"\n' "$peers_python" >"$PEERS_RECORD/python"
        chmod +x -- "$PEERS_RECORD/python"
        compare_all "llama.cpp and PyTorch, recorded now" "$work/recorded/build/bin" "$work/recorded/build/bin/python"
        unset PEERS_RECORD
        # What cannot be replayed is found now, not by the next run.
        compare_all "what was recorded" "$work/recorded/build/bin" "$work/recorded/build/bin/python"
    else
        compare_all "llama.cpp and PyTorch" "$llama" "$peers_python"
    fi

    if attempt qat_pytorch.py "$peers_python" "$scripts/qat_pytorch.py" --model "$hub/gemma3-text" \
        --text english.txt --steps 3 --warm-up 1 --sequence-length 64 --eval-text english.txt \
        --output "$work/hub"; then
        expect qat_pytorch.py 1 'tokens/s \(median of 2 steps\), .* last loss [0-9.]+, perplexity [0-9.]+$'
        if attempt qat_pytorch.py "$nibble" convert "$work/hub" -o "$work/pytorch.gguf" --type q4_0 --quiet; then
            printf 'With PyTorch: qat_pytorch.py, whose weights nibble converts\n'
        fi
    fi
else
    printf 'Left to --peers: a build by build-llama-tools.sh, qat_pytorch.py, and all of these with llama.cpp and PyTorch themselves\n'
fi

if ((${#failed[@]})); then
    printf -v list '%s; ' "${failed[@]}"
    die "failed: ${list%; }"
fi
