"""Runs a command and tells what it took."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time


def tools_in(folder, names):
    """The programs of a folder that Benchmarks/peers/build-llama-tools.sh makes; ends where one is not there."""
    tools = [folder / name for name in names]
    for tool in tools:
        if not shutil.which(tool):
            sys.exit(f"{tool}: not there; Benchmarks/peers/build-llama-tools.sh builds it")
    return tools


class Progress:
    """Says on standard error for how long something has been running: in the last line of a terminal, or once a minute."""

    INTERVAL = 60  # seconds between two lines, where there is no terminal whose last line could be written anew

    def __init__(self, label):
        self.label, self.shown = label, 0.0
        self.terminal = sys.stderr.isatty()

    def say(self, text, last=True):
        start, end = ("\r\033[K", "\n" if last else "") if self.terminal else ("", "\n")
        if self.terminal and not last:  # a line that goes on in the next row could not be written anew
            text = text[:shutil.get_terminal_size().columns - 1]
        print(f"{start}{self.label}{text}", end=end, file=sys.stderr, flush=True)

    def begin(self, text=""):
        self.shown = 0.0
        self.say(text, last=False)

    def tick(self, seconds):
        if self.terminal or seconds - self.shown >= self.INTERVAL:
            self.shown = seconds
            self.say(f", {seconds:.0f} s so far", last=False)

    def end(self, seconds):
        self.say(f" took {seconds:.0f} s")


def run(command, tick=None):
    """Runs a command; returns its standard output, both outputs, seconds and peak resident bytes.

    With `tick`, calls it with the seconds gone by, once a second while the command runs. What is timed goes without:
    its end is then noticed up to a second late.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        finished, status, usage = os.wait4(process.pid, os.WNOHANG if tick else 0)
        while not finished:
            time.sleep(min(1, max(0.01, time.monotonic() - start)))
            tick(time.monotonic() - start)
            finished, status, usage = os.wait4(process.pid, os.WNOHANG)
        elapsed = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        out, err = (file.read().decode(errors="replace") for file in (output, errors))
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{out}\n{err}")
    return out, out + "\n" + err, elapsed, usage.ru_maxrss * 1024


def run_until(patterns, command, tick=None, again=lambda: None):
    """Runs a command until its outputs have a line for each pattern: llama.cpp may exit before its log is written.

    Returns the matches, seconds and peak resident bytes. Calls `again` before each further run; there are ten runs at
    most, and none after half an hour.
    """
    start = time.monotonic()
    for attempt in range(10):
        if attempt:
            again()
        _, output, elapsed, resident = run(command, tick)
        matches = [re.search(pattern, output, re.M) for pattern in patterns]
        if all(matches):
            return matches, elapsed, resident
        if time.monotonic() - start > 1800:
            break
    sys.exit(f"{' '.join(command)} did not print what it should have measured:\n{output}")
