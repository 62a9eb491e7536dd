# SPDX-License-Identifier: PostgreSQL
"""The servers that the benchmark compares: PostgreSQL itself and the proxies in front of it."""

import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_SECONDS = 30
POOL_WIDE = 64  # As many servers as clients in the rows with up to 64 clients.
POOL_NARROW = 20
CLIENTS_MAX = 12000


class BenchError(Exception):
    """What went wrong, for people."""


def account():
    """Keywords for subprocess: servers do not run as root (PostgreSQL refuses to)."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        except KeyError:
            continue
    raise BenchError("neither the user postgres nor nobody exists")


class Workplace:
    """A temporary folder that the servers may write to."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="pgweir-bench-"))
        self.hand_over(self.path)

    def hand_over(self, path):
        who = account()
        if who:
            os.chown(path, who["user"], who["group"])

    def write(self, name, text):
        path = self.path / name
        path.write_text(text)
        path.chmod(0o600)
        self.hand_over(path)
        return path

    def certificate(self):
        """Paths of a self-signed certificate and its key."""
        certificate, key = self.path / "server.crt", self.path / "server.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)
        key.chmod(0o600)
        self.hand_over(key)
        self.hand_over(certificate)
        return certificate, key

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def first_line(command):
    """What a program says of its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0].strip()


class Server:
    """A process in the foreground that listens on a port of loopback."""

    name = ""

    def __init__(self, workplace):
        self.workplace = workplace
        self.port = free_port()
        self.process = None
        self.log = workplace.path / f"{self.name}-{self.port}.log"

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, cwd=self.workplace.path,
                **account())
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise BenchError(f"{self.name} does not listen: {self.log.read_text()[-2000:]}")

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal())
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stop_signal(self):
        return signal.SIGINT

    def cpu_ns(self):
        """Processor time of all threads, from the scheduler's own nanoseconds."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total

    def cpu_ticks(self):
        """User and system time, in clock ticks: coarse, only good for their proportion."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rsplit(")", 1)[1].split()
        return int(fields[11]), int(fields[12])

    def resident_bytes(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


class PostgreSQL(Server):
    """The server itself; as a target it is "direct"."""

    name = "postgresql"
    is_proxy = False
    is_pooler = False

    def __init__(self, workplace, folder, certificate):
        super().__init__(workplace)
        self.bin = pathlib.Path(folder)
        self.data = workplace.path / f"data-{self.port}"
        self.certificate = certificate

    def version(self):
        return first_line([self.bin / "postgres", "--version"])

    def database(self, _load):
        return "bench"

    def note(self):
        return ""

    def command(self):
        options = {
            "listen_addresses": "127.0.0.1", "port": self.port,
            "unix_socket_directories": "", "max_connections": 300, "shared_buffers": "256MB",
            "fsync": "off", "synchronous_commit": "off", "autovacuum": "off", "jit": "off",
            "ssl": "on", "ssl_cert_file": self.certificate[0], "ssl_key_file": self.certificate[1],
        }
        words = [self.bin / "postgres", "-D", self.data]
        for name, value in options.items():
            words += ["-c", f"{name}={value}"]
        return words

    def create(self, scale):
        subprocess.run(
            [self.bin / "initdb", "-D", self.data, "-U", "bench", "-A", "trust", "-E", "UTF8",
             "--no-sync", "--locale=C.UTF-8"],
            check=True, capture_output=True, cwd=self.workplace.path, **account())
        self.start()
        self.wait_until_ready()
        where = self.where()
        subprocess.run([self.bin / "createdb", *where, "bench"], check=True)
        subprocess.run([self.bin / "pgbench", "-i", "-q", "-s", str(scale), *where, "bench"],
                       check=True, capture_output=True)

    def where(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "bench"]

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run([self.bin / "pg_isready", *self.where()], check=False,
                             capture_output=True).returncode != 0:
            if time.monotonic() > deadline:
                raise BenchError("PostgreSQL takes no connections")
            time.sleep(0.1)

    def ask(self, text):
        """The first value of an answer; asked in a database that nobody counts."""
        done = subprocess.run(["psql", "-XAtq", *self.where(), "-c", text, "template1"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{self.name}: {done.stderr.strip()}")
        return done.stdout.strip()


class Standby(PostgreSQL):
    """Streams from a PostgreSQL."""

    name = "standby"

    def create(self, primary):
        subprocess.run(
            [self.bin / "pg_basebackup", *primary.where(), "-D", self.data, "--checkpoint=fast",
             "--no-sync", "--write-recovery-conf"],
            check=True, capture_output=True, cwd=self.workplace.path, **account())
        self.start()
        self.wait_until_ready()


class Proxy(Server):
    """A proxy in front of PostgreSQL; its databases: bench, bench_narrow, bench_session."""

    is_proxy = True
    is_pooler = True

    def __init__(self, workplace, binary, backend, certificate):
        super().__init__(workplace)
        self.binary = binary
        self.backend = backend
        self.certificate = certificate

    def database(self, load):
        return "bench_narrow" if load.clients > POOL_WIDE else "bench"

    def note(self):
        """What a reader must know of its rows."""
        return ""


class HAProxy(Proxy):
    """Forwards TCP connections; TLS passes through it unopened."""

    name = "haproxy"
    is_pooler = False

    def version(self):
        return first_line([self.binary, "-v"])

    def database(self, _load):
        return "bench"

    def note(self):
        return ("HAProxy pools nothing: it has no row with more clients than PostgreSQL has "
                "connections, and TLS passes through it unopened.")

    def command(self):
        path = self.workplace.write(
            f"haproxy-{self.port}.cfg",
            "global\n    nbthread 1\n    maxconn 1000\n"
            "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1h\n"
            "    timeout server 1h\n"
            f"listen postgresql\n    bind 127.0.0.1:{self.port}\n"
            f"    server primary 127.0.0.1:{self.backend.port}\n")
        return [self.binary, "-db", "-f", path]

    def stop_signal(self):
        return signal.SIGTERM


class PgBouncer(Proxy):
    """Transaction pooling."""

    name = "pgbouncer"

    def version(self):
        return first_line([self.binary, "--version"])

    def knows_prepared_statements(self):
        found = re.search(r"(\d+)\.(\d+)", self.version())
        return found is not None and (int(found[1]), int(found[2])) >= (1, 21)

    def note(self):
        if self.knows_prepared_statements():
            return ""
        return ("This PgBouncer has no prepared statements in transaction mode: in the rows with "
                "\"prepared\" it pools sessions and rewrites nothing.")

    def database(self, load):
        if load.protocol == "prepared" and not self.knows_prepared_statements():
            return "bench_session"
        return super().database(load)

    def command(self):
        users = self.workplace.write(f"pgbouncer-{self.port}.txt", '"bench" ""\n')
        node = f"host=127.0.0.1 port={self.backend.port} dbname=bench"
        prepared = "max_prepared_statements = 200\n" if self.knows_prepared_statements() else ""
        path = self.workplace.write(
            f"pgbouncer-{self.port}.ini",
            "[databases]\n"
            f"bench = {node} pool_size={POOL_WIDE}\n"
            f"bench_narrow = {node} pool_size={POOL_NARROW}\n"
            f"bench_session = {node} pool_size={POOL_WIDE} pool_mode=session\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\n"
            f"max_client_conn = {CLIENTS_MAX}\nlog_connections = 0\nlog_disconnections = 0\n"
            f"log_stats = 0\nserver_tls_sslmode = disable\nclient_tls_sslmode = allow\n"
            f"client_tls_cert_file = {self.certificate[0]}\n"
            f"client_tls_key_file = {self.certificate[1]}\n" + prepared)
        return [self.binary, path]


class Pgweir(Proxy):
    """Transaction pooling, one worker."""

    name = "pgweir"

    def version(self):
        return first_line([self.binary, "--version"])

    def nodes(self):
        return f"host = \"127.0.0.1\"\nport = {self.backend.port}\n"

    def sections(self):
        """What else its file has."""
        return ""

    def command(self):
        databases = "".join(
            f"[databases.{name}]\n{self.nodes()}dbname = \"bench\"\npool_size = {size}\n"
            for name, size in (("bench", POOL_WIDE), ("bench_narrow", POOL_NARROW)))
        path = self.workplace.write(
            f"pgweir-{self.port}.toml",
            f"[pgweir]\nlisten = [\"127.0.0.1:{self.port}\"]\nworkers = 1\nauth_type = \"any\"\n"
            "admin_users = [\"bench\"]\n"
            "log_connections = false\nlog_disconnections = false\nlog_stats = false\n"
            f"[limits]\nmax_client_conn = {CLIENTS_MAX}\n"
            "[tls]\nserver_tls_sslmode = \"disable\"\nclient_tls_sslmode = \"allow\"\n"
            f"client_tls_cert_file = \"{self.certificate[0]}\"\n"
            f"client_tls_key_file = \"{self.certificate[1]}\"\n" + self.sections() + databases)
        return [self.binary, "-c", path]

    def stop_signal(self):
        return signal.SIGQUIT


class PgweirOfCluster(Pgweir):
    """In front of a primary and its standbys; nodes are observed in the database postgres."""

    def __init__(self, workplace, binary, nodes, certificate, split):
        super().__init__(workplace, binary, nodes[0], certificate)
        self.cluster = nodes
        self.split = split

    def nodes(self):
        addresses = ", ".join(f"\"127.0.0.1:{node.port}\"" for node in self.cluster)
        return f"nodes = [{addresses}]\n"

    def sections(self):
        return (f"[routing]\nsplit = \"{self.split}\"\n"
                "[cluster]\nmonitor_user = \"bench\"\nmonitor_dbname = \"postgres\"\n")

    def close_servers(self):
        """So that its nodes have counted what its servers did."""
        subprocess.run(["psql", "-XAtq", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench",
                        "-c", "reconnect", "pgweir"], capture_output=True, check=True)
        time.sleep(0.5)
