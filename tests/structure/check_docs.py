#!/usr/bin/env python3
"""Every path of the repository that the documentation cites must exist."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CITED = re.compile(r"`((?:src|docs|tests|deploy|cmake|\.ci)/[A-Za-z0-9_./*-]+)`")
LINKED = re.compile(r"\]\(([^)#:]+?)(?:#[^)]*)?\)")


def missing(page):
    text = page.read_text()
    for path in CITED.findall(text):
        if not list(ROOT.glob(path.rstrip("/"))):
            yield path
    for link in LINKED.findall(text):
        if not (page.parent / link).exists():
            yield link


def main():
    assert CITED.findall("see `src/none/at_all.cpp`") == ["src/none/at_all.cpp"]
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert pages, "no documentation found"
    gone = [f"{page.relative_to(ROOT)}: {path} does not exist" for page in pages for path in missing(page)]
    print("\n".join(gone) or f"{len(pages)} pages cite only what exists")
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
