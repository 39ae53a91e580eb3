#!/usr/bin/env python3
"""Prints the prose of The Debian Administrator's Handbook, from the HTML of the package debian-handbook.

usage: handbook_text.py FOLDER BYTES

FOLDER holds the pages of one language. Beginning at chapter 1, whole pages are taken in the order of the book until
BYTES are reached: titles and paragraphs, one a line with an empty line between them. Listings, tables, figures
and navigation are left out. UTF-8, without the byte order mark; the same bytes for the same package.
"""

import html.parser
import pathlib
import re
import sys

FIRST_PAGE = "the-debian-project.html"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
TITLES = {"h1", "h2", "h3", "h4", "h5", "h6"}
LEFT_OUT = {"pre", "table", "script", "style", "head"}


class Page(html.parser.HTMLParser):
    """The blocks of text of one page, and the name of the page after it."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.blocks = []
        self.next_page = None
        self.open_tags = []  # (tag, what it is: "text", "left out" or None)
        self.text = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "link" and attributes.get("rel") == "next":
            self.next_page = attributes.get("href")
        if tag in VOID:
            return
        classes = (attributes.get("class") or "").split()
        kind = None
        if tag in LEFT_OUT or tag == "ul" and "docnav" in classes:
            kind = "left out"
        elif tag in TITLES or tag == "div" and "para" in classes:
            kind = "text"
        if kind or tag in {"div", "p", "ul", "ol", "dl", "li", "dt", "dd"}:
            self.end_block()
        self.open_tags.append((tag, kind))

    def handle_startendtag(self, tag, attributes):
        if tag == "link":
            self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        if not any(name == tag for name, _ in self.open_tags):
            return
        if tag in TITLES or tag in LEFT_OUT or tag in {"div", "p", "ul", "ol", "dl", "li", "dt", "dd"}:
            self.end_block()
        while self.open_tags.pop()[0] != tag:
            pass

    def handle_data(self, data):
        kinds = [kind for _, kind in self.open_tags]
        if "text" in kinds and "left out" not in kinds:
            self.text.append(data)

    def end_block(self):
        block = re.sub(r"\s+", " ", "".join(self.text)).strip()
        self.text = []
        if block:
            self.blocks.append(block)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, limit = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    name, seen, size, blocks = FIRST_PAGE, set(), 0, []
    while name and name not in seen and size < limit:
        seen.add(name)
        page = Page()
        page.feed((folder / name).read_text(encoding="utf-8"))
        page.close()
        blocks += page.blocks
        size += sum(len(block.encode()) + 2 for block in page.blocks)
        name = page.next_page
    if size < limit:
        sys.exit(f"{folder} holds {size} bytes of prose after {FIRST_PAGE}, {limit} were expected")
    sys.stdout.buffer.write(("\n\n".join(blocks) + "\n").encode())


if __name__ == "__main__":
    main()
