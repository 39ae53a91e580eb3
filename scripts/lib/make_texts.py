#!/usr/bin/env python3
"""Makes evaluation and training texts of unpacked packages.

usage: make_texts.py packages evaluation|mixture          the packages of Debian that are needed, one a line
       make_texts.py evaluation UNPACKED FOLDER           FOLDER/KIND/NN-NAME.txt, a file a document
       make_texts.py mixture UNPACKED FOLDER EVALUATION   FOLDER/PACKAGE.READER.txt

Both print a table of what was made of what.

UNPACKED holds a folder for each package. The same packages give the same bytes.

A paragraph that several files of a package hold is taken once, and not at all where more than three hold it: that is the
frame of a page. Of what is to be trained on, every paragraph is left out that shares 13 words in a row with any
evaluation text (Brown et al. 2020, arXiv 2005.14165, appendix C).
"""

import re
import sys
from collections import Counter
from pathlib import Path

from text_readers import READERS, unpacked
from text_sources import EVALUATION, MIXTURE, SDISTS

SHARED_WORDS = 13
FRAME = 3  # files that may hold the same paragraph


def files(root, source):
    found = sorted(path for path in (root / source.package).glob(source.files)
                   if path.is_file() and not path.is_symlink() and not re.search(source.skip, str(path)))
    if not found:
        sys.exit(f"{source.package} holds no {source.files}: another version of the package?")
    return found[::source.every]


def read(path, source):
    paragraphs = READERS[source.reader](unpacked(path.read_bytes()))
    return [paragraph for paragraph in paragraphs if len(paragraph) >= source.shortest]


def pages(root, source):
    """(name, paragraphs) of each file, without what frames the pages, up to the source's bytes."""
    original = set()
    if source.original:
        for path in (root / source.package).glob(source.original):
            original.update(read(path, source))
    found = [(path, read(path, source)) for path in files(root, source)]
    held = Counter(paragraph for _, paragraphs in found for paragraph in set(paragraphs))
    seen, size = set(), 0
    for path, paragraphs in found:
        kept = []
        for paragraph in paragraphs:
            if paragraph in seen or paragraph in original or held[paragraph] > FRAME:
                continue
            seen.add(paragraph)
            length = len(paragraph.encode()) + 2
            if size + length > source.bytes:
                break
            size += length
            kept.append(paragraph)
        for chapter in chapters(kept, source):
            yield path.stem.removesuffix(".txt"), chapter


def chapters(paragraphs, source):
    starts = [index for index, paragraph in enumerate(paragraphs) if re.match(source.chapters, paragraph)]
    bounds = sorted({0, len(paragraphs), *starts})
    return [paragraphs[start:end] for start, end in zip(bounds, bounds[1:])]


def documents(root, kind):
    """(name, text) of each document: whole files, joined until they are long enough."""
    for source in kind.sources:
        name, parts, size = None, [], 0
        for page, paragraphs in pages(root, source):
            name = name or page
            parts += paragraphs
            size += sum(len(paragraph.encode()) + 2 for paragraph in paragraphs)
            if size >= kind.document:
                yield name, "\n\n".join(parts) + "\n"
                name, parts, size = None, [], 0
        if size >= kind.document / 2:
            yield name, "\n\n".join(parts) + "\n"


def shingles(text):
    words = re.findall(r"\w+", text.lower())
    return (hash(tuple(words[index:index + SHARED_WORDS])) for index in range(len(words) - SHARED_WORDS + 1))


def table(head, rows):
    return "\n".join(["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head)] + rows]) + "\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def make_evaluation(root, folder):
    rows = []
    for key, kind in EVALUATION.items():
        size = count = 0
        for count, (name, text) in enumerate(documents(root, kind), 1):
            write(folder / key / f"{count:02}-{name}.txt", text)
            size += len(text.encode())
        if count < 2:
            sys.exit(f"the kind {key} has {count} documents")
        packages = ", ".join(dict.fromkeys(source.package for source in kind.sources))
        licences = "; ".join(dict.fromkeys(source.licence for source in kind.sources))
        rows.append([key, kind.title, packages, licences, str(count), f"{size:,}", kind.counterpart or "none"])
    head = ["kind", "what", "packages", "licence", "documents", "bytes", "counterpart in training"]
    print("# Evaluation texts\n\n" + table(head, rows), end="")


def make_mixture(root, folder, evaluation):
    held = set()
    for path in evaluation.glob("*/*.txt"):
        held.update(shingles(path.read_text(encoding="utf-8")))
    rows = []
    for source in MIXTURE:
        kept, shared = [], 0
        for _, paragraphs in pages(root, source):
            for paragraph in paragraphs:
                if any(shingle in held for shingle in shingles(paragraph)):
                    shared += 1
                else:
                    kept.append(paragraph)
        text = "\n\n".join(kept) + "\n"
        if any(shingle in held for shingle in shingles(text)):
            sys.exit(f"{source.package} shares {SHARED_WORDS} words with an evaluation text from one paragraph to the next")
        name = f"{source.package}.{source.reader}.txt"
        write(folder / name, text)
        rows.append([name, source.package, source.licence, f"{len(text.encode()):,}", str(shared)])
    head = ["file", "package", "licence", "bytes", "paragraphs left out, as an evaluation text shares 13 words with them"]
    print("# Mixture to train on\n\n" + table(head, rows), end="")


def debian(sources):
    return "\n".join(dict.fromkeys(source.package for source in sources if source.package not in SDISTS))


def main():
    match sys.argv[1:]:
        case ["packages", "evaluation"]:
            print(debian(source for kind in EVALUATION.values() for source in kind.sources))
        case ["packages", "mixture"]:
            print(debian(MIXTURE))
        case ["evaluation", unpacked, folder]:
            make_evaluation(Path(unpacked), Path(folder))
        case ["mixture", unpacked, folder, evaluation]:
            make_mixture(Path(unpacked), Path(folder), Path(evaluation))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
