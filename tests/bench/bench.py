#!/usr/bin/env python3
"""The performance table: a server with fresh drives (2+2) on loopback, driven by `cairn bench`, next to calibrations of the
same run. Per case: operations (or MiB) per second and per CPU second of the server process (user + system), which a
noisy machine distorts least.

    bench.py --binary build/release/cairn [--quick] [--json FILE] [--only put-4KiB,get-4KiB] [--duration 4]
    bench.py --compare OLD.json NEW.json        pairwise ratios of two runs, and what of them is noise
    bench.py --binary NEW --against OLD --rounds 5    two builds in turn on the same machine: ratios of neighbours
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import ACCESS_KEY, SECRET_KEY, Server, free_port  # noqa: E402

CASES = [  # name, arguments of cairn bench, unit
    ("put-4KiB", "put --size 4KiB", "ops"), ("put-128KiB", "put --size 128KiB", "ops"),
    ("put-16MiB", "put --size 16MiB", "MiB"),
    ("get-4KiB", "get --size 4KiB --objects 2000", "ops"), ("get-128KiB", "get --size 128KiB --objects 500", "ops"),
    ("get-16MiB", "get --size 16MiB --objects 20", "MiB"),
    ("range-64KiB", "range --size 1GiB --range 64KiB --objects 1", "ops"),
    ("head", "head --size 4KiB --objects 2000", "ops"), ("list", "list --size 0 --objects 20000", "ops"),
    ("delete", "delete --size 4KiB --objects 20000", "ops"), ("multipart", "multipart --size 16MiB --part-size 16MiB", "MiB"),
    ("mixed", "mixed --size 4KiB --objects 2000", "ops"),
]
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def client_environment():
    return dict(os.environ, AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_REGION="us-east-1")


def run_bench(binary, endpoint, arguments, extra):
    command = [binary, "bench", *arguments.split(), "--endpoint", endpoint, "--json", *extra]
    done = subprocess.run(command, env=client_environment(), capture_output=True, text=True, timeout=600)
    if not done.stdout.strip():
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(binary, server, name, arguments, unit, concurrency, duration, threads):
    """Prepares the objects first, so that the CPU seconds are those of the measured time alone."""
    common = ["--concurrency", str(concurrency), "--threads", str(threads), "--bucket", "bench", "--prefix", f"{name}-{concurrency}/"]
    prepared = []
    if arguments.split()[0] not in ("put", "multipart"):
        run_bench(binary, server.endpoint, arguments, [*common, "--duration", "1ms", "--operations", "1", "--keep"])
        prepared = ["--prepared"]
    before = cpu_seconds(server.process.pid)
    result = run_bench(binary, server.endpoint, arguments, [*common, "--duration", f"{duration}s", "--keep", *prepared])
    cpu = cpu_seconds(server.process.pid) - before
    amount = result["operations"] if unit == "ops" else result["mib_per_second"] * result["seconds"]
    row = dict(result, name=name, unit=unit, server_cpu_seconds=round(cpu, 3), per_cpu_second=round(amount / max(cpu, 0.01), 1),
               peak_mib=round(peak_mib(server.process.pid), 1))
    return row


def echo_calibration(binary, duration):
    port = free_port()
    process = subprocess.Popen([binary, "calibrate", "echo", "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        before = cpu_seconds(process.pid)
        result = run_bench(binary, f"http://127.0.0.1:{port}", "get --size 4KiB --objects 1", ["--prepared", "--keep", "--duration", f"{duration}s"])
        cpu = cpu_seconds(process.pid) - before
        return {"echo_per_cpu_second": round(result["operations"] / cpu, 1), "echo_per_second": result["ops_per_second"],
                "echo_p50_ms": result["p50_ms"]}
    finally:
        process.terminate()
        process.wait(20)


def compare(old_file, new_file):
    old = {(r["name"], r["concurrency"]): r for r in json.loads(pathlib.Path(old_file).read_text())["rows"]}
    new = {(r["name"], r["concurrency"]): r for r in json.loads(pathlib.Path(new_file).read_text())["rows"]}
    print(f"{'case':14} {'x':>4} {'old/cpu s':>10} {'new/cpu s':>10} {'ratio':>6}")
    for key in (k for k in old if k in new):
        a, b = old[key]["per_cpu_second"], new[key]["per_cpu_second"]
        ratio = b / a if a else float("inf")
        # One run of each: neighbouring runs of one build differ by so much on a shared machine.
        verdict = "noise" if abs(ratio - 1) < 0.15 else ("better" if ratio > 1 else "worse")
        print(f"{key[0]:14} {key[1]:>4} {a:>10.0f} {b:>10.0f} {ratio:>6.2f} {verdict}")


def noise_or(ratios):
    """What ratios of neighbouring runs say: one sign in all of them, and more than a few percent, is no noise."""
    median = statistics.median(ratios)
    one_sided = min(ratios) > 1 or max(ratios) < 1
    if len(ratios) < 3 or not one_sided or abs(median - 1) < 0.03:
        return "noise"
    return "better" if median > 1 else "worse"


def against(arguments, lanes, duration, cases):
    """Old and new build in turn, each with fresh drives, so that a machine whose speed drifts spoils no pair."""
    builds = {"old": str(pathlib.Path(arguments.against).resolve()), "new": str(pathlib.Path(arguments.binary).resolve())}
    seen = {}
    for turn in range(arguments.rounds):
        for build in ("old", "new") if turn % 2 == 0 else ("new", "old"):
            os.environ["CAIRN_BINARY"] = builds[build]
            with Server(drives=4, options=arguments.options.split(), environment={"CAIRN_MEMORY": "2GiB"}) as server:
                for name, bench, unit in cases:
                    for concurrency in lanes:
                        # The client is the same, so that only the server differs.
                        row = measure(builds["new"], server, name, bench, unit, concurrency, duration, arguments.client_threads)
                        seen.setdefault((name, concurrency), {}).setdefault(build, []).append(row["per_cpu_second"])
    print(f"{'case':14} {'x':>4} {'old/cpu s':>10} {'new/cpu s':>10} {'ratio':>6} {'lowest':>6} {'highest':>7}")
    for (name, concurrency), builds_of in seen.items():
        ratios = [new / max(old, 1e-9) for old, new in zip(builds_of["old"], builds_of["new"])]
        print(f"{name:14} {concurrency:>4} {statistics.median(builds_of['old']):>10.1f} {statistics.median(builds_of['new']):>10.1f} "
              f"{statistics.median(ratios):>6.2f} {min(ratios):>6.2f} {max(ratios):>7.2f} {noise_or(ratios)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="build/release/cairn")
    parser.add_argument("--concurrency", default="1,16,128")
    parser.add_argument("--duration", type=float, default=4)
    parser.add_argument("--only", help="cases, comma separated")
    parser.add_argument("--quick", action="store_true", help="concurrency 16 and 2 seconds a case")
    parser.add_argument("--json", help="write everything to this file")
    parser.add_argument("--client-threads", type=int, default=1)
    parser.add_argument("--options", default="", help="more options of the server")
    parser.add_argument("--compare", nargs=2, metavar=("OLD", "NEW"))
    parser.add_argument("--against", metavar="BINARY", help="measure this older build in turn with --binary")
    parser.add_argument("--rounds", type=int, default=3, help="of --against")
    arguments = parser.parse_args()
    if arguments.compare:
        return compare(*arguments.compare)
    os.environ["CAIRN_BINARY"] = binary = str(pathlib.Path(arguments.binary).resolve())
    lanes = [16] if arguments.quick else [int(c) for c in arguments.concurrency.split(",")]
    duration = 2 if arguments.quick else arguments.duration
    only = arguments.only.split(",") if arguments.only else None
    if arguments.against:
        return against(arguments, lanes, duration, [case for case in CASES if not only or case[0] in only])
    with Server(drives=4, options=arguments.options.split(), environment={"CAIRN_MEMORY": "2GiB"}) as server:
        calibration = json.loads(subprocess.run([binary, "calibrate", "machine", "--directory", str(server.folder)],
                                                capture_output=True, text=True, check=True).stdout)
        calibration.update(echo_calibration(binary, duration))
        print(json.dumps(calibration, indent=1), flush=True)
        print(f"{'case':14} {'x':>4} {'per s':>10} {'per CPU s':>10} {'of echo':>8} {'p50 ms':>8} {'p99 ms':>8} {'errors':>6}")
        rows = []
        for name, bench, unit in CASES:
            if only and name not in only:
                continue
            for concurrency in lanes:
                row = measure(binary, server, name, bench, unit, concurrency, duration, arguments.client_threads)
                rows.append(row)
                rate = row["ops_per_second"] if unit == "ops" else row["mib_per_second"]
                share = row["per_cpu_second"] / calibration["echo_per_cpu_second"] if unit == "ops" else float("nan")
                print(f"{name:14} {concurrency:>4} {rate:>10.1f} {row['per_cpu_second']:>10.1f} {share:>8.3f} {row['p50_ms']:>8.2f} "
                      f"{row['p99_ms']:>8.2f} {row['errors']:>6} {unit}", flush=True)
        print(f"peak resident {peak_mib(server.process.pid):.0f} MiB")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({"calibration": calibration, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
