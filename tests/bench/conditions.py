#!/usr/bin/env python3
"""What a table of rates does not show, measured on a server with fresh drives (2+2) on loopback:

    memory      resident when idle, and at its most with 256 clients that stream 16 MiB up and then down
    first-byte  time to the first byte of a large object against that of 1 MiB
    fairness    p99 of a 4-KiB GET, alone and beside 8 uploads that never pause
    cores       GET and PUT of 4 KiB with the server on 1, 2, 4, 8 cores and the clients on the rest (0 of their own: they share)

    conditions.py --binary build/release/cairn [memory first-byte fairness cores] [--large-gib 5] [--json FILE]
"""
import argparse
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bench import client_environment, cpu_seconds, peak_mib, run_bench  # noqa: E402
from support.server import Server  # noqa: E402


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def serve(memory="2GiB", cores=None):
    server = Server(drives=4, environment={"CAIRN_MEMORY": memory})
    server.start()
    if cores is not None:
        subprocess.run(["taskset", "-a", "-p", "-c", cores, str(server.process.pid)], check=True, stdout=subprocess.DEVNULL)
    return server


def memory(arguments):
    with Server(drives=4, environment={"CAIRN_MEMORY": "1GiB"}) as server:
        time.sleep(3)
        out = {"idle_mib": round(resident_mib(server.process.pid), 1)}
        common = ["--threads", "1", "--bucket", "bench", "--prefix", "m/", "--concurrency", "256", "--keep"]
        up = run_bench(arguments.binary, server.endpoint, "put --size 16MiB", [*common, "--duration", "20s"])
        out.update(up_peak_mib=round(peak_mib(server.process.pid), 1), up_errors=up["errors"], up_mib_per_second=up["mib_per_second"])
        down = run_bench(arguments.binary, server.endpoint, "get --size 16MiB --objects 20", [*common, "--duration", "20s", "--prepared"])
        out.update(peak_mib=round(peak_mib(server.process.pid), 1), down_errors=down["errors"],
                   down_mib_per_second=down["mib_per_second"], limit_mib=1024)
        return out


def first_byte_ms(server, client, key):
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bench", "Key": key}, ExpiresIn=600)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    begin = time.perf_counter()
    connection.request("GET", url.split(str(server.port), 1)[1])
    answer = connection.getresponse()
    answer.read(1)
    took = (time.perf_counter() - begin) * 1000
    assert answer.status == 200, answer.status
    connection.close()
    return took


def first_byte(arguments):
    with Server(drives=4, environment={"CAIRN_MEMORY": "1GiB"}) as server:
        client = server.boto3(signature_version="s3v4")
        client.create_bucket(Bucket="bench")
        large = pathlib.Path(server.folder) / "large"
        with open(large, "wb") as file:
            block = os.urandom(1 << 20)
            for _ in range(arguments.large_gib * 1024):
                file.write(block)
        server.aws("s3", "cp", "--quiet", large, "s3://bench/large")
        large.unlink()
        client.put_object(Bucket="bench", Key="small", Body=os.urandom(1 << 20))
        out = {}
        for key in ("small", "large"):
            times = [first_byte_ms(server, client, key) for _ in range(40)][5:]
            out[key + "_p50_ms"] = round(statistics.median(times), 2)
        out.update(large_gib=arguments.large_gib, ratio=round(out["large_p50_ms"] / out["small_p50_ms"], 2))
        return out


def fairness(arguments):
    with Server(drives=4, environment={"CAIRN_MEMORY": "2GiB"}) as server:
        small = "get --size 4KiB --objects 2000"
        common = ["--threads", "1", "--bucket", "bench", "--prefix", "f/", "--keep"]
        run_bench(arguments.binary, server.endpoint, small, [*common, "--concurrency", "16", "--duration", "1ms", "--operations", "1"])
        read = [*common, "--concurrency", "4", "--duration", "8s", "--prepared"]
        alone = run_bench(arguments.binary, server.endpoint, small, read)
        uploads = subprocess.Popen([arguments.binary, "bench", "put", "--size", "64MiB", "--endpoint", server.endpoint, "--threads", "1",
                                    "--bucket", "bench", "--prefix", "u/", "--concurrency", "8", "--duration", "14s", "--json"],
                                   env=client_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        time.sleep(3)
        beside = run_bench(arguments.binary, server.endpoint, small, read)
        uploaded = json.loads(uploads.communicate(timeout=120)[0].strip().splitlines()[-1])
        return {"alone_p50_ms": alone["p50_ms"], "alone_p99_ms": alone["p99_ms"], "beside_p50_ms": beside["p50_ms"],
                "beside_p99_ms": beside["p99_ms"], "upload_mib_per_second": uploaded["mib_per_second"]}


def cores(arguments):
    there = sorted(os.sched_getaffinity(0))
    out = {"cores_of_the_machine": len(there)}
    for count in (1, 2, 4, 8):
        if count > len(there):
            break
        # Without cores of their own the clients share the server's: then the rate per CPU second says something, the other little.
        mine, rest = there[:count], there[count:] or there
        out[f"clients_{count}"] = len(rest) if there[count:] else 0
        os.environ["CAIRN_THREADS"] = str(count)
        server = serve(cores=",".join(map(str, mine)))
        try:
            for name, what in (("get", "get --size 4KiB --objects 2000"), ("put", "put --size 4KiB")):
                command = ["taskset", "-c", ",".join(map(str, rest)), arguments.binary, "bench", *what.split(), "--endpoint", server.endpoint,
                           "--threads", str(len(rest)), "--concurrency", str(64 * count), "--bucket", "bench", "--prefix", name + "/",
                           "--duration", "5s", "--keep", "--json"]
                before = cpu_seconds(server.process.pid)
                done = subprocess.run(command, env=client_environment(), capture_output=True, text=True, timeout=300)
                result = json.loads(done.stdout.strip().splitlines()[-1])
                cpu = cpu_seconds(server.process.pid) - before
                out[f"{name}_{count}"] = {"per_second": result["ops_per_second"], "per_cpu_second": round(result["operations"] / cpu, 1),
                                          "errors": result["errors"]}
        finally:
            server.stop()
            server.__exit__(None)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["memory", "first-byte", "fairness"])
    parser.add_argument("--binary", default="build/release/cairn")
    parser.add_argument("--large-gib", type=int, default=5)
    parser.add_argument("--json", help="write everything to this file")
    arguments = parser.parse_args()
    os.environ["CAIRN_BINARY"] = arguments.binary = str(pathlib.Path(arguments.binary).resolve())
    known = {"memory": memory, "first-byte": first_byte, "fairness": fairness, "cores": cores}
    out = {}
    for name in arguments.what:
        if name not in known:
            parser.error(f"unknown: {name}; there are {', '.join(known)}")
        out[name] = known[name](arguments)
        print(json.dumps({name: out[name]}), flush=True)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
