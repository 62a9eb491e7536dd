# SPDX-License-Identifier: PostgreSQL
"""System calls per transaction, counted by strace: exact where processor time is noisy."""

import shutil
import signal
import subprocess
import time

from servers import BenchError

ATTACH_SECONDS = 10


def can_count():
    return shutil.which("strace") is not None


class Counter:
    """Counts the system calls of a running server; strace slows it, so time means nothing."""

    def __init__(self, server, workplace):
        self.report = workplace / "system-calls"
        self.process = subprocess.Popen(
            ["strace", "-c", "-f", "-p", str(server.process.pid), "-o", self.report],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + ATTACH_SECONDS
        line = self.process.stderr.readline()
        if "attached" not in line or time.monotonic() > deadline:
            self.process.kill()
            self.process.wait()
            raise BenchError(f"strace does not attach: {line.strip()}")

    def stop(self):
        """All calls since the beginning."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=ATTACH_SECONDS)
        # time seconds usecs/call calls [errors] name
        for line in self.report.read_text().splitlines():
            fields = line.split()
            if fields and fields[-1] == "total":
                return int(fields[3])
        raise BenchError("strace counted nothing")
