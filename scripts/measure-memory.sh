#!/usr/bin/env bash
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/measure-memory.sh [--output FILE] [--disk FOLDER] [--limit SIZE] [--] COMMAND [ARGUMENT]...

Runs COMMAND and reads /proc/PID/status every 10 ms. At the end prints, on
stderr or to FILE:

  anonymous_peak_kib  most anonymous resident memory (RssAnon): what the
                      program allocated. Pages of mapped files are not in it.
  file_peak_kib       most resident pages of mapped files (RssFile). The kernel
                      takes these back whenever it needs memory.
  resident_peak_kib   most of everything at one moment (VmHWM), as counted by
                      the kernel itself
  disk_peak_kib       with --disk: most space that files in FOLDER took, read
                      every second. FOLDER need not exist yet.
  samples             how often it looked
  wall_seconds        how long COMMAND ran
  status              its exit status, which is also this script's

--limit SIZE (as 6G) holds COMMAND and its pages of files to SIZE: it runs in a
control group of its own, which takes root. At the end also prints

  group_peak_kib      most memory that the group held, pages of files included;
                      the kernel takes these back when the limit is reached

Only the process itself is measured, not its children. Linux only.
END
}

output=
folder=
limit=
while (($#)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --output | --disk | --limit)
            (($# >= 2)) || {
                printf 'measure-memory.sh: %s needs a value\n' "$1" >&2
                exit 64
            }
            case $1 in
                --output) output=$2 ;;
                --disk) folder=$2 ;;
                --limit) limit=$2 ;;
            esac
            shift 2
            ;;
        --)
            shift
            break
            ;;
        -*)
            printf "measure-memory.sh: unknown option '%s'\n" "$1" >&2
            exit 64
            ;;
        *) break ;;
    esac
done
if (($# == 0)); then
    usage >&2
    exit 64
fi
if [[ ! -r /proc/self/status ]]; then
    printf 'measure-memory.sh: there is no /proc here\n' >&2
    exit 69
fi
# The program itself, also where the shell has a builtin of that name.
if ! program=$(type -P -- "$1"); then
    printf "measure-memory.sh: '%s' is not a program\n" "$1" >&2
    exit 127
fi
shift
# With --limit the control group that COMMAND runs in, of version 1 or 2.
group=
if [[ -n $limit ]]; then
    if [[ -d /sys/fs/cgroup/memory ]]; then
        group=/sys/fs/cgroup/memory/measure-memory.$$
        group_limit=memory.limit_in_bytes
        group_peak=memory.max_usage_in_bytes
    else
        group=/sys/fs/cgroup/measure-memory.$$
        group_limit=memory.max
        group_peak=memory.peak
    fi
    if ! mkdir "$group" 2>/dev/null; then
        printf 'measure-memory.sh: no control group can be made at %s; --limit takes root\n' "$group" >&2
        exit 77
    fi
    trap 'rmdir "$group" 2>/dev/null || true' EXIT
    if [[ ! -e $group/$group_limit ]]; then
        printf 'measure-memory.sh: %s has no memory controller; --limit needs one\n' "$group" >&2
        exit 69
    fi
    if ! printf '%s\n' "$limit" 2>/dev/null >"$group/$group_limit"; then
        printf "measure-memory.sh: a control group cannot be held to '%s'; give a size as 6G\n" "$limit" >&2
        exit 64
    fi
fi
# Opened first: a report that cannot be written should fail before the work.
if [[ -n $output ]]; then
    exec {report}>"$output"
else
    exec {report}>&2
fi

anonymous=0
file=0
resident=0
disk=0
samples=0

# sample PID: false once the process has ended. While it changes from the shell
# into the program it has no memory for a moment, which is no end. No process is
# started for this, so that looking costs the command next to nothing.
sample() {
    local key value alive=false
    while read -r key value _; do
        case $key in
            State:) [[ $value == [ZX] ]] || alive=true ;;
            RssAnon:) ((value <= anonymous)) || anonymous=$value ;;
            RssFile:) ((value <= file)) || file=$value ;;
            VmHWM:) ((value <= resident)) || resident=$value ;;
        esac
    done 2>/dev/null <"/proc/$1/status" || true
    $alive
}

# sample_disk: files may go while du looks, which is no fault of the command.
sample_disk() {
    local used
    read -r used _ < <(du -s --block-size=1K -- "$folder" 2>/dev/null) || return 0
    ((used <= disk)) || disk=$used
}

start=${EPOCHREALTIME/[^0-9]/}
# Background commands would otherwise read from /dev/null.
(
    [[ -z $group ]] || printf '%s\n' "$BASHPID" >"$group/cgroup.procs"
    exec "$program" "$@"
) <&0 {report}>&- &
pid=$!
trap 'kill -TERM "$pid" 2>/dev/null || true' INT TERM

# A pipe that never holds anything: reading it with a timeout is a sleep
# without a process.
exec {silence}<> <(:)
while sample "$pid"; do
    samples=$((samples + 1))
    [[ -z $folder ]] || ((samples % 100)) || sample_disk
    read -r -t 0.01 -u "$silence" || true
done 2>/dev/null

status=0
wait "$pid" || status=$?
elapsed=$((${EPOCHREALTIME/[^0-9]/} - start))

{
    printf 'anonymous_peak_kib=%d\n' "$anonymous"
    printf 'file_peak_kib=%d\n' "$file"
    printf 'resident_peak_kib=%d\n' "$resident"
    [[ -z $folder ]] || printf 'disk_peak_kib=%d\n' "$disk"
    [[ -z $group ]] || printf 'group_peak_kib=%d\n' $(($(<"$group/$group_peak") / 1024))
    printf 'samples=%d\n' "$samples"
    printf 'wall_seconds=%d.%03d\n' $((elapsed / 1000000)) $((elapsed / 1000 % 1000))
    printf 'status=%d\n' "$status"
} >&"$report"
exit "$status"
