#!/usr/bin/env bash
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
source "$ROOT/scripts/lib/common.sh"

usage() {
    cat <<'END'
Usage: scripts/make-event-proto.sh

Makes Sources/NibbleTraining/RunFolder/Proto/event.pb.swift from event.proto
beside it. Needed only after a change of event.proto, or for another version of
swift-protobuf. Wants protoc (Debian: protobuf-compiler) on PATH; the plugin is
built from the swift-protobuf that Package.swift resolves to, in a copy of it.
END
}

while (($#)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        *) misuse "unknown argument '$1'" ;;
    esac
done

command -v protoc >/dev/null || die "protoc was not found. On Debian: apt-get install protobuf-compiler"

cd -- "$ROOT"
swift package resolve >&2
work=$(mktemp -d "${TMPDIR:-/tmp}/nibble-proto.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
cp -R .build/checkouts/swift-protobuf "$work/plugin"
swift build --package-path "$work/plugin" -c release --product protoc-gen-swift >&2

folder=Sources/NibbleTraining/RunFolder/Proto
protoc --plugin="$work/plugin/.build/release/protoc-gen-swift" \
    --swift_opt=Visibility=Internal --swift_opt=UseAccessLevelOnImports=true \
    --swift_out="$work" --proto_path="$folder" event.proto
{
    printf '// Made by scripts/make-event-proto.sh from event.proto. Do not edit.\n'
    cat "$work/event.pb.swift"
} >"$work/event.swift"
mv -- "$work/event.swift" "$folder/event.pb.swift"
log "Wrote $folder/event.pb.swift"
