#!/usr/bin/env python3
"""Lost, empty, foreign, swapped, corrupt and returning drives, against a started server."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import PATIENCE, Server, binary  # noqa: E402

SIZES = [0, 10, 5_000, 131_072, 300_000, 600_000, 1_200_000, 2_000_000]


def body_of(number):
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


class Drives(unittest.TestCase):
    def fill(self, client, first, last):
        for number in range(first, last):
            client.put_object(Bucket="drives", Key=f"o{number:04}", Body=body_of(number))

    def verify(self, client, last):
        listed = [o["Key"] for page in client.get_paginator("list_objects_v2").paginate(Bucket="drives") for o in page.get("Contents", [])]
        self.assertEqual(listed, [f"o{number:04}" for number in range(last)])
        for number in range(last):
            self.assertEqual(client.get_object(Bucket="drives", Key=f"o{number:04}")["Body"].read(), body_of(number), number)

    def status(self, server):
        done = subprocess.run([binary(), "admin", "status", "--json", "--endpoint", server.endpoint],
                              env=server.client_environment(), capture_output=True, text=True, timeout=30 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def wait_whole(self, server, seconds=90):
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            drives = self.status(server)["drives"]
            if all(d["state"] == "online" and d["partitions_rebuilding"] == 0 and d["repair_entries"] == 0 for d in drives):
                return
            time.sleep(0.5)
        self.fail(f"not whole after {seconds} s: {json.dumps(drives, indent=1)}\n{server.log()}")

    def rot(self, drive):
        """Flips a byte in the first block of every blob of a drive, and in every second shard of its shard log."""
        def flip(file, offset):
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 0xFF]))

        blobs = list(drive.glob("blobs/*/*"))
        self.assertGreater(len(blobs), 5)
        for path in blobs:
            with open(path, "r+b") as blob:
                flip(blob, 4096 + 100)
        segments = list(drive.glob("log/*.seg"))
        self.assertGreater(sum(path.stat().st_size for path in segments), 500_000)
        for path in segments:
            with open(path, "r+b") as segment:
                for offset in range(4096 + 100, path.stat().st_size, 220_000):
                    flip(segment, offset)

    def prove_needed(self, server, client, away, rotten, last):
        """Reads everything with one drive gone and another rotten: of 2+2, the two others must both be whole."""
        server.stop()
        shutil.move(server.drive(away), server.folder / "proof")
        self.rot(server.drive(rotten))
        server.start()
        self.verify(client, last)

    def test_a_drive_vanishes_while_running_and_comes_back_empty(self):
        with Server(drives=4) as server:
            client = server.boto3()
            client.create_bucket(Bucket="drives")
            self.fill(client, 0, 60)
            shutil.rmtree(server.drive(2))
            self.verify(client, 60)
            self.fill(client, 60, 90)
            self.verify(client, 90)
            self.assertEqual(server.health("live"), 200)
            server.drive(2).mkdir()
            self.wait_whole(server)
            self.fill(client, 90, 100)
            self.wait_whole(server)
            self.prove_needed(server, client, away=1, rotten=3, last=100)

    def test_restart_with_a_missing_drive_then_with_the_old_one_back(self):
        with Server(drives=4) as server:
            client = server.boto3()
            client.create_bucket(Bucket="drives")
            self.fill(client, 0, 40)
            server.stop()
            shutil.move(server.drive(3), server.folder / "away")
            server.start()
            self.verify(client, 40)
            self.fill(client, 40, 60)
            server.stop()
            shutil.move(server.folder / "away", server.drive(3))
            server.start()
            self.verify(client, 60)
            self.wait_whole(server)
            self.verify(client, 60)

    def test_swapped_drives_are_known_by_their_id(self):
        with Server(drives=4) as server:
            client = server.boto3()
            client.create_bucket(Bucket="drives")
            self.fill(client, 0, 20)
            server.stop()
            os.rename(server.drive(1), server.folder / "x")
            os.rename(server.drive(4), server.drive(1))
            os.rename(server.folder / "x", server.drive(4))
            server.start()
            self.verify(client, 20)

    def test_a_foreign_drive_is_refused_by_name(self):
        with Server(drives=4) as other:
            other.stop()
            with Server(drives=4) as server:
                client = server.boto3()
                client.create_bucket(Bucket="drives")
                server.stop()
                shutil.rmtree(server.drive(2))
                shutil.copytree(other.drive(2), server.drive(2))
                server.start(wait_seconds=0)
                self.assertEqual(server.process.wait(30 * PATIENCE), 1, server.log())
                self.assertIn("another cluster", server.log())
                self.assertIn(str(server.drive(2)), server.log())

    def test_too_few_drives_are_refused(self):
        with Server(drives=4) as server:
            server.boto3().create_bucket(Bucket="drives")
            server.stop()
            for number in (1, 2, 3):
                shutil.move(server.drive(number), server.folder / f"away{number}")
            server.start(wait_seconds=0)
            self.assertEqual(server.process.wait(30 * PATIENCE), 1, server.log())
            self.assertIn("needs 3 of 4 drives", server.log())

    def test_rotten_shards_are_served_around_and_repaired(self):
        with Server(drives=4, options=["--scrub-rate", "1GiB"]) as server:
            client = server.boto3()
            client.create_bucket(Bucket="drives")
            self.fill(client, 0, 30)
            self.rot(server.drive(1))
            self.verify(client, 30)
            done = subprocess.run([binary(), "admin", "scrub", "--wait", "--endpoint", server.endpoint],
                                  env=server.client_environment(), capture_output=True, text=True, timeout=120 * PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.wait_whole(server)
            self.prove_needed(server, client, away=2, rotten=3, last=30)


if __name__ == "__main__":
    unittest.main(verbosity=1)
