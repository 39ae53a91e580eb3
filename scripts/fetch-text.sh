#!/usr/bin/env bash
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/packages.sh
source "$ROOT/scripts/lib/packages.sh"

usage() {
    cat <<'END_OF_USAGE'
Usage: scripts/fetch-text.sh [FOLDER] [--training | --evaluation | --mixture]
       scripts/fetch-text.sh --text FILE

Brings a text to measure perplexity on: 219 kB, some 48,000 tokens, of English
prose from The Debian Administrator's Handbook, as plain UTF-8. It is made of
the package debian-handbook, which apt-get downloads and nothing installs; on
systems without apt-get, name a text of your own with --text.

What is in FOLDER already is not fetched again. Prints on stdout text=PATH,
sha256=DIGEST and licence=NAME; progress goes to stderr. Another version of the
package gives another text and thus another digest.

  --training    another text, to train on: the paragraphs of the Debian Reference,
                from the package debian-reference-en
  --evaluation  evaluation texts of eleven kinds, from handbook to verse, each of
                some 40 to 60 thousand tokens: FOLDER/evaluation/KIND/DOCUMENT.txt.
                Prints evaluation=PATH. 110 MB are downloaded
  --mixture     text to calibrate and train on, of other packages: 30 MB,
                FOLDER/mixture/PACKAGE.txt. No 13 words in a row of it are in any
                evaluation text. Prints mixture=PATH. 170 MB are downloaded
  --text FILE   use this file instead; only its path and digest are printed
  --help        print this

What the texts of --evaluation and --mixture were made of, and under which
licences they are, is in FOLDER/evaluation.md and FOLDER/mixture.md.

Environment:
  NIBBLE_CACHE  FOLDER is $NIBBLE_CACHE/texts by default; NIBBLE_CACHE itself
                is ${XDG_CACHE_HOME:-$HOME/.cache}/nibble by default
END_OF_USAGE
}

package=debian-handbook
pages=usr/share/doc/debian-handbook/html/en-US
bytes=200000
licence="GPL-2.0-or-later or CC-BY-SA-3.0"

folder=
own=
training=false
set=
while (($#)); do
    case $1 in
        --text)
            (($# >= 2)) || misuse "--text needs a file"
            own=$2
            shift
            ;;
        --training) training=true ;;
        --evaluation | --mixture)
            [[ -z $set ]] || misuse "--evaluation and --mixture are two runs"
            set=${1#--}
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        -*) misuse "unknown option '$1'" ;;
        *)
            [[ -z $folder ]] || misuse "unexpected argument '$1'"
            folder=$1
            ;;
    esac
    shift
done

if [[ -n $own ]]; then
    [[ -z $folder ]] || misuse "--text uses a file where it is: leave out '$folder'"
    [[ -f $own && -r $own ]] || die "$own is not a file that can be read."
    own=$(cd -- "$(dirname -- "$own")" && pwd)/$(basename -- "$own")
    printf 'text=%s\n' "$own"
    printf 'sha256=%s\n' "$(sha256_of "$own")"
    exit 0
fi

if [[ -n $set ]]; then
    $training && misuse "--$set and --training are two runs"
    # shellcheck source=scripts/lib/text_sets.sh
    source "$ROOT/scripts/lib/text_sets.sh"
    fetch_set "$set" "${folder:-$NIBBLE_CACHE/texts}"
    exit 0
fi

title="The Debian Administrator's Handbook"
if $training; then
    package=debian-reference-en
    licence="GPL-2.0-or-later"
    title="The Debian Reference"
fi

folder=${folder:-$NIBBLE_CACHE/texts}
mkdir -p -- "$folder"
folder=$(cd -- "$folder" && pwd)
text=$folder/$package.txt
copyright=$folder/$package.copyright
lock "$folder/.fetch-$package.lock"

# MARK: The package

# extract: prints the text of the unpacked package.
extract() {
    if $training; then
        # Paragraphs, a line each; tables and drawings are left out.
        gzip --decompress --stdout "$download/content/$package/usr/share/debian-reference/debian-reference.en.txt.gz" |
            sed 's/\xc2\xa0/ /g' | awk 'BEGIN { RS = ""; ORS = "\n\n" } !/[|]/ { gsub(/[ \t\n]+/, " "); if (length($0) > 80) print }'
    else
        python3 "$ROOT/scripts/lib/handbook_text.py" "$download/content/$package/$pages" "$bytes"
    fi
}

fetch() {
    download=$(mktemp -d -- "$folder/.download-$package.XXXXXX")
    trap 'rm -rf -- "$download"' EXIT
    unpack_packages "$download/content" "name a text of your own with --text FILE" "$package"
    extract >"$download/text" || die "the text could not be extracted."
    cp -- "$download/content/$package/usr/share/doc/$package/copyright" "$download/copyright"
    # Same file system: each file appears whole or not at all.
    mv -f -- "$download/copyright" "$copyright"
    mv -f -- "$download/text" "$text"
    rm -rf -- "$download"
    trap - EXIT
}

[[ -s $text && -s $copyright ]] || fetch

log "$title is under $licence: $copyright"
printf 'text=%s\n' "$text"
printf 'sha256=%s\n' "$(sha256_of "$text")"
printf 'licence=%s\n' "$licence"
