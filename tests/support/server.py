"""A Cairn server for tests: fresh drives in a temporary folder, a free port on loopback, known root keys.

    with Server(drives=4) as server:
        s3 = server.boto3()

The binary is $CAIRN_BINARY. The server is ended by its own pid; its log stays in memory and is printed when a test
fails to start it. kill() is SIGKILL, start() starts it again on the same drives and port. A server that ends on its own,
or does not end well when told to, fails the test.

$CAIRN_TEST_PATIENCE (default 1) multiplies every time that a test waits for something before it gives up: binaries with
sanitizers are many times slower (./dev sanitize server).
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ACCESS_KEY = "TESTROOTUSER"
SECRET_KEY = "test-root-password-1"
REGION = "us-east-1"
PATIENCE = float(os.environ.get("CAIRN_TEST_PATIENCE", "1"))


def binary():
    path = os.environ.get("CAIRN_BINARY")
    if not path or not os.access(path, os.X_OK):
        raise SystemExit("set CAIRN_BINARY to the cairn binary (./dev build makes build/release/cairn)")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, drives=4, options=(), environment=None, folder=None, port=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="cairn-test-"))
        self.own_folder = folder is None
        self.drive_count = drives
        self.options = list(options)
        self.environment = dict(environment or {})
        self.port = port or free_port()
        self.process = None
        self.log_path = self.folder / "server.log"

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def drive(self, number):
        """The directory of drive 1, 2, ..."""
        return self.folder / f"drive{number}"

    def command(self):
        return [binary(), "server", "--listen", f"127.0.0.1:{self.port}", *self.options,
                str(self.folder / f"drive{{1...{self.drive_count}}}")]

    def clean_environment(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CAIRN_"))}
        environment.update(CAIRN_ROOT_USER=ACCESS_KEY, CAIRN_ROOT_PASSWORD=SECRET_KEY, CAIRN_REGION=REGION,
                           CAIRN_MEMORY="512MiB")
        environment.update(self.environment)
        return environment

    def start(self, wait_seconds=30):
        for number in range(1, self.drive_count + 1):
            if not self.drive(number).exists() and not (self.folder / "made").exists():
                self.drive(number).mkdir(parents=True)
        (self.folder / "made").touch()
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command(), env=self.clean_environment(), stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log)
        log.close()
        if wait_seconds:
            self.wait_ready(wait_seconds)
        return self

    def health(self, which="ready", timeout=5):
        """HTTP status of a health page, or None when nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.endpoint}/health/{which}", timeout=timeout) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def metric(self, name):
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"{self.endpoint}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def wait_ready(self, seconds=30, statuses=(200,)):
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}\n{self.log()}")
            if self.health() in statuses:
                return
            time.sleep(0.02)
        raise AssertionError(f"the server was not ready in {seconds} s\n{self.log()}")

    def log(self):
        return self.log_path.read_text(errors="replace")[-20000:] if self.log_path.exists() else ""

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=60):
        """SIGTERM; returns the exit status."""
        if self.process is None:
            return None
        timeout *= PATIENCE
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the server did not end in {timeout} s\n{self.log()}")
        return self.process.returncode

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if self.process is not None:
                running = self.process.poll() is None
                status = self.stop()
                crashed = status < 0 and status != -signal.SIGKILL
                if crashed or (running and status != 0):
                    kind = kind or AssertionError
                    raise AssertionError(f"the server ended with {status}")
        finally:
            if kind is not None:
                print(self.log())
            if self.own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    # -- clients

    def client_environment(self):
        environment = self.clean_environment()
        environment.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_DEFAULT_REGION=REGION,
                           AWS_REGION=REGION, AWS_EC2_METADATA_DISABLED="true", HOME=str(self.folder),
                           AWS_CONFIG_FILE=str(self.folder / "no-aws-config"),
                           AWS_SHARED_CREDENTIALS_FILE=str(self.folder / "no-aws-credentials"))
        return environment

    def boto3(self, **config):
        import boto3
        from botocore.config import Config
        settings = dict(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, connect_timeout=5 * PATIENCE,
                        read_timeout=60 * PATIENCE, max_pool_connections=64)
        settings.update(config)
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY,
                            aws_secret_access_key=SECRET_KEY, config=Config(**settings))

    def aws(self, *arguments, check=True, **options):
        """Runs Debian's AWS CLI against the server."""
        return subprocess.run(["/usr/bin/aws", "--endpoint-url", self.endpoint, *map(str, arguments)], check=check,
                              env=self.client_environment(), capture_output=True, text=True, **options)
