#!/usr/bin/env python3
"""Every path of the repository that the documentation cites must exist."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CITED = re.compile(r"`((?:src|docs|tests|deploy|cmake|\.ci)/[A-Za-z0-9_./*-]+)`")
TEST_NAMED = re.compile(r"`([A-Z]\w+\.[A-Z]\w+|test_\w+)`")
TEST_THERE = re.compile(r"^\s*(?:(?:TYPED_)?TEST(?:_[FP])?\((\w+), (\w+)\)|def (test_\w+)\()", re.M)
LINKED = re.compile(r"\]\(([^)#:]+?)(?:#[^)]*)?\)")


def missing(page):
    text = page.read_text()
    for path in CITED.findall(text):
        if not list(ROOT.glob(path.rstrip("/"))):
            yield path
    for link in LINKED.findall(text):
        if not (page.parent / link).exists():
            yield link


def unknown_tests(page):
    """The tests that a page names and nobody wrote."""
    there = set()
    for folder, pattern in (("src", "*_test.cpp"), ("tests", "*_test.cpp"), ("tests", "test_*.py")):
        for path in (ROOT / folder).rglob(pattern):
            for suite, name, function in TEST_THERE.findall(path.read_text()):
                there.add(function or f"{suite}.{name}")
    return [name for name in TEST_NAMED.findall(page.read_text()) if name not in there]


def main():
    assert CITED.findall("see `src/none/at_all.cpp`") == ["src/none/at_all.cpp"]
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert pages, "no documentation found"
    gone = [f"{page.relative_to(ROOT)}: {path} does not exist" for page in pages for path in missing(page)]
    gone += [f"docs/lessons.md: there is no test {name}" for name in unknown_tests(ROOT / "docs/lessons.md")]
    print("\n".join(gone) or f"{len(pages)} pages cite only what exists")
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
