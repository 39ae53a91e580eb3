"""Runs a command and tells what it took."""

import os
import subprocess
import sys
import tempfile
import time


def run(command):
    """Runs a command; returns its standard output, both outputs, seconds and peak resident bytes."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        out, err = output.read().decode(), errors.read().decode()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{err}")
    return out, out + "\n" + err, elapsed, usage.ru_maxrss * 1024
