# shellcheck shell=bash
# Evaluation texts of many kinds and a mixture to train on. Source it after
# packages.sh.

# fetch_set evaluation|mixture FOLDER: FOLDER/evaluation or FOLDER/mixture, whole
# or not at all, and its place on stdout.
fetch_set() {
    local set=$1 folder=$2
    mkdir -p -- "$folder"
    folder=$(cd -- "$folder" && pwd)
    lock "$folder/.fetch-sets.lock"
    # The mixture leaves out what the evaluation texts hold.
    make_set evaluation "$folder"
    [[ $set == evaluation ]] || make_set mixture "$folder" "$folder/evaluation"
    log "What it was made of, and the licences: $folder/$set.md"
    printf '%s=%s\n' "$set" "$folder/$set"
}

# make_set SET FOLDER ARGUMENT...: nothing where FOLDER/SET is there.
make_set() {
    local set=$1 folder=$2 make=$ROOT/scripts/lib/make_texts.py
    local unpacked=$folder/.unpacked names
    shift 2
    [[ ! -d $folder/$set ]] || return 0
    names=$(python3 "$make" packages "$set") || die "$make failed."
    # shellcheck disable=SC2086 # a name a word
    unpack_packages "$unpacked" "name texts of your own" $names
    if [[ $set == evaluation && ! -d $unpacked/brotli ]]; then
        log "Downloading the source of brotli"
        rm -rf -- "$unpacked/.brotli"
        python3 "$ROOT/scripts/lib/fetch_sdist.py" brotli "$unpacked/.brotli" || die "brotli could not be downloaded."
        mv -- "$unpacked/.brotli" "$unpacked/brotli"
    fi
    log "Making the texts"
    rm -rf -- "$folder/.$set"
    python3 "$make" "$set" "$unpacked" "$folder/.$set" "$@" >"$folder/$set.md" || die "the texts could not be made."
    mv -- "$folder/.$set" "$folder/$set"
    rm -rf -- "$unpacked"
}
