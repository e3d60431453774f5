#!/usr/bin/env python3
"""The process as an operator meets it: start, credentials, health, metrics, logs, drain, refusals."""
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.server import ACCESS_KEY, SECRET_KEY, Server, binary  # noqa: E402


def run(*arguments, **more):
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, **more)


class CommandLine(unittest.TestCase):
    def test_help_explains_itself(self):
        for arguments in (("--help",), ("help",), ("server", "--help"), ("bench", "--help"), ("admin", "--help"), ("calibrate", "--help")):
            done = run(*arguments)
            self.assertEqual(done.returncode, 0, arguments)
            self.assertGreater(len(done.stdout), 200, arguments)
        self.assertIn("CAIRN_LISTEN", run("server", "--help").stdout)
        self.assertRegex(run("--version").stdout, r"^cairn \d+\.\d+\.\d+\n$")

    def test_mistakes_are_refused_with_a_sentence(self):
        for arguments, expected in (((), "no command"), (("fly",), "unknown command"), (("server",), "no drives"),
                                    (("server", "--erasure", "9+9", "/tmp/x"), "--erasure"),
                                    (("server", "/tmp/x{1..4}"), "range"), (("server", "--nope", "/tmp/x"), "--help"),
                                    (("bench", "get"), "AWS_ACCESS_KEY_ID")):
            environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CAIRN_"))}
            done = run(*arguments, env=environment)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(expected, done.stderr)

    def test_a_second_server_on_the_same_drives_or_port_is_refused(self):
        with Server(drives=2) as first:
            same_drives = Server(drives=2, folder=first.folder)
            same_drives.start(wait_seconds=0)
            self.assertEqual(same_drives.process.wait(30), 1)
            self.assertIn("in use by another process", first.log())
            with_port = Server(drives=1, port=first.port)
            with_port.start(wait_seconds=0)
            self.assertEqual(with_port.process.wait(30), 1)
            self.assertIn(str(first.port), with_port.log())
            with_port.__exit__(None)
            self.assertEqual(first.health(), 200)


class Operations(unittest.TestCase):
    def test_first_start_makes_credentials_that_stay_secret(self):
        server = Server(drives=2, options=["--access-log", "-", "--log-level", "debug"])
        del_keys = server.clean_environment
        server.clean_environment = lambda: {k: v for k, v in del_keys().items() if not k.startswith("CAIRN_ROOT")}
        with server:
            path = server.folder / "credentials"
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            text = path.read_text()
            secret = re.search(r"aws_secret_access_key = (\S+)", text).group(1)
            access = re.search(r"aws_access_key_id = (\S+)", text).group(1)
            environment = {k: v for k, v in server.client_environment().items() if not k.startswith("AWS_")}
            environment.update(AWS_SHARED_CREDENTIALS_FILE=str(path))
            for command in (["s3", "mb", "s3://first"], ["s3", "cp", str(path.parent / "server.log"), "s3://first/x"], ["s3", "ls", "s3://first/"]):
                done = subprocess.run(["/usr/bin/aws", "--endpoint-url", server.endpoint, *command], env=environment,
                                      capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
            server.stop()
            server.start()
            self.assertEqual(path.read_text(), text)
            log = server.log_path.read_text()
            self.assertIn("PutObject", log)
            self.assertNotIn(secret, log)
            self.assertNotIn("Signature=", log)
            self.assertTrue(access)

    def test_health_and_metrics(self):
        with Server(drives=4) as server:
            client = server.boto3()
            client.create_bucket(Bucket="metrics-test")
            client.put_object(Bucket="metrics-test", Key="a", Body=b"x" * 1000)
            client.get_object(Bucket="metrics-test", Key="a")["Body"].read()
            self.assertEqual((server.health("live"), server.health("ready")), (200, 200))
            with urllib.request.urlopen(f"{server.endpoint}/metrics") as answer:
                text = answer.read().decode()
            samples = dict(re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.M))
            put = [v for k, v in samples.items() if 'operation="PutObject"' in k and 'status="200"' in k and "request" in k]
            self.assertIn("1", put, "one PutObject was answered with 200")
            self.assertTrue(any("sync" in name for name in samples))
            for name in {re.match(r"[a-z_]+", k).group(0) for k in samples}:
                base = re.sub(r"_(bucket|sum|count)$", "", name)
                self.assertTrue(f"# HELP {name} " in text or f"# HELP {base} " in text, name)

    def test_drain_cuts_no_request(self):
        with Server(drives=4) as server:
            client = server.boto3()
            client.create_bucket(Bucket="drain")
            body = os.urandom(1 << 20)
            stop, stored, failures = threading.Event(), [], []

            def writer(lane):
                own, number = server.boto3(), 0
                while not stop.is_set():
                    key = f"w{lane}/{number}"
                    try:
                        own.put_object(Bucket="drain", Key=key, Body=body)
                        stored.append(key)
                    except Exception as error:  # after the stop, connections are refused or closed between requests
                        if not server_stopping.is_set():
                            failures.append(error)
                        return
                    number += 1

            server_stopping = threading.Event()
            lanes = [threading.Thread(target=writer, args=(lane,)) for lane in range(4)]
            for lane in lanes:
                lane.start()
            time.sleep(1.0)
            # A slow upload in progress finishes although the stop comes in its middle.
            signer = server.boto3(signature_version="s3v4")
            url = signer.generate_presigned_url("put_object", Params={"Bucket": "drain", "Key": "slow"})
            target = url[len(server.endpoint):]
            slow = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            slow.sendall(f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 6\r\n\r\nabc".encode())
            time.sleep(0.3)
            server_stopping.set()
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.7)
            slow.sendall(b"def")
            answer = slow.recv(65536)
            self.assertIn(b"200 OK", answer)
            stop.set()
            for lane in lanes:
                lane.join(60)
            self.assertEqual(server.process.wait(60), 0)
            self.assertEqual(failures, [])
            self.assertGreater(len(stored), 0)
            server.start()
            client = server.boto3()
            for key in stored:
                self.assertEqual(client.get_object(Bucket="drain", Key=key)["Body"].read(), body, key)
            self.assertEqual(client.get_object(Bucket="drain", Key="slow")["Body"].read(), b"abcdef")

    def test_virtual_hosts(self):
        with Server(drives=1, options=["--domain", "s3.example.test"]) as server:
            client = server.boto3()
            client.create_bucket(Bucket="vhost")
            client.put_object(Bucket="vhost", Key="a/b", Body=b"by host name")
            import botocore.auth
            import botocore.awsrequest
            import botocore.credentials
            request = botocore.awsrequest.AWSRequest("GET", "http://vhost.s3.example.test/a/b", headers={"Host": "vhost.s3.example.test"})
            credentials = botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY)
            botocore.auth.S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
            raw = urllib.request.Request(f"{server.endpoint}/a/b", headers=dict(request.headers.items()))
            with urllib.request.urlopen(raw) as answer:
                self.assertEqual(answer.read(), b"by host name")


if __name__ == "__main__":
    unittest.main(verbosity=1)
