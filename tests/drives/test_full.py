#!/usr/bin/env python3
"""Full drives: writers get a clear error, reads and deletes go on, nothing acknowledged is lost, room makes it write again.
Each drive is a small tmpfs of its own, so this needs the right to mount."""
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import Server  # noqa: E402

from botocore.exceptions import ClientError  # noqa: E402

DRIVE_MIB = 160
BODY_BYTES = 3 << 20


def body_of(number):
    return number.to_bytes(8, "big") * (BODY_BYTES // 8)


class Full(unittest.TestCase):
    def setUp(self):
        self.server = Server(drives=4, environment={"CAIRN_MEMORY": "256MiB"})
        self.mounted = []
        for number in range(1, 5):
            self.server.drive(number).mkdir()
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DRIVE_MIB}m", "cairn-test", self.server.drive(number)],
                                  capture_output=True, text=True)
            if done.returncode != 0:
                self.tearDown()
                self.skipTest(f"no right to mount a tmpfs here: {done.stderr.strip()}")
            self.mounted.append(self.server.drive(number))

    def tearDown(self):
        if self.server.process is not None and self.server.process.poll() is None:
            self.server.stop()
        for path in self.mounted:
            subprocess.run(["umount", path], check=True)
        self.server.__exit__(None)

    def test_full_and_free_again(self):
        self.server.start()
        client = self.server.boto3()
        client.create_bucket(Bucket="full")
        stored = []
        for number in range(1000):
            try:
                client.put_object(Bucket="full", Key=f"o{number:04}", Body=body_of(number))
                stored.append(number)
            except ClientError as error:
                self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 507, error)
                break
        else:
            self.fail("a thousand objects of 3 MiB fit on drives of 160 MiB")
        self.assertGreater(len(stored), 20)
        for number in stored:
            self.assertEqual(client.get_object(Bucket="full", Key=f"o{number:04}")["Body"].read(), body_of(number))
        listed = [o["Key"] for o in client.list_objects_v2(Bucket="full")["Contents"]]
        self.assertEqual(listed, [f"o{number:04}" for number in stored])
        self.assertEqual(self.server.health("live"), 200)
        for number in stored[:15]:
            client.delete_object(Bucket="full", Key=f"o{number:04}")
        deadline = time.monotonic() + 60
        while True:  # unlinking follows behind the answer
            try:
                client.put_object(Bucket="full", Key="again", Body=body_of(7))
                break
            except ClientError as error:
                self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 507, error)
                self.assertLess(time.monotonic(), deadline, "fifteen objects were deleted, yet nothing can be written")
                time.sleep(0.5)
        self.server.stop()
        self.server.start()
        client = self.server.boto3()
        for number in stored[15:]:
            self.assertEqual(client.get_object(Bucket="full", Key=f"o{number:04}")["Body"].read(), body_of(number))
        self.assertEqual(client.get_object(Bucket="full", Key="again")["Body"].read(), body_of(7))


if __name__ == "__main__":
    unittest.main(verbosity=1)
