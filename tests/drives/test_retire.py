#!/usr/bin/env python3
"""A mirror of two drives loses one for good (protocol 7.6): only an operator's word makes it go on, and what was lost is no
member any more when it comes back. Against a started server."""
import json
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

import botocore.exceptions

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import PATIENCE, Server, binary  # noqa: E402

SIZES = [0, 10, 5_000, 131_072, 300_000, 1_200_000]


def body_of(number):
    return bytes([number % 251]) * SIZES[number % len(SIZES)]


class Retire(unittest.TestCase):
    def fill(self, client, first, last):
        for number in range(first, last):
            client.put_object(Bucket="mirror", Key=f"o{number:04}", Body=body_of(number))

    def verify(self, client, last):
        for number in range(last):
            self.assertEqual(client.get_object(Bucket="mirror", Key=f"o{number:04}")["Body"].read(), body_of(number), number)
        listed = client.list_objects_v2(Bucket="mirror").get("Contents", [])
        self.assertEqual([o["Key"] for o in listed], [f"o{number:04}" for number in range(last)])

    def refused(self, client, key="not"):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            client.put_object(Bucket="mirror", Key=key, Body=b"x")
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 503)

    def admin(self, server, *arguments):
        return subprocess.run([binary(), "admin", *arguments, "--endpoint", server.endpoint],
                              env=server.client_environment(), capture_output=True, text=True, timeout=60 * PATIENCE)

    def drives(self, server):
        done = self.admin(server, "status", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["drives"]

    def wait(self, server, what, seconds=90):
        deadline = time.monotonic() + seconds * PATIENCE
        while time.monotonic() < deadline:
            drives = self.drives(server)
            if what(drives):
                return drives
            time.sleep(0.3)
        self.fail(f"not so after {seconds} s: {json.dumps(drives, indent=1)}\n{server.log()}")

    def wait_whole(self, server):
        return self.wait(server, lambda drives: all(d["state"] == "online" and d["partitions_rebuilding"] == 0
                                                    and d["repair_entries"] == 0 for d in drives))

    def made(self, server):
        client = server.boto3()
        client.create_bucket(Bucket="mirror")
        self.fill(client, 0, 30)
        return client

    def start_is_refused(self, server, *says):
        server.start(wait_seconds=0)
        self.assertEqual(server.process.wait(30 * PATIENCE), 1, server.log())
        last = server.log().strip().splitlines()[-1]
        for text in says:
            self.assertIn(text, last)

    def alone_serves(self, server, client, number, last):
        """The other drive away: of a mirror, the replacement alone holds everything."""
        shutil.rmtree(server.drive(number))
        self.wait(server, lambda drives: any(d["state"] == "missing" for d in drives))
        self.verify(client, last)

    def test_a_start_on_one_drive_takes_an_operators_word(self):
        with Server(drives=2) as server:
            client = self.made(server)
            lost = self.drives(server)[1]["id"]
            server.stop()
            away = server.folder / "away"
            shutil.move(server.drive(2), away)
            self.start_is_refused(server, lost, "--retire-drive")
            server.drive(2).mkdir()
            self.start_is_refused(server, lost, "--retire-drive")
            self.assertEqual(list(server.drive(2).iterdir()), [])

            server.options = ["--retire-drive", lost]
            server.start()
            self.verify(client, 30)
            self.fill(client, 30, 40)
            # The word stays in the command line: it is in vain from then on.
            server.stop()
            server.start()
            server.options = []
            drives = self.wait_whole(server)
            self.assertNotIn(lost, [d["id"] for d in drives])
            self.fill(client, 40, 50)

            # The lost drive is back in its old place: it has no say, and alone it serves nothing.
            server.stop()
            kept = server.folder / "kept"
            shutil.move(server.drive(2), kept)
            shutil.move(away, server.drive(2))
            self.start_is_refused(server, "--retire-drive")
            self.assertIn("was replaced while it was away", server.log())
            shutil.move(server.drive(1), server.folder / "first")
            self.start_is_refused(server, "2 of 2 drives")
            shutil.move(server.folder / "first", server.drive(1))
            shutil.move(server.drive(2), away)
            shutil.move(kept, server.drive(2))
            server.start()
            self.verify(client, 50)
            self.wait_whole(server)
            self.alone_serves(server, client, 1, 50)

    def test_a_drive_is_given_up_while_the_server_runs(self):
        with Server(drives=2) as server:
            client = self.made(server)
            first, lost = (d["id"] for d in self.drives(server))
            there = self.admin(server, "retire", str(server.drive(2)), "--yes")
            self.assertEqual(there.returncode, 1)
            self.assertIn("it is not lost", there.stderr)
            away = server.folder / "away"
            shutil.copytree(server.drive(2), away)
            shutil.rmtree(server.drive(2))
            self.wait(server, lambda drives: drives[1]["state"] == "missing")
            self.verify(client, 30)
            self.refused(client)
            # An empty directory alone is no word of an operator.
            server.drive(2).mkdir()
            self.wait(server, lambda drives: "cairn admin retire " + lost in drives[1]["reason"])
            self.assertEqual(list(server.drive(2).iterdir()), [])
            self.refused(client)

            unknown = self.admin(server, "retire", "0" * 31 + "1", "--yes")
            self.assertEqual(unknown.returncode, 1)
            self.assertIn("no drive", unknown.stderr)
            explained = self.admin(server, "retire", lost)
            self.assertEqual(explained.returncode, 2, explained.stderr)
            self.assertIn("Nothing was done", explained.stdout)
            self.assertEqual(list(server.drive(2).iterdir()), [])
            server.drive(2).rmdir()
            no_place = self.admin(server, "retire", lost, "--yes")
            self.assertEqual(no_place.returncode, 1)
            self.assertIn("put an empty directory in its place first", no_place.stderr)
            server.drive(2).mkdir()
            done = self.admin(server, "retire", str(server.drive(2)), "--yes")
            self.assertEqual(done.returncode, 0, done.stderr + server.log())
            self.assertIn(lost, done.stdout)

            server.wait_ready()
            self.fill(client, 30, 40)
            drives = self.wait_whole(server)
            self.assertEqual(drives[0]["id"], first)
            self.assertNotEqual(drives[1]["id"], lost)
            self.verify(client, 40)

            # The lost drive comes back while the server runs: it is not taken in.
            shutil.rmtree(server.drive(2))
            shutil.copytree(away, server.drive(2))
            self.wait(server, lambda drives: drives[1]["state"] == "missing")
            time.sleep(8)
            self.assertEqual(self.drives(server)[1]["state"], "missing")
            self.refused(client)
            holds = self.admin(server, "retire", str(server.drive(2)), "--yes")
            self.assertEqual(holds.returncode, 1)
            self.assertIn("another drive", holds.stderr)
            shutil.rmtree(server.drive(2))
            server.drive(2).mkdir()
            self.assertEqual(self.admin(server, "retire", str(server.drive(2)), "--yes").returncode, 0)
            self.wait_whole(server)
            self.alone_serves(server, client, 1, 40)

    def test_two_of_four_and_what_is_left_without_a_vote(self):
        with Server(drives=4) as server:
            client = self.made(server)
            ids = [d["id"] for d in self.drives(server)]
            server.stop()
            for number in (3, 4):
                shutil.rmtree(server.drive(number))
            server.drive(4).mkdir()
            self.start_is_refused(server, ids[3], "--retire-drive")
            server.options = ["--retire-drive", ids[3]]
            server.start()
            server.options = []
            self.verify(client, 30)
            self.fill(client, 30, 40)
            server.drive(3).mkdir()
            self.wait_whole(server)
            server.stop()
            for number in (1, 2, 3):
                shutil.move(server.drive(number), server.folder / f"gone{number}")
            server.drive(1).mkdir()
            server.options = ["--retire-drive", ids[0]]
            self.start_is_refused(server, "cannot be given up", "it takes 2")
            self.assertEqual(list(server.drive(1).iterdir()), [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
