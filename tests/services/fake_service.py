"""A small service for the tests: `python fake_service.py PORT [behaviour ...]`, answering GET with its pid and name.

Behaviours: `broken` exits at once, `slow` begins to listen after a while, `child` starts a child process,
`stubborn` ignores SIGTERM and lets its child ignore it too, `deaf` never listens.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import time

port, behaviours = int(sys.argv[1]), set(sys.argv[2:])

if "stubborn" in behaviours:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "child" in behaviours:
    subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(600)"])
print(f"fake service with {sorted(behaviours)}", flush=True)
if "broken" in behaviours:
    print("RuntimeError: the flux capacitor is missing", flush=True)
    sys.exit(3)
if "slow" in behaviours:
    time.sleep(4)
if "deaf" in behaviours:
    time.sleep(600)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"pid": os.getpid(), "greeting": os.environ.get("GREETING")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
