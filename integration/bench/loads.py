# SPDX-License-Identifier: PostgreSQL
"""What is done to the servers, and what is measured meanwhile."""

import contextlib
import dataclasses
import os
import re
import socket
import struct
import subprocess
import time

from servers import BenchError

RESULT_ROWS = 100_000
RESULT_ROW_BYTES = 1_000
SPARE_SECONDS = 40  # Beyond its own duration, for a pgbench with 1,000 connections to make.
READY_IDLE = b"Z\x00\x00\x00\x05I"


@dataclasses.dataclass(frozen=True)
class Load:
    """One row of the table."""

    title: str
    clients: int = 1
    protocol: str = "simple"
    reconnect: bool = False
    tls: bool = False
    big_result: bool = False

    def suits(self, target):
        # More clients than PostgreSQL has connections need somebody who pools.
        return target.is_pooler or self.clients <= 64


LOADS = [
    Load(f"{protocol}, {clients} client{'s' if clients > 1 else ''}", clients, protocol)
    for protocol in ("simple", "extended", "prepared")
    for clients in (1, 16, 64)
] + [
    Load("a connection per transaction, 16 clients", 16, reconnect=True),
    Load("1,000 clients on a pool of 20", 1000),
    Load("TLS, simple, 16 clients", 16, tls=True),
    Load("100 MB result", big_result=True),
]


@dataclasses.dataclass
class Measurement:
    transactions_per_second: float
    transactions: int
    p50_us: float | None = None
    p99_us: float | None = None
    cpu_us: float | None = None         # Of the proxy, per transaction.
    user_share: float | None = None     # Of cpu_us.
    system_calls: float | None = None   # Of the proxy, per transaction.


class CpuMeter:
    """Processor time that a target takes between start and read."""

    def __init__(self, target):
        self.target = target if target.is_proxy else None
        if self.target:
            self.ns = target.cpu_ns()
            self.ticks = target.cpu_ticks()

    def fill(self, measurement):
        if not self.target:
            return
        measurement.cpu_us = (self.target.cpu_ns() - self.ns) / 1000 / measurement.transactions
        user, system = (b - a for a, b in zip(self.ticks, self.target.cpu_ticks()))
        measurement.user_share = user / (user + system) if user + system else None


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def run_pgbench(target, load, seconds, pgbench, workplace):
    """pgbench -S against the target."""
    prefix = workplace / "latency"
    words = [pgbench, "-n", "-S", "-h", "127.0.0.1", "-p", target.port, "-U", "bench",
             "-M", load.protocol, "-c", load.clients, "-j", 1, "-T", seconds,
             "-l", f"--log-prefix={prefix}", "--sampling-rate=0.2"]
    if load.reconnect:
        words.append("-C")
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
                   "PGSSLMODE": "require" if load.tls else "disable", "PGGSSENCMODE": "disable"}
    meter = CpuMeter(target)
    try:
        done = subprocess.run([str(word) for word in [*words, target.database(load)]],
                              capture_output=True, text=True, env=environment, check=False,
                              timeout=seconds + SPARE_SECONDS)
    except subprocess.TimeoutExpired as late:
        raise BenchError("pgbench did not end") from late
    processed = re.search(r"actually processed: (\d+)", done.stdout)
    speed = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not processed or not speed or int(processed[1]) == 0:
        raise BenchError((done.stderr or done.stdout)[-500:])
    measurement = Measurement(float(speed[1]), int(processed[1]))
    meter.fill(measurement)
    latencies = []
    for log in workplace.glob("latency.*"):
        latencies += [int(line.split()[2]) for line in log.read_text().splitlines()]
        log.unlink()
    latencies.sort()
    # With -C pgbench's latency leaves out the connecting, which is what that load is about.
    if not load.reconnect:
        measurement.p50_us = percentile(latencies, 0.50)
        measurement.p99_us = percentile(latencies, 0.99)
    return measurement


class RawClient:
    """A client that keeps nothing: one socket."""

    buffer = bytearray(1 << 20)  # Of all clients: only one reads at a time.

    def __init__(self, port, database):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        words = f"user\0bench\0database\0{database}\0\0".encode()
        self.socket.sendall(struct.pack(">II", len(words) + 8, 3 << 16) + words)
        self.wait_until_ready()

    def query(self, text):
        """Runs a query without looking at its rows; the number of bytes that came back."""
        body = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack(">I", len(body) + 4) + body)
        return self.wait_until_ready()

    def wait_until_ready(self):
        buffer = self.buffer
        received = 0
        tail = b""
        while not tail.endswith(READY_IDLE):
            count = self.socket.recv_into(buffer)
            if count == 0:
                raise BenchError(f"the connection was closed after {bytes(tail)!r}")
            received += count
            tail = (tail + buffer[max(0, count - 200):count])[-200:]
        return received

    def close(self):
        self.socket.close()


def run_big_result(target, load, seconds):
    """One client reads a result of 100 MB again and again."""
    text = f"SELECT repeat('x', {RESULT_ROW_BYTES}) FROM generate_series(1, {RESULT_ROWS})"
    client = RawClient(target.port, target.database(load))
    with contextlib.closing(client):
        meter = CpuMeter(target)
        began = time.monotonic()
        times = []
        while not times or time.monotonic() - began < seconds:
            started = time.monotonic()
            if client.query(text) < RESULT_ROWS * RESULT_ROW_BYTES:
                raise BenchError("the result is too short")
            times.append(time.monotonic() - started)
        elapsed = time.monotonic() - began
        measurement = Measurement(len(times) / elapsed, len(times))
        meter.fill(measurement)
    times.sort()
    measurement.p50_us = percentile(times, 0.50) * 1e6
    return measurement


def idle_client_bytes(proxy, count):
    """Resident memory per client that ran one query and now is idle; the proxy is a fresh one."""
    clients = [RawClient(proxy.port, "bench_narrow")]
    try:
        clients[0].query("SELECT 1")
        before = proxy.resident_bytes()
        for _ in range(count):
            client = RawClient(proxy.port, "bench_narrow")
            clients.append(client)
            client.query("SELECT 1")
        time.sleep(0.5)
        return (proxy.resident_bytes() - before) / count
    finally:
        for client in clients:
            client.close()
