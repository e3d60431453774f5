#!/usr/bin/env python3
"""The command-line clients people have: AWS CLI, s3cmd, rclone. Whole trees go in, come back and are compared."""
import filecmp
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import ACCESS_KEY, REGION, SECRET_KEY, Server  # noqa: E402


def setUpModule():
    global server, tree, scratch
    server = Server(drives=4).start()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="cairn-tools-", dir=server.folder))
    tree = scratch / "tree"
    make_tree(tree)


def tearDownModule():
    server.__exit__(None)


def make_tree(root):
    chooser = random.Random(3)
    names = ["a.txt", "dir/b.bin", "dir/deep/er/c", "with space/ü ber.txt", "plus+sign&amp.txt", "empty"]
    for name in names + [f"many/{i:03}.dat" for i in range(60)]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty" else chooser.randbytes(chooser.choice([10, 5_000, 200_000])))
    (root / "large.bin").write_bytes(chooser.randbytes((20 << 20) + 1))


def files_of(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


class Tools(unittest.TestCase):
    def same(self, copy):
        self.assertEqual(files_of(tree), files_of(copy))
        _, mismatch, errors = filecmp.cmpfiles(tree, copy, files_of(tree), shallow=False)
        self.assertEqual((mismatch, errors), ([], []))

    def run_tool(self, *command, check=True):
        done = subprocess.run(list(map(str, command)), env=server.client_environment(), capture_output=True, text=True, timeout=300)
        if check and done.returncode != 0:
            self.fail(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
        return done

    def test_aws_cli(self):
        aws = ("/usr/bin/aws", "--endpoint-url", server.endpoint)
        self.run_tool(*aws, "s3", "mb", "s3://cli")
        self.run_tool(*aws, "s3", "sync", tree, "s3://cli/t/")
        listed = self.run_tool(*aws, "s3", "ls", "--recursive", "s3://cli/t/").stdout.splitlines()
        self.assertEqual(len(listed), len(files_of(tree)))
        self.run_tool(*aws, "s3", "sync", "s3://cli/t/", scratch / "from-cli")
        self.same(scratch / "from-cli")
        again = self.run_tool(*aws, "s3", "sync", tree, "s3://cli/t/").stdout
        self.assertEqual(again.strip(), "", "nothing is left to copy")
        self.run_tool(*aws, "s3", "cp", "s3://cli/t/large.bin", "s3://cli/copy.bin")
        self.run_tool(*aws, "s3", "cp", "s3://cli/copy.bin", scratch / "copy.bin")
        self.assertTrue(filecmp.cmp(tree / "large.bin", scratch / "copy.bin", shallow=False))
        piped = subprocess.run([*aws, "s3", "cp", "-", "s3://cli/piped"], input=b"from a pipe", env=server.client_environment(), timeout=60)
        self.assertEqual(piped.returncode, 0)
        self.assertEqual(self.run_tool(*aws, "s3", "cp", "s3://cli/piped", "-").stdout, "from a pipe")
        url = self.run_tool(*aws, "s3", "presign", "s3://cli/piped").stdout.strip()
        self.assertEqual(self.run_tool("curl", "-sf", url).stdout, "from a pipe")
        self.run_tool(*aws, "s3", "mv", "s3://cli/piped", "s3://cli/moved")
        self.run_tool(*aws, "s3", "rm", "--recursive", "s3://cli/")
        self.run_tool(*aws, "s3", "rb", "s3://cli")

    def test_s3cmd(self):
        config = scratch / "s3cfg"
        config.write_text(f"[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\nbucket_location = {REGION}\n"
                          f"host_base = 127.0.0.1:{server.port}\nhost_bucket = 127.0.0.1:{server.port}\nuse_https = False\n"
                          "multipart_chunk_size_mb = 6\n")
        s3cmd = ("s3cmd", "-c", config, "--no-progress")
        self.run_tool(*s3cmd, "mb", "s3://cmd")
        self.run_tool(*s3cmd, "sync", f"{tree}/", "s3://cmd/t/")
        (scratch / "from-s3cmd").mkdir()
        self.run_tool(*s3cmd, "sync", "s3://cmd/t/", f"{scratch}/from-s3cmd/")
        self.same(scratch / "from-s3cmd")
        self.assertIn("large.bin", self.run_tool(*s3cmd, "ls", "s3://cmd/t/").stdout)
        self.assertIn("MD5", self.run_tool(*s3cmd, "info", "s3://cmd/t/a.txt").stdout)
        self.run_tool(*s3cmd, "del", "--recursive", "--force", "s3://cmd/")
        self.run_tool(*s3cmd, "rb", "s3://cmd")

    def test_rclone(self):
        config = scratch / "rclone.conf"
        config.write_text(f"[c]\ntype = s3\nprovider = Other\naccess_key_id = {ACCESS_KEY}\nsecret_access_key = {SECRET_KEY}\n"
                          f"endpoint = {server.endpoint}\nregion = {REGION}\nupload_cutoff = 6M\nchunk_size = 5M\n")
        rclone = ("rclone", "--config", config, "--low-level-retries", "1", "--retries", "1")
        self.run_tool(*rclone, "mkdir", "c:clone")
        self.run_tool(*rclone, "copy", tree, "c:clone/t")
        self.run_tool(*rclone, "check", tree, "c:clone/t")
        self.run_tool(*rclone, "check", "--download", tree, "c:clone/t")
        self.run_tool(*rclone, "copy", "c:clone/t", scratch / "from-rclone")
        self.same(scratch / "from-rclone")
        self.assertEqual(len(self.run_tool(*rclone, "lsf", "-R", "--files-only", "c:clone/t").stdout.splitlines()), len(files_of(tree)))
        self.run_tool(*rclone, "purge", "c:clone")


if __name__ == "__main__":
    unittest.main(verbosity=1)
