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
mkdir -p "$work/user/Sources/User"

cat >"$work/user/Package.swift" <<MANIFEST
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "user",
    dependencies: [.package(url: "file://$work/nibble", from: "9.9.9")],
    targets: [.executableTarget(name: "User", dependencies: [.product(name: "Nibble", package: "nibble")])],
    swiftLanguageModes: [.v6]
)
MANIFEST

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

/// The README's sample, with paths from the command line.
func convertAndCompare(_ source: String, _ output: String, _ text: String) throws {
    let conversion = ConversionRequest(
        input: source, output: output, plan: QuantizationPlan(.q4_0), threads: 2)
    let summary = try Converter(conversion).run()
    print(summary.outputBytes)

    let evaluator = try Evaluator(
        EvaluationRequest(models: [source, output], texts: [text], threads: 2))
    let evaluation = try evaluator.run()
    print(evaluation.pooled(model: 1).perplexity, evaluation.divergence(model: 1).meanDivergence)
}

let result = try roundTrip()
print("Nibble \(NibbleVersion.current): 64 weights in \(result.bytes) bytes, largest error \(result.error)")
precondition(result.bytes == 36 && result.error <= 1, "the codec is wrong")
let arguments = CommandLine.arguments
try convertAndCompare(arguments[1], arguments[2], arguments[3])
PROGRAM

cd "$work/user"
# The tiny model's vocabulary has letters, so that any text will do.
swift run -c release --quiet User "$root/Tests/Fixtures/hub/llama2-spm" "$work/model.gguf" "$root/README.md"
