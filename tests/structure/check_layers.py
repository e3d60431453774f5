#!/usr/bin/env python3
"""Reads every #include under src/ against layers.json. `--self-test` proves that it can fail."""
import json
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def violations(source_root, manifest):
    ranks, never, doors = manifest["ranks"], manifest["never"], manifest["doors"]
    found = []
    for path in sorted(source_root.rglob("*")):
        if path.suffix not in (".h", ".cpp"):
            continue
        parts = path.relative_to(source_root).parts
        module = parts[0]
        if module not in ranks:
            found.append(f"{path}: module '{module}' is not in the manifest")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match.group(2)
            where = f"{'/'.join(parts)}:{number}"
            for door, owners in doors.items():
                if target.startswith(door) and module not in owners:
                    found.append(f"{where}: {target} enters only through {', '.join(owners)}")
            other = target.split("/")[0]
            if match.group(1) == "<" or other not in ranks or "/" not in target:
                continue
            if other == module:
                if module == "background" and len(parts) > 2 and target.count("/") > 1:
                    if target.split("/")[1] != parts[1]:
                        found.append(f"{where}: background services never include each other ({target})")
                continue
            if other in never.get(module, []):
                found.append(f"{where}: {module} must not know {other} ({target})")
            elif ranks[other] >= ranks[module]:
                found.append(f"{where}: {module} (rank {ranks[module]}) includes {other} (rank {ranks[other]})")
    return found


def self_test(manifest):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {
            "base/a.cpp": '#include "io/task.h"\n', "s3/b.cpp": '#include "drive/drive.h"\n',
            "net/c.h": "#include <rocksdb/db.h>\n", "drive/d.cpp": '#include "auth/auth.h"\n',
            "background/heal/e.cpp": '#include "background/scrub/scrub.h"\n', "odd/f.cpp": "int x;\n",
            "store/ok.cpp": '#include "drive/drive.h"\n#include "store/store.h"\n#include <vector>\n',
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        found = violations(root, manifest)
        assert len(found) == 6, found
        assert not any("ok.cpp" in line for line in found), found


def main():
    manifest = json.loads((HERE / "layers.json").read_text())
    assert manifest["allowances"] == [], "the allowance list stays empty"
    self_test(manifest)
    found = violations(HERE.parents[1] / "src", manifest)
    print("\n".join(found) or "every include goes downward")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
