#!/usr/bin/env python3
"""Answers for a program that is not there with what it printed when it was recorded.

    ln -s program.py llama-quantize; ./llama-quantize ARGUMENT...

The name it is called by is the program's; what that printed is in NAME.json beside this file. Arguments must be those
of a recorded call, paths counting by their last part, scripts as a whole: a script that calls its peer in another way than was recorded
gets an error, not an answer. Files that the program made are made again: GGUF files with their bytes (NAME.FILE beside
this file), others, which nobody reads, empty.

With PEERS_RECORD=FOLDER, FOLDER/NAME is run instead, and what it does is recorded. scripts/smoke-peers.sh does both.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = ".gguf"


def counted(argument):
    """What of an argument counts: the last part of a path, all of a script."""
    return argument if "\n" in argument else os.path.basename(argument)


def calls(name):
    try:
        return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []


def record(name, arguments, key, program):
    def times():
        return {path: os.stat(path).st_mtime_ns for path in arguments if os.path.isfile(path)}

    before = times()
    result = subprocess.run([program, *arguments], capture_output=True, check=False)
    made = [path for path, time in times().items() if before.get(path) != time]
    for path in made:
        if path.endswith(KEPT):
            (HERE / f"{name}.{os.path.basename(path)}").write_bytes(Path(path).read_bytes())
    folders = {os.path.dirname(path) for path in arguments if os.path.isabs(path)}

    def lines(output):
        text = output.decode()
        for folder in sorted(folders, key=len, reverse=True):
            text = text.replace(folder + "/", "")
        return text.split("\n")

    call = {"arguments": key, "status": result.returncode, "files": [os.path.basename(path) for path in made],
            "output": lines(result.stdout), "errors": lines(result.stderr)}
    recorded = [other for other in calls(name) if other["arguments"] != key] + [call]
    recorded.sort(key=lambda call: call["arguments"])
    text = json.dumps(recorded, indent=1, ensure_ascii=False)
    (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return call


def replay(name, arguments, key):
    recorded = calls(name)
    call = next((call for call in recorded if call["arguments"] == key), None)
    if call is None:
        known = "".join(f"\n    {' '.join(call['arguments'])}" for call in recorded)
        sys.exit(f"{name}: not recorded: {' '.join(key)}\nrecorded:{known or ' nothing'}")
    for path in arguments:
        if os.path.basename(path) in call["files"]:
            kept = HERE / f"{name}.{os.path.basename(path)}"
            Path(path).write_bytes(kept.read_bytes() if path.endswith(KEPT) else b"")
    return call


def main():
    name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
    key = [counted(argument) for argument in arguments]
    folder = os.environ.get("PEERS_RECORD")
    call = record(name, arguments, key, os.path.join(folder, name)) if folder else replay(name, arguments, key)
    sys.stdout.write("\n".join(call["output"]))
    sys.stderr.write("\n".join(call["errors"]))
    sys.exit(call["status"])


if __name__ == "__main__":
    main()
