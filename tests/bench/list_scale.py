#!/usr/bin/env python3
"""What a page of a listing costs as the bucket grows and after mass deletion: server CPU per page of 1,000 keys, at 20,000
keys, at many, and right after half of those and then all of them were deleted. A server with fresh drives (2+2) on
loopback, driven by `cairn bench`.

    list_scale.py --binary build/release/cairn [--keys 2000000] [--fill-seconds 600] [--duration 4]
"""
import argparse
import json
import os
import pathlib
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bench import cpu_seconds, run_bench  # noqa: E402
from support.server import Server  # noqa: E402


def pages(binary, server, prefix, objects, duration, extra=()):
    deadline = time.monotonic() + 60
    while pending(server) > 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    before = cpu_seconds(server.process.pid)
    result = run_bench(binary, server.endpoint, f"list --size 0 --objects {objects} --bucket bench --prefix {prefix} --concurrency 16 --threads 1",
                       ["--prepared", "--keep", "--duration", f"{duration}s", *extra])
    cpu = cpu_seconds(server.process.pid) - before
    return result["operations"] / max(cpu, 0.01), result


def pending(server):
    text = urllib.request.urlopen(server.endpoint + "/metrics", timeout=10).read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("cairn_drive_pending_units{"))


def show(name, keys, per_cpu, result, note=""):
    print(f"{name:34} {keys:>9} keys {per_cpu:>8.1f} pages/CPU s  p50 {result['p50_ms']:>8.2f} ms  p99 {result['p99_ms']:>8.2f} ms  "
          f"errors {result['errors']}  {note}", flush=True)


def fill(binary, server, prefix, objects, seconds):
    """Stores up to `objects` keys in at most `seconds`; how many."""
    result = run_bench(binary, server.endpoint, f"put --size 0 --bucket bench --prefix {prefix} --concurrency 128 --threads 1",
                       ["--keep", "--duration", f"{seconds}s", "--operations", str(objects)])
    return result["operations"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="build/release/cairn")
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--fill-seconds", type=int, default=500)
    parser.add_argument("--duration", type=float, default=4)
    parser.add_argument("--options", default="", help="more options of the server")
    arguments = parser.parse_args()
    os.environ["CAIRN_BINARY"] = binary = str(pathlib.Path(arguments.binary).resolve())
    with Server(drives=4, options=arguments.options.split(), environment={"CAIRN_MEMORY": "2GiB"}) as server:
        small = fill(binary, server, "small/", arguments.small, 300)
        for note in ("just written", "again"):
            show("few keys, " + note, small, *pages(binary, server, "small/", small, arguments.duration))
        many = fill(binary, server, "many/", arguments.keys, arguments.fill_seconds)
        show("many keys, just written", many, *pages(binary, server, "many/", many, arguments.duration))
        show("few keys beside many", small, *pages(binary, server, "small/", small, arguments.duration))
        for name, first in (("half deleted", many // 2), ("all deleted", many)):
            began = time.monotonic()
            before = cpu_seconds(server.process.pid)
            done = run_bench(binary, server.endpoint, f"delete --size 0 --objects {first} --bucket bench --prefix many/ --concurrency 128 --threads 1",
                             ["--prepared", "--keep", "--duration", "3600s"])
            cpu = cpu_seconds(server.process.pid) - before
            note = f"{done['operations']} deletes in {time.monotonic() - began:.0f} s, {cpu:.0f} CPU s"
            for after in (0, 5, 30):
                time.sleep(after)
                show(f"{name}, {after} s later", many, *pages(binary, server, "many/", many, arguments.duration), note)
            show("few keys beside them", small, *pages(binary, server, "small/", small, arguments.duration))
    return 0


if __name__ == "__main__":
    sys.exit(main())
