"""Which package gives which text, and under which licence. Evaluation and training share no package.

A kind of evaluation text has no counterpart in training where nothing there is of its kind: figures on these kinds say
what a model is worth on text unlike the one it was calibrated or trained on.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """A part of a text: files of a package."""

    package: str  # of Debian, or of PyPI where it is in SDISTS
    reader: str  # a name in text_readers.READERS
    files: str  # a pattern below the package's root, ** for any folders
    licence: str
    bytes: int  # of text to take at most
    shortest: int = 1  # characters of a paragraph
    skip: str = r"(?!)"  # files whose path matches this regular expression are left out
    every: int = 1  # every n-th file
    chapters: str = r"(?!)"  # a paragraph that matches this begins a page of its own
    original: str = ""  # paragraphs that these files hold too are left out: what has not been translated


@dataclass(frozen=True)
class Kind:
    """Evaluation text of one kind."""

    title: str
    counterpart: str  # what training has of the same kind; empty where nothing
    sources: list = field(default_factory=list)
    document: int = 10_000  # bytes from which on a document ends where a file does


# Packages of PyPI, of which the source distribution is taken: the file and its SHA-256.
SDISTS = {
    "brotli": ("brotli-1.2.0.tar.gz", "e310f77e41941c13340a95976fe66a8a95b01e783d430eeaf7a2f87e0a57dd0a"),
}

DOC = "usr/share/doc"
BOOK = f"{DOC}/debian-handbook/html"
BOOK_LICENCE = "GPL-2.0-or-later or CC-BY-SA-3.0"
WESNOTH = "usr/share/games/wesnoth/*/data/campaigns/*/scenarios/*.cfg"
CANTERBURY = "brotli-*/tests/testdata"
ENGLISH_BOOK = f"{BOOK}/en-US/*.html"


def translated(language, pages):
    return Source("debian-handbook", "html", f"{BOOK}/{language}/sect.{pages}*.html", BOOK_LICENCE, 65_000, shortest=30,
                  original=ENGLISH_BOOK)


EVALUATION = {
    "handbook": Kind("The Debian Administrator's Handbook", "documentation", [
        Source("debian-handbook", "html", f"{BOOK}/en-US/sect.*.html", BOOK_LICENCE, 265_000, shortest=30, every=2),
    ]),
    "manual": Kind("pages of the Linux man-pages project", "manual pages of git", [
        Source("manpages", "man", "usr/share/man/man[457]/*.gz", "several free ones, page by page", 230_000,
               skip=r"iso_8859|charsets|ascii|cp125|koi8|/units"),
    ]),
    "essays": Kind("An Anarchist FAQ", "", [
        Source("anarchism", "html", f"{DOC}/anarchism/html/sec[A-J]*.html", "GPL-2.0-or-later or GFDL-1.1-or-later", 265_000,
               shortest=80, every=12),
    ]),
    "fiction": Kind("Alice's Adventures in Wonderland", "", [
        Source("brotli", "text", f"{CANTERBURY}/alice29.txt", "public domain", 230_000, chapters=r"CHAPTER "),
    ]),
    "verse": Kind("Paradise Lost", "", [
        Source("brotli", "lines", f"{CANTERBURY}/plrabn12.txt", "public domain", 200_000, chapters=r"Book "),
    ]),
    "drama": Kind("As You Like It", "", [
        Source("brotli", "lines", f"{CANTERBURY}/asyoulik.txt", "public domain", 170_000, chapters=r"ACT |SCENE "),
    ]),
    "proceedings": Kind("a workshop of the Library of Congress on electronic texts", "", [
        Source("brotli", "text", f"{CANTERBURY}/lcet10.txt", "public domain", 275_000, chapters=r"[A-Z]+ \* "),
    ]),
    "dialogue": Kind("campaigns of Battle for Wesnoth: who says what", "", [
        Source("wesnoth-1.16-httt", "wml", WESNOTH, "GPL-2.0-or-later", 140_000),
        Source("wesnoth-1.16-utbs", "wml", WESNOTH, "GPL-2.0-or-later", 130_000),
    ]),
    "code": Kind("Python and C++", "Perl and Vim script", [
        Source("libpython3.11-stdlib", "code", "usr/lib/python3.11/**/*.py", "PSF-2.0", 110_000, every=23,
               skip=r"encodings/|/test|pydoc_data"),
        Source("libstdc++-12-dev", "code", "usr/include/c++/12/bits/*", "GPL-3.0-or-later with GCC-exception-3.1", 100_000,
               every=17),
    ]),
    "languages": Kind("the handbook in German, French, Spanish, Polish and Turkish", "", [
        translated("de-DE", "[a-b]"), translated("fr-FR", "[c]"), translated("es-ES", "[d-g]"), translated("pl-PL", "[h-m]"),
        translated("tr-TR", "[n-z]"),
    ]),
    "scripts": Kind("the handbook in Russian, Japanese, Chinese, Persian and Greek", "", [
        translated("ru-RU", "[a-b]"), translated("ja-JP", "[c]"), translated("zh-CN", "[d-h]"), translated("fa-IR", "[i-o]"),
        translated("el-GR", "[p-z]"),
    ]),
}

MIXTURE = [
    Source("linux-doc-6.1", "text", f"{DOC}/linux-doc-6.1/Documentation/**/*.rst.gz", "GPL-2.0-only", 9_000_000, shortest=80,
           skip=r"/translations/"),
    Source("postgresql-doc-15", "html", f"{DOC}/postgresql-doc-15/html/*.html", "PostgreSQL", 4_000_000, shortest=80,
           skip=r"/release-"),
    Source("python3.11-doc", "html", f"{DOC}/python3.11/html/**/*.html", "PSF-2.0", 4_000_000, shortest=80,
           skip=r"genindex|/changelog|py-modindex"),
    Source("dict-foldoc", "dictd", "usr/share/dictd/foldoc.dict.dz", "GFDL-1.1-or-later", 5_000_000, shortest=80),
    Source("python-django-doc", "html", f"{DOC}/python-django-doc/html/**/*.html", "BSD-3-Clause", 3_000_000, shortest=80,
           skip=r"genindex|modindex|/releases/"),
    Source("sqlite3-doc", "html", f"{DOC}/sqlite3/**/*.html", "public domain", 2_500_000, shortest=80,
           skip=r"changes|releaselog|matrix|/session/"),
    Source("vim-runtime", "text", "usr/share/vim/vim*/doc/*.txt", "Vim", 2_000_000, shortest=80),
    Source("apache2-doc", "html", f"{DOC}/apache2-doc/manual/en/**/*.html", "Apache-2.0", 2_000_000, shortest=80),
    Source("git-doc", "html", f"{DOC}/git-doc/**/*.html", "GPL-2.0-only", 2_000_000, shortest=80, skip=r"RelNotes"),
    Source("libreoffice-help-en-us", "html", "usr/share/libreoffice/help/en-US/text/**/*.html", "MPL-2.0", 2_000_000,
           shortest=80),
    Source("developers-reference", "html", "usr/share/developers-reference/*.html", "GPL-2.0-or-later", 400_000, shortest=80),
    Source("debian-policy", "html", f"{DOC}/debian-policy/policy.html/*.html", "GPL-2.0-or-later", 600_000, shortest=80,
           skip=r"genindex|upgrading"),
    Source("kicad-doc-en", "html", f"{DOC}/kicad/help/en/*.html", "GPL-3.0-or-later or CC-BY-3.0", 1_000_000, shortest=80),
    Source("perl-modules-5.36", "code", "usr/share/perl/5.36.0/**/*.pm", "GPL-1.0-or-later or Artistic-1.0", 1_500_000,
           skip=r"unicore|CharName|Unicode/Collate|CPAN/"),
    Source("vim-runtime", "code", "usr/share/vim/vim*/autoload/**/*.vim", "Vim", 500_000),
]
