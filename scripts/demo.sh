#!/usr/bin/env bash
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"

usage() {
    cat <<'END'
Usage: scripts/demo.sh [--model MODEL] [--output FILE] [--text FILE] [--steps N]

From nothing to a 4-bit model that runs, and what the 4 bits cost: sets up,
builds nibble, fetches a small real model, converts it from BF16 to Q4_0, lets
llama.cpp continue "The capital of France is" with the result, trains the model
for some minutes so that it loses less, and compares all three on a text that
was not trained on.

  --model MODEL  gemma-3-270m (default) or smollm2-135m
  --output FILE  where to keep the Q4_0 file, ending in .gguf, and beside it
                 the trained one, -qat.gguf; without it both are removed
  --text FILE    what to compare on; without it, a part of The Debian
                 Administrator's Handbook (scripts/fetch-text.sh)
  --steps N      steps of training; by default 25, 3 to 6 minutes on 2 cores
  --help         print this

Environment: NIBBLE_CACHE and NIBBLE, see scripts/setup.sh and
scripts/fetch-model.sh.
END
}

model=gemma-3-270m
output=
text_options=()
steps=25
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
        --text)
            (($# >= 2)) || misuse "--text needs a file"
            [[ -f $2 ]] || misuse "there is no file '$2'"
            text_options=(--text "$2")
            shift
            ;;
        --steps)
            (($# >= 2)) || misuse "--steps needs a number"
            steps=$2
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
python=$(value_of python <<<"$settings")

nibble=${NIBBLE:-$ROOT/.build/release/nibble}
if [[ -z ${NIBBLE:-} ]]; then
    log "== Building"
    (cd -- "$ROOT" && swift build -c release --product nibble) >&2
fi

log "== Fetching $model"
paths=$(NIBBLE=$nibble "$ROOT/scripts/fetch-model.sh" "$model")
# The weights that are published are quantized already. Drawn within their quantization cells they are the nearest thing
# to unquantized ones, which is what training starts from and is measured against.
bf16=$(value_of dithered <<<"$paths")

log "== Fetching texts"
paths=$("$ROOT/scripts/fetch-text.sh" "${text_options[@]}")
text=$(value_of text <<<"$paths")
paths=$("$ROOT/scripts/fetch-text.sh" --training)
training=$(value_of text <<<"$paths")

folder=$(mktemp -d "${TMPDIR:-/tmp}/nibble-demo.XXXXXX")
trap 'rm -rf -- "$folder"' EXIT
output=${output:-$folder/$model.q4_0.gguf}
trained=${output%.gguf}-qat.gguf

log "== Converting $(size_of "$bf16") bytes of BF16 to Q4_0"
"$nibble" convert "$bf16" -o "$output" --type q4_0 --force

log "== What is in it"
"$nibble" inspect "$output"

log "== Running it with llama.cpp"
prompt="The capital of France is"
continuation=$("$python" "$ROOT/scripts/run_gguf.py" "$output" --prompt "$prompt" --tokens 24)
printf '%s\n' "$prompt$continuation"

log "== Training toward the probabilities of the unquantized model, $steps steps"
"$nibble" qat "$bf16" --text "$training" --output "$folder/run" --export "$trained" --steps "$steps" --set evaluation.chunks=8 \
    --recipe "$ROOT/Recipes/$model.yaml" --set calibration.sequences=64 --force

log "== What the 4 bits cost, before and after"
"$nibble" compare "$bf16" "$output" "$trained" --text "$text" --chunks 16
