#!/usr/bin/env bash
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"

usage() {
    cat <<'END'
Usage: scripts/demo.sh [--model MODEL] [--output FILE]

From nothing to a 4-bit model that runs: sets up, builds nibble, fetches a small
real model, converts it from BF16 to Q4_0, shows what is in the result, and lets
llama.cpp continue "The capital of France is" with it.

  --model MODEL  gemma-3-270m (default) or smollm2-135m
  --output FILE  where to keep the Q4_0 file, ending in .gguf; without it the
                 file is removed at the end
  --help         print this

Environment: NIBBLE_CACHE and NIBBLE, see scripts/setup.sh and
scripts/fetch-model.sh.
END
}

model=gemma-3-270m
output=
while (($#)); do
    case $1 in
        --model)
            (($# >= 2)) || misuse "--model needs a name"
            model=$2
            shift
            ;;
        --output)
            (($# >= 2)) || misuse "--output needs a file"
            output=$2
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) misuse "unknown argument '$1'" ;;
    esac
    shift
done
[[ $model == gemma-3-270m || $model == smollm2-135m ]] || misuse "unknown model '$model'"
[[ -z $output || $output == *.gguf ]] || misuse "--output must end in .gguf"

log "== Setting up"
settings=$("$ROOT/scripts/setup.sh" --python)
python=$(sed -n 's/^python=//p' <<<"$settings")

nibble=${NIBBLE:-$ROOT/.build/release/nibble}
if [[ -z ${NIBBLE:-} ]]; then
    log "== Building"
    (cd -- "$ROOT" && swift build -c release --product nibble) >&2
fi

log "== Fetching $model"
paths=$(NIBBLE=$nibble "$ROOT/scripts/fetch-model.sh" "$model")
bf16=$(sed -n 's/^bf16=//p' <<<"$paths")

if [[ -z $output ]]; then
    folder=$(mktemp -d "${TMPDIR:-/tmp}/nibble-demo.XXXXXX")
    trap 'rm -rf -- "$folder"' EXIT
    output=$folder/$model.q4_0.gguf
fi

log "== Converting $(size_of "$bf16") bytes of BF16 to Q4_0"
"$nibble" convert "$bf16" -o "$output" --type q4_0 --force

log "== What is in it"
"$nibble" inspect "$output"

log "== Running it with llama.cpp"
prompt="The capital of France is"
text=$("$python" "$ROOT/scripts/run_gguf.py" "$output" --prompt "$prompt" --tokens 24)
printf '%s\n' "$prompt$text"
