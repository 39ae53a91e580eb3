#!/usr/bin/env bash
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"

usage() {
    cat <<'END'
Usage: scripts/setup.sh [--python] [--peers] [--report]

Installs what building and testing Nibble need, and nothing that is there
already. Debian and Ubuntu packages are installed with apt-get, through sudo
when not root. Swift is only checked: 6.2 or newer must be on PATH.

  --python   also make a Python environment with gguf, huggingface_hub, jinja2,
             libgguf, numpy, safetensors, tensorboard and xllamacpp
             (scripts/requirements.txt), and print its interpreter on stdout as
             python=PATH
  --peers    also make one with PyTorch and transformers
             (scripts/requirements-peers.txt), printed as peers_python=PATH;
             large: PyTorch brings its CUDA libraries unless
             PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu is set.
             On Debian and Ubuntu also install what torch.compile and the
             build of llama.cpp's tools need: cmake, g++, Python's headers
  --report   also install Chromium (Debian's chromium and chromium-driver) and
             make an environment with what opens pages in it
             (scripts/requirements-report.txt), printed as report_python=PATH
  --help     print this

Environment:
  NIBBLE_CACHE        where environments and models live; by default
                      ${XDG_CACHE_HOME:-$HOME/.cache}/nibble
  NIBBLE_BASE_PYTHON  the Python (3.11 to 3.13) to make environments with; by
                      default the first usable one on PATH
END
}

with_python=false
with_peers=false
with_report=false
while (($#)); do
    case $1 in
        --python) with_python=true ;;
        --peers) with_peers=true ;;
        --report) with_report=true ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) misuse "unknown argument '$1'" ;;
    esac
    shift
done

# MARK: System packages

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

is_installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

apt_updated=false

# update_packages: once, and only where something is to be installed.
update_packages() {
    $apt_updated && return 0
    run_apt update || log "apt-get update failed; trying with the package lists at hand."
    apt_updated=true
}

# install_packages NAME...: those that are missing.
install_packages() {
    local package missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    log "Installing: ${missing[*]}"
    update_packages
    run_apt install -y --no-install-recommends "${missing[@]}"
}

if is_debian; then
    # libgomp1 is what llama.cpp's Python package expects the system to have.
    install_packages ca-certificates git libcurl4 libgomp1 libopenblas-dev pkg-config
