#!/usr/bin/env bash
# Builds llama.cpp's command-line tools from the source that the PyPI package llama-cpp-python carries, for
# this machine's processor, and prints the folder they are in: llama-quantize, llama-imatrix,
# llama-perplexity, llama-tokenize.
# usage: build-llama-tools.sh [FOLDER]     (default: the cache folder of the other scripts)
set -euo pipefail

version=0.3.36
folder=${1:-${NIBBLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nibble}/llama.cpp}
binaries=$folder/build/bin
tools=(llama-quantize llama-imatrix llama-perplexity llama-tokenize)

complete=true
for tool in "${tools[@]}"; do
    [ -x "$binaries/$tool" ] || complete=false
done
if ! $complete; then
    for tool in cmake c++ python3; do
        command -v "$tool" >/dev/null || { echo "$tool is needed: apt-get install cmake g++ python3" >&2; exit 1; }
    done
    mkdir -p "$folder"
    archive=$folder/llama_cpp_python-$version.tar.gz
    [ -f "$archive" ] || python3 -m pip download --quiet --no-deps --no-binary :all: \
        -d "$folder" "llama-cpp-python==$version" >&2
    tar -xf "$archive" -C "$folder"
    cmake -S "$folder/llama_cpp_python-$version/vendor/llama.cpp" -B "$folder/build" \
        -DCMAKE_BUILD_TYPE=Release -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
        -DLLAMA_BUILD_SERVER=OFF -DBUILD_SHARED_LIBS=OFF >&2
    cmake --build "$folder/build" --target "${tools[@]}" -j "$(nproc)" >&2
fi
echo "$binaries"
