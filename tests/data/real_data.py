#!/usr/bin/env python3
"""Real data, end to end: at least 20,000 files and one large object go in with AWS CLI and rclone, a drive is deleted,
everything is listed, read back and compared byte for byte, the drive comes back empty and is whole again.

    real_data.py [--files 20000] [--large-gib 5] [--source /usr/include --source /usr/share/doc]

Needs about seven times the large object's size free. Prints figures as it goes; exit status 0 when everything held.
"""
import argparse
import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import ACCESS_KEY, REGION, SECRET_KEY, Server, binary  # noqa: E402


class Run:
    def __init__(self, server):
        self.server = server
        config = server.folder / "rclone.conf"
        config.write_text(f"[c]\ntype = s3\nprovider = Other\naccess_key_id = {ACCESS_KEY}\nsecret_access_key = {SECRET_KEY}\n"
                          f"endpoint = {server.endpoint}\nregion = {REGION}\n")
        self.rclone = ["rclone", "--config", str(config), "--transfers", "16", "--checkers", "16", "--retries", "1"]
        self.aws = ["/usr/bin/aws", "--endpoint-url", server.endpoint, "s3"]

    def timed(self, label, *command, size=0):
        begin = time.monotonic()
        done = subprocess.run(list(map(str, command)), env=self.server.client_environment(), capture_output=True, text=True)
        took = time.monotonic() - begin
        if done.returncode != 0:
            print(self.server.log())
            raise SystemExit(f"FAILED {label}: {' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        rate = f", {size / took / (1 << 20):.0f} MiB/s" if size else ""
        print(f"{label}: {took:.1f} s{rate}", flush=True)
        return done.stdout


def copy_files(sources, target, wanted):
    count = size = 0
    for source in map(pathlib.Path, sources):
        for path in sorted(source.rglob("*")):
            if not path.is_file() or path.is_symlink():
                continue
            copy = target / source.name / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            count += 1
            size += path.stat().st_size
            if count >= wanted:
                return count, size
    return count, size


def large_file(path, size):
    """Incompressible and different everywhere: one random MiB, each copy with its number in front."""
    block = bytearray(os.urandom(1 << 20))
    with open(path, "wb") as out:
        for number in range(size >> 20):
            block[:8] = number.to_bytes(8, "big")
            out.write(block)


def same_tree(a, b):
    names = sorted(str(p.relative_to(a)) for p in a.rglob("*") if p.is_file())
    others = sorted(str(p.relative_to(b)) for p in b.rglob("*") if p.is_file())
    if names != others:
        raise SystemExit(f"FAILED: {len(names)} files went in, {len(others)} came out")
    _, different, errors = filecmp.cmpfiles(a, b, names, shallow=False)
    if different or errors:
        raise SystemExit(f"FAILED: {len(different)} files differ, {len(errors)} unreadable, e.g. {(different + errors)[:3]}")
    return len(names)


def wait_whole(server, seconds):
    begin = time.monotonic()
    while time.monotonic() < begin + seconds:
        status = json.loads(subprocess.run([binary(), "admin", "status", "--json", "--endpoint", server.endpoint], check=True,
                                           env=server.client_environment(), capture_output=True, text=True).stdout)
        if all(d["state"] == "online" and not d["partitions_rebuilding"] and not d["repair_entries"] for d in status["drives"]):
            return time.monotonic() - begin
        time.sleep(1)
    raise SystemExit(f"FAILED: not whole after {seconds} s\n{json.dumps(status, indent=1)}\n{server.log()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--large-gib", type=float, default=5)
    parser.add_argument("--source", action="append")
    parser.add_argument("--folder", help="where to work (default: the temporary folder)")
    arguments = parser.parse_args()
    sources = arguments.source or ["/usr/include", "/usr/share/doc", "/usr/lib"]
    with Server(drives=4, environment={"CAIRN_MEMORY": "1GiB"}) as server:
        run = Run(server)
        tree, large = server.folder / "tree", server.folder / "large.bin"
        count, size = copy_files(sources, tree, arguments.files)
        if count < arguments.files:
            raise SystemExit(f"only {count} files under {sources}; name more with --source")
        large_size = int(arguments.large_gib * (1 << 30)) >> 20 << 20
        large_file(large, large_size)
        print(f"{count} files of {size >> 20} MiB, one of {large_size >> 20} MiB", flush=True)
        run.timed("make buckets", *run.aws, "mb", "s3://tree")
        run.timed("make bucket", *run.aws, "mb", "s3://clone")
        run.timed("aws s3 sync in", *run.aws, "sync", "--quiet", tree, "s3://tree/", size=size)
        run.timed("rclone copy in", *run.rclone, "copy", tree, "c:clone", size=size)
        run.timed("aws s3 cp large in", *run.aws, "cp", "--quiet", large, "s3://tree/large.bin", size=large_size)
        shutil.rmtree(server.drive(2))
        print("drive 2 deleted", flush=True)
        listed = run.timed("aws s3 ls", *run.aws, "ls", "--recursive", "s3://tree/").splitlines()
        if len(listed) != count + 1:
            raise SystemExit(f"FAILED: {len(listed)} listed instead of {count + 1}")
        run.timed("aws s3 cp large out", *run.aws, "cp", "--quiet", "s3://tree/large.bin", server.folder / "large.out", size=large_size)
        if not filecmp.cmp(large, server.folder / "large.out", shallow=False):
            raise SystemExit("FAILED: the large object differs")
        (server.folder / "large.out").unlink()
        run.timed("aws s3 sync out", *run.aws, "sync", "--quiet", "--exclude", "large.bin", "s3://tree/", server.folder / "out1", size=size)
        run.timed("rclone copy out", *run.rclone, "copy", "c:clone", server.folder / "out2", size=size)
        print(f"compared {same_tree(tree, server.folder / 'out1')} and {same_tree(tree, server.folder / 'out2')} files: the same", flush=True)
        server.drive(2).mkdir()
        print(f"drive 2 back, empty; whole again after {wait_whole(server, 1800):.1f} s", flush=True)
        run.timed("rclone check after", *run.rclone, "check", "--download", tree, "c:clone", size=size)
    print("everything held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