else
    missing=()
    command -v git >/dev/null || missing+=(git)
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    if [[ $(uname -s) != Darwin ]] && ! pkg-config --exists openblas 2>/dev/null; then
        missing+=("OpenBLAS with its headers")
    fi
    ((${#missing[@]} == 0)) ||
        die "this is not Debian or Ubuntu. Please install, with your system's package manager: $(printf '%s; ' "${missing[@]}")then run this again."
fi

# MARK: Swift

needed_major=6
needed_minor=2
swift_advice="Get Swift $needed_major.$needed_minor or newer from https://www.swift.org/install/ and put it on PATH."

command -v swift >/dev/null || die "Swift was not found. $swift_advice"
swift_text=$(swift --version 2>&1) || die "'swift --version' failed: $swift_text"
if [[ ! $swift_text =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]]; then
    die "cannot tell the version of Swift from: $swift_text"
fi
major=${BASH_REMATCH[1]}
minor=${BASH_REMATCH[2]}
if ((major < needed_major || (major == needed_major && minor < needed_minor))); then
    die "Swift $major.$minor is too old. $swift_advice"
fi

# MARK: Python

# is_usable_python COMMAND: a version that every pinned package has a wheel
# for, able to make environments (Debian splits that off).
is_usable_python() {
    "$1" -c '
import sys, venv, ensurepip
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${NIBBLE_BASE_PYTHON:+"$NIBBLE_BASE_PYTHON"} \
        python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if is_usable_python "$candidate"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# require_python: sets base_python, installing one where apt-get can.
require_python() {
    base_python=$(find_python) && return 0
    if is_debian; then
        install_packages python3 python3-venv python3-pip
        base_python=$(find_python) && return 0
        # The system's own Python is too old or too new: take another it has.
        local version
        update_packages
        for version in 3.13 3.12 3.11; do
            if apt-cache show "python$version-venv" >/dev/null 2>&1; then
                install_packages "python$version" "python$version-venv"
                base_python=$(find_python) && return 0
            fi
        done
    fi
    die "no Python 3.11, 3.12 or 3.13 that can make virtual environments. Install one, or name it in NIBBLE_BASE_PYTHON."
}

# is_current FOLDER WANTED MODULES: the environment is the one described, and runs.
is_current() {
    [[ -f $1/nibble-stamp && $(<"$1/nibble-stamp") == "$2" ]] &&
        "$1/bin/python" -c "import ${3%%,*}" >/dev/null 2>&1
}

# make_environment FOLDER REQUIREMENTS MODULES: does nothing when it is right
# already. MODULES, with commas between, must import in a new one.
make_environment() {
    local folder=$1 requirements=$2 modules=$3 wanted
    # Another name for the interpreter is no reason to start over; another
    # list of packages is.
    wanted=$(sha256_of "$requirements")
    if is_current "$folder" "$wanted" "$modules"; then
        return 0
    fi
    require_python
    if [[ -e $folder && ! -f $folder/pyvenv.cfg ]]; then
        # Only ever delete what python -m venv made.
        rmdir -- "$folder" 2>/dev/null || die "$folder is in the way: it is not a virtual environment."
    fi
    rm -rf -- "$folder"
    log "Making a Python environment in $folder with $("$base_python" --version 2>&1)"
    "$base_python" -m venv "$folder" >&2
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 \
        --only-binary :all: --requirement "$requirements" >&2 ||
        die "the packages of $requirements could not be installed."
    "$folder/bin/python" -c "import $modules" >&2 ||
        die "the new environment in $folder does not work."
    printf '%s\n' "$wanted" >"$folder/nibble-stamp"
}

# install_compilers PYTHON: what Benchmarks/peers compiles with, there and in
# torch.compile, which needs the headers of PYTHON.
install_compilers() {
    local settings version
    command -v cmake >/dev/null || install_packages cmake make
    command -v c++ >/dev/null || install_packages g++
    settings=$("$1" -c '
import os, sys, sysconfig
print("%d.%d" % sys.version_info[:2], os.path.isfile(os.path.join(sysconfig.get_paths()["include"], "Python.h")))
')
    version=${settings% *}
    [[ $settings == *" True" ]] || install_packages "python$version-dev"
}

if $with_python || $with_peers || $with_report; then
    mkdir -p -- "$NIBBLE_CACHE"
    lock "$NIBBLE_CACHE/setup.lock"
fi
if $with_python; then
    make_environment "$NIBBLE_CACHE/venv" "$ROOT/scripts/requirements.txt" "gguf, huggingface_hub, libgguf, numpy, safetensors, tensorboard, xllamacpp"
    printf 'python=%s\n' "$NIBBLE_CACHE/venv/bin/python"
fi
if $with_peers; then
    make_environment "$NIBBLE_CACHE/venv-peers" "$ROOT/scripts/requirements-peers.txt" "gguf, torch, transformers"
    ! is_debian || install_compilers "$NIBBLE_CACHE/venv-peers/bin/python"
    printf 'peers_python=%s\n' "$NIBBLE_CACHE/venv-peers/bin/python"
fi
if $with_report; then
    if is_debian; then
        install_packages chromium chromium-driver
    elif ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
        die "chromium and chromedriver are needed. Install them with your system's package manager."
    fi
    make_environment "$NIBBLE_CACHE/venv-report" "$ROOT/scripts/requirements-report.txt" "selenium, axe_selenium_python"
    printf 'report_python=%s\n' "$NIBBLE_CACHE/venv-report/bin/python"
fi

log "Ready: Swift $major.$minor$($with_python && printf ', Python packages')$($with_peers && printf ', peers')$($with_report && printf ', Chromium')."
