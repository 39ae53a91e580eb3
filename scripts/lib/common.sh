# shellcheck shell=bash
# What the scripts share. Source it after setting ROOT to the repository root.
#
# NIBBLE_CACHE is where virtual environments and models are kept, outside the
# repository so that several checkouts share them.

if [[ -z ${NIBBLE_CACHE:-} ]]; then
    if [[ -n ${XDG_CACHE_HOME:-} ]]; then
        NIBBLE_CACHE=$XDG_CACHE_HOME/nibble
    elif [[ -n ${HOME:-} ]]; then
        NIBBLE_CACHE=$HOME/.cache/nibble
    else
        NIBBLE_CACHE=${ROOT:?}/.cache
    fi
fi
# A relative folder must mean the same one after a cd.
[[ $NIBBLE_CACHE == /* ]] || NIBBLE_CACHE=$PWD/$NIBBLE_CACHE
export NIBBLE_CACHE

# Progress goes to stderr: stdout is for what other programs read.
log() { printf '%s\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Wrong use of the command line.
misuse() {
    printf '%s: %s (see %s --help)\n' "${0##*/}" "$*" "${0##*/}" >&2
    exit 64
}

# value_of NAME: the value of the line NAME=VALUE on standard input.
value_of() { sed -n "s/^$1=//p"; }

# sha256_of FILE: the digest alone.
sha256_of() {
    local line
    if command -v sha256sum >/dev/null; then
        line=$(sha256sum <"$1")
    else
        line=$(shasum -a 256 <"$1")
    fi
    printf '%s\n' "${line%% *}"
}

# size_of FILE: in bytes, also on systems without GNU stat.
size_of() {
    local bytes
    bytes=$(wc -c <"$1")
    printf '%s\n' "$((bytes))"
}

# lock FILE: waits until no other script of ours holds FILE; released at exit.
lock() {
    command -v flock >/dev/null || return 0
    exec {lock_descriptor}>"$1"
    if ! flock -n "$lock_descriptor"; then
        log "Waiting for another run that holds $1 ..."
        flock "$lock_descriptor"
    fi
}

# run_apt ARGUMENT...: apt-get as root, asking nothing.
run_apt() {
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "apt-get needs root: run as root, or install sudo."
        as_root=(sudo)
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 "$@" >&2
}
