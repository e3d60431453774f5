#!/usr/bin/env python3
"""kill -9 at random moments under load: everything acknowledged is there bit for bit, everything else is absent or whole,
and nothing is listed that cannot be read.

    test_kill.py [--kills N] [--seed S] [--drives D] [--options "..."]

Each writer thread owns its keys and does one operation at a time, so the state of a key after a crash is either what was
last acknowledged or what the one operation in flight would have made of it. After each restart every key is read and
compared, then writing goes on.
"""
import argparse
import hashlib
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import PATIENCE, Server  # noqa: E402

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: E402

BUCKET = "crash"
PART = 5 << 20
ABSENT = None


def content(key, number, size):
    return random.Random(f"{key}/{number}").randbytes(size)


def answered(answer):
    """Debian's botocore reports a connection that broke after "Expect: 100-continue" as status 200 without any header."""
    if not answer["ResponseMetadata"]["HTTPHeaders"]:
        raise ConnectionError("the connection ended without an answer")


class Key:
    def __init__(self, name):
        self.name = name
        self.number = 0
        self.acknowledged = ABSENT       # (number, size) or ABSENT
        self.in_flight = []              # states that the operation that was cut off could have made


class Writer(threading.Thread):
    """Does random operations on its own keys until the server is gone or it is told to stop."""

    def __init__(self, client, keys, seed):
        super().__init__(daemon=True)
        self.client, self.keys, self.random = client, keys, random.Random(seed)
        self.halt = threading.Event()
        self.operations = 0
        self.surprise = None

    def run(self):
        while not self.halt.is_set():
            key = self.random.choice(self.keys)
            try:
                self.step(key)
                self.operations += 1
            except (HTTPClientError, ConnectionError):
                return                   # the server was killed; key.in_flight stays
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status not in (500, 503):
                    self.surprise = error
                    return
            except (BotoCoreError, OSError):
                return

    def step(self, key):
        key.number += 1
        kind = self.random.random()
        if kind < 0.15:
            key.in_flight.append(ABSENT)
            answered(self.client.delete_object(Bucket=BUCKET, Key=key.name))
            key.acknowledged, key.in_flight = ABSENT, []
            return
        size = self.random.choice([0, 10, 4096, 60_000, 131_072, 400_000, 1_500_000])
        if kind > 0.97:
            size = PART + 100
        state = (key.number, size)
        key.in_flight.append(state)
        body = content(key.name, *state)
        if size > PART:
            upload = self.client.create_multipart_upload(Bucket=BUCKET, Key=key.name)["UploadId"]
            parts = [{"PartNumber": n, "ETag": self.client.upload_part(
                Bucket=BUCKET, Key=key.name, UploadId=upload, PartNumber=n, Body=piece)["ETag"]}
                for n, piece in ((1, body[:PART]), (2, body[PART:]))]
            answered(self.client.complete_multipart_upload(Bucket=BUCKET, Key=key.name, UploadId=upload,
                                                           MultipartUpload={"Parts": parts}))
        else:
            answered(self.client.put_object(Bucket=BUCKET, Key=key.name, Body=body))
        key.acknowledged, key.in_flight = state, []


def listing(client):
    return {entry["Key"]: entry for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
            for entry in page.get("Contents", [])}


def is_listed(key, state, entry):
    """Whether a listing's entry (None: not listed) shows this state of the key."""
    if state is ABSENT or entry is None:
        return state is ABSENT and entry is None
    etag = entry["ETag"].strip('"')
    return entry["Size"] == state[1] and ("-" in etag or etag == hashlib.md5(content(key.name, *state)).hexdigest())


def read(client, key):
    """The bytes of a key, or ABSENT."""
    try:
        return client.get_object(Bucket=BUCKET, Key=key.name)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return ABSENT


def judge(key, before, body, after):
    """The problem with a key as it was listed, read and listed again, or None.

    What was in flight at the kill may take effect as late as when somebody looks closely (protocol 3.6), so the listing
    before the read may still show what was there until then. But what was shown never goes away again, and after the read
    nothing moves any more.
    """
    possible = [key.acknowledged, *key.in_flight]
    was = f"acknowledged {key.acknowledged}, in flight {key.in_flight}"
    found = [s for s in possible if (ABSENT if s is ABSENT else content(key.name, *s)) == body]
    if not found:
        what = "absent" if body is ABSENT else f"{len(body)} bytes, md5 {hashlib.md5(body).hexdigest()}"
        return f"found {what}, {was}"
    state = found[0]
    if not any(is_listed(key, s, before) for s in possible):
        return f"listed as {before}, {was}"
    if state == key.acknowledged and not is_listed(key, state, before):
        return f"listed as {before}, then read as {state}: it went away again, {was}"
    if not is_listed(key, state, after):
        return f"read as {state}, then listed as {after}, {was}"
    key.acknowledged, key.in_flight = state, []
    return None


def check(client, keys):
    """Compares every key; returns the problems. What is found becomes the acknowledged state."""
    problems, bodies = [], {}
    before = listing(client)
    for key in keys:
        try:
            bodies[key.name] = read(client, key)
        except ClientError as error:
            problems.append(f"{key.name}: {error}")
    after = listing(client)
    for name in (before.keys() | after.keys()) - {key.name for key in keys}:
        problems.append(f"{name}: listed but never written")
    for key in keys:
        if key.name not in bodies:
            continue
        problem = judge(key, before.get(key.name), bodies[key.name], after.get(key.name))
        if problem:
            problems.append(f"{key.name}: {problem}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--drives", type=int, default=4)
    parser.add_argument("--writers", type=int, default=6)
    parser.add_argument("--keys", type=int, default=20, help="of each writer")
    parser.add_argument("--options", default="", help="more options of the server")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chooser = random.Random(arguments.seed)
    server = Server(drives=arguments.drives, options=arguments.options.split())
    operations = failures = 0
    with server:
        client = server.boto3()
        client.create_bucket(Bucket=BUCKET)
        groups = [[Key(f"w{w}/k{k:03}") for k in range(arguments.keys)] for w in range(arguments.writers)]
        everything = [key for group in groups for key in group]
        for kill in range(1, arguments.kills + 1):
            writers = [Writer(server.boto3(), group, chooser.random()) for group in groups]
            for writer in writers:
                writer.start()
            time.sleep(chooser.uniform(0.05, 1.5) * PATIENCE)
            server.kill()
            for writer in writers:
                writer.halt.set()
                writer.join(70 * PATIENCE)
            operations += sum(w.operations for w in writers)
            surprises = [str(w.surprise) for w in writers if w.surprise]
            begin = time.monotonic()
            server.start()
            up = time.monotonic() - begin
            problems = surprises + check(client, everything)
            print(f"kill {kill}: {sum(w.operations for w in writers)} operations, up again in {up:.2f} s, "
                  f"{len(problems)} problems", flush=True)
            for problem in problems:
                print(f"  {problem}")
            failures += len(problems)
            if failures:
                break
        assert operations > arguments.kills, "hardly anything was written: the test proves nothing"
        status = server.stop()
        if status != 0:
            failures += 1
            print(f"SIGTERM: exit status {status}")
    print(f"{operations} operations, {kill} kills, {failures} problems (seed {arguments.seed})")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
