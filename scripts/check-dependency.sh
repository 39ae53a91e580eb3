#!/usr/bin/env bash
# Builds and runs a second package that depends on Nibble by git URL and version, as a user's would.
# usage: check-dependency.sh [--help]
#
# The last commit is cloned, tagged with a version, and named by a file:// URL. Works in a folder of its own
# and removes it.
set -euo pipefail

case ${1:-} in
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    "") ;;
    *) echo "check-dependency.sh: unknown argument '$1'" >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone --quiet "$root" "$work/nibble"
git -C "$work/nibble" tag 9.9.9

# The README's programs, to the letter: each block of Swift that imports Nibble is one.
mkdir -p "$work/user" "$work/place"
awk -v folder="$work/user/Sources" '
    /^```swift$/ { inside = 1; text = ""; next }
    /^```$/ && inside {
        inside = 0
        if (text ~ /^import Nibble\n/) {
            name = folder "/Readme" ++count
            system("mkdir -p " name)
            printf "%s", text > (name "/main.swift")
        }
    }
    inside { text = text $0 "\n" }
' "$root/README.md"
programs=("$work/user/Sources"/Readme*)
[[ ${#programs[@]} == 4 ]] || { echo "check-dependency.sh: README.md has ${#programs[@]} programs, expected 4" >&2; exit 1; }

cat >"$work/user/Package.swift" <<MANIFEST
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "user",
    dependencies: [.package(url: "file://$work/nibble", from: "9.9.9")],
    targets: ["User", "Readme1", "Readme2", "Readme3", "Readme4"].map {
        .executableTarget(name: \$0, dependencies: [.product(name: "Nibble", package: "nibble")])
    },
    swiftLanguageModes: [.v6]
)
MANIFEST

mkdir -p "$work/user/Sources/User"
cat >"$work/user/Sources/User/main.swift" <<'PROGRAM'
import Nibble

/// Encodes 64 weights as Q4_0 and decodes them: the bytes taken and the largest error.
func roundTrip() throws -> (bytes: Int, error: Float) {
    let weights = (0..<64).map { Float($0 % 17) - 8 }
    let codec = Q4_0()
    var encoded = [UInt8](repeating: 0, count: codec.byteCount(columns: 64) ?? 0)
    var span = encoded.mutableSpan
    var bytes = span.mutableBytes
    try codec.encode(weights.span, columns: 64, into: &bytes)
    var decoded = [Float](repeating: 0, count: 64)
    var floats = decoded.mutableSpan
    codec.decode(encoded.span.bytes, columns: 64, into: &floats)
    return (encoded.count, zip(weights, decoded).map { abs($0 - $1) }.max() ?? 0)
}

let result = try roundTrip()
print("Nibble \(NibbleVersion.current): 64 weights in \(result.bytes) bytes, largest error \(result.error)")
precondition(result.bytes == 36 && result.error <= 1, "the codec is wrong")
PROGRAM

cd "$work/user"
# A debug build, which takes half as long: nothing is measured here.
swift build --quiet
products=$(swift build --show-bin-path)

# What the README's programs name: a tiny model whose vocabulary has letters, so that any text will do.
cd "$work/place"
ln -s "$root/Tests/Fixtures/hub/llama2-spm" gemma-3-270m
cp "$root/README.md" wiki.test.raw
cat "$root/README.md" "$root"/docs/design/*.md >wiki.train.txt
"$products/User"
"$products/Readme1"
"$products/Readme2" | tail -n 1
"$products/Readme3" | tail -n 1
"$products/Readme4" >numbers.txt
# The last console block of the README is what the last program prints.
awk '/^```console$/ { inside = 1; text = ""; next } /^```$/ { inside = 0 } inside { text = text $0 "\n" }
    END { printf "%s", text }' "$root/README.md" | diff - numbers.txt
echo "the README's programs print what it says"
