#!/usr/bin/env python3
"""Unpacks a source distribution of PyPI whose digest is known.

usage: fetch_sdist.py PACKAGE FOLDER

PACKAGE is one of text_sources.SDISTS; FOLDER is made, and holds what the archive holds. The index is $PIP_INDEX_URL,
https://pypi.org/simple where that is not set. Nothing of the package is run, as pip would to learn what it depends on.
"""

import hashlib
import io
import os
import re
import sys
import tarfile
import urllib.parse
import urllib.request

from text_sources import SDISTS


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in SDISTS:
        sys.exit(__doc__)
    package, folder = sys.argv[1:]
    file, digest = SDISTS[package]
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + f"/{package}/"
    with urllib.request.urlopen(index, timeout=60) as page:
        links = re.findall(r'href="([^"]+)"[^>]*>\s*([^<\s]+)\s*<', page.read().decode())
    address = next((address for address, name in links if name == file), None)
    if address is None:
        sys.exit(f"{index} has no {file}")
    with urllib.request.urlopen(urllib.parse.urljoin(index, address), timeout=60) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != digest:
        sys.exit(f"{file} of {index} has another digest than {digest}")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")


if __name__ == "__main__":
    main()
