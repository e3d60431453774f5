#!/usr/bin/env python3
"""Runs js/sdk.test.mjs (AWS SDK for JavaScript v3) against a started server."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support.server import Server  # noqa: E402

if __name__ == "__main__":
    with Server(drives=4) as server:
        environment = server.client_environment()
        environment["CAIRN_ENDPOINT"] = server.endpoint
        sys.exit(subprocess.run(["node", "--test", "sdk.test.mjs"], cwd=HERE / "js", env=environment, timeout=300).returncode)
