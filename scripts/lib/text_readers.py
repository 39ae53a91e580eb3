"""Plain text out of the formats that packages hold: paragraphs, one a line, with an empty line between them.

Each reader takes the bytes of a file and returns its paragraphs. What is no prose (listings, tables, navigation, markup)
is left out; in code nothing is.
"""

import gzip
import html.parser
import re

BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt", "figure", "footer", "form", "h1",
    "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul",
}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
LEFT_OUT = {"footer", "form", "head", "nav", "pre", "script", "style", "table"}
# Classes and roles of what surrounds the text in pages of Sphinx, DocBook, Apache, SQLite and LibreOffice.
NAVIGATION = re.compile(
    r"\b(nav\w*|docnav|related|sphinxsidebar|footer|toc|toctree-wrapper|headerlink|sidebar|menu\w*|breadcrumb\w*|index|"
    r"toplang|bottomlang|quickview|DonationFrame|yourtarget|search\w*|fancy_toc)\b", re.IGNORECASE)


def unpacked(data):
    """The bytes of a file, decompressed where they are a gzip stream (as .gz and .dz files are)."""
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def decoded(data):
    """UTF-8, or Latin-1 where it is not that; without byte order mark and carriage returns."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\xa0", " ")


class HTMLPage(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.paragraphs, self.text = [], []
        self.open = []  # (tag, whether what is in it is left out)

    def handle_starttag(self, tag, attributes):
        if tag in BLOCKS:
            self.end_paragraph()
        if tag in VOID:
            return
        if tag in {"p", "li", "dt", "dd"} and self.open and self.open[-1][0] == tag:  # its end tag may be missing
            self.open.pop()
        names = " ".join(value or "" for name, value in attributes if name in {"class", "id", "role"})
        left_out = tag in LEFT_OUT or tag in {"div", "ul", "ol", "a", "dl"} and NAVIGATION.search(names)
        self.open.append((tag, bool(left_out)))

    def handle_endtag(self, tag):
        if tag in BLOCKS:
            self.end_paragraph()
        if any(name == tag for name, _ in self.open):
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        if not any(left_out for _, left_out in self.open):
            self.text.append(data)

    def end_paragraph(self):
        paragraph = re.sub(r"\s+", " ", "".join(self.text)).strip().removesuffix("¶").rstrip()
        self.text = []
        if paragraph:
            self.paragraphs.append(paragraph)


def read_html(data):
    page = HTMLPage()
    page.feed(decoded(data))
    page.close()
    page.end_paragraph()
    return page.paragraphs


def read_paragraphs(data):
    """Text with empty lines between paragraphs: drawings, tables and directives of reStructuredText are left out."""
    paragraphs = []
    for block in re.split(r"\n[ \t]*\n", decoded(data)):
        lines = [line for line in block.split("\n") if not re.fullmatch(r"\s*([-=~^*#\"'`.+_<>:])\1{2,}\s*", line)]
        text = re.sub(r"\s+", " ", " ".join(lines)).strip()
        if not text or text.startswith(("..", "::", ":")) or "|" in text or "--+" in text:
            continue
        paragraphs.append(text)
    return paragraphs


ROFF_ESCAPES = [
    (r'\\".*', ""), (r"\\f(\[[^]]*\]|\(..|.)", ""), (r"\\s[+-]?\d+", ""), (r"\\\(aq|\\\[aq\]", "'"), (r"\\\(dq", '"'),
    (r"\\\(lq|\\\(rq", '"'), (r"\\\(bu|\\\[bu\]", "*"), (r"\\\(em", "--"), (r"\\\(en", "-"), (r"\\\(co", "(C)"),
    (r"\\\(ha|\\\[ha\]", "^"), (r"\\\(ti|\\\[ti\]", "~"), (r"\\\(rs|\\\[rs\]|\\e", r"\\"), (r"\\\(..|\\\[[^]]*\]", ""),
    (r"\\[&%:/,^|)]", ""), (r"\\c$", ""), (r"\\([- .'`])", r"\1"),
]
ROFF_FONTS = {"B", "I", "R", "BI", "BR", "IB", "IR", "RB", "RI", "SM", "SB"}


def roff_text(text):
    for pattern, replacement in ROFF_ESCAPES:
        text = re.sub(pattern, replacement, text)
    return text


def roff_arguments(text):
    return [quoted.replace('""', '"') if quoted or not bare else bare
            for quoted, bare in re.findall(r'"((?:[^"]|"")*)"|(\S+)', text)]


def read_roff(data):
    """A page for man(7): fonts joined as the macros do, sections and paragraphs a line each; tables are left out."""
    paragraphs, line, in_table = [], [], False

    def end():
        text = re.sub(r"\s+", " ", " ".join(line)).strip()
        line.clear()
        if text:
            paragraphs.append(text)

    for raw in decoded(data).split("\n"):
        if raw.startswith(("'\\\"", ".\\\"")):
            continue
        macro = re.match(r"[.']\s*(\w+)\s*(.*)", raw)
        if macro is None:
            if in_table:
                continue
            if raw.strip() == "":
                end()
            line.append(roff_text(raw))
            continue
        name, rest = macro.groups()
        if name in {"TS", "TE"}:
            end()
            in_table = name == "TS"
        elif name in ROFF_FONTS:
            parts = roff_arguments(rest)
            line.append(roff_text(("" if len(name) == 2 and name not in {"SM", "SB"} else " ").join(parts)))
        elif name in {"SH", "SS"}:
            end()
            line.append(roff_text(" ".join(roff_arguments(rest))))
            end()
        elif name in {"PP", "P", "LP", "TP", "TQ", "IP", "sp", "HP"}:
            end()
            if name == "IP" and roff_arguments(rest):
                line.append(roff_text(roff_arguments(rest)[0]))
        elif name in {"UR", "UE", "MT", "ME"}:
            line.append(roff_text(rest))
        elif name == "TH":
            line.append(roff_text(roff_arguments(rest)[0]))
            end()
    end()
    return paragraphs


def read_dialogue(data):
    """A scenario of Battle for Wesnoth (WML): who says what, a line each; what the narrator says, without a name."""
    paragraphs = []
    for body in re.findall(r"\[message\](.*?)\[/message\]", decoded(data), re.DOTALL):
        said = re.search(r'\bmessage\s*=\s*_\s*"((?:[^"]|"")*)"', body)
        speaker = re.search(r'\bspeaker\s*=\s*"?([^"\n]*?)"?\s*\n', body)
        if said is None:
            continue
        text = re.sub(r"<[^>]*>|\s+", " ", said[1].replace('""', '"')).strip()
        name = speaker[1].strip() if speaker else ""
        if "$" in text or not text:
            continue
        if name in {"narrator", ""}:
            paragraphs.append(text)
        else:
            name = {"unit": "A soldier", "second_unit": "Another"}.get(name, name)
            paragraphs.append(f"{name}: {text}")
    return paragraphs


def read_entries(data):
    """A dictionary for dictd: an entry a paragraph; the preface, whose headwords begin with 00-, is left out."""
    paragraphs = []
    for entry in re.split(r"\n\n(?=\S)", decoded(data)):
        if not entry.lstrip().startswith(("00-", "http")):
            text = re.sub(r"[{}]", "", entry)
            text = re.sub(r"\n\s*\(\d{4}-\d{2}-\d{2}\)\s*", "\n", text)
            parts = [re.sub(r"\s+", " ", part).strip() for part in text.split("\n\n")]
            paragraphs.append(" ".join(part for part in parts if part))
    return [paragraph for paragraph in paragraphs if paragraph]


def read_lines(data):
    """Verse and drama, whose lines stay lines; indentation and trailing space go."""
    blocks = re.split(r"\n[ \t]*\n", decoded(data))
    texts = ("\n".join(re.sub(r"[ \t]+", " ", line).strip() for line in block.split("\n")).strip() for block in blocks)
    return [text for text in texts if text]


def read_code(data):
    """A file as it is, in one piece."""
    return [decoded(data).rstrip("\n")]


READERS = {
    "html": read_html, "text": read_paragraphs, "man": read_roff, "wml": read_dialogue, "dictd": read_entries,
    "lines": read_lines, "code": read_code,
}
