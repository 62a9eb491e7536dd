# SPDX-License-Identifier: PostgreSQL
"""What splitting costs and brings: two pgweirs in front of one primary and two standbys, one that
splits reads and one that sends everything to the primary."""

import contextlib
import dataclasses
import pathlib
import re
import subprocess
import time

import loads
import report
import servers

STANDBYS = 2
CLIENTS = 16
LOADS = [loads.Load(f"split, {protocol}, {CLIENTS} clients", CLIENTS, protocol)
         for protocol in ("simple", "extended", "prepared")]
LOOKS_TITLE = "split, looks at the nodes"
LOOKS_SECONDS = 6
# Until PostgreSQL has noticed that a connection is gone, and has counted what it did.
COUNT_SECONDS = 0.5


@dataclasses.dataclass
class Looks:
    """Transactions of the monitor, each second."""

    title: str
    on_primary: float
    on_standby: float
    transactions_per_second: float | None = None


@dataclasses.dataclass
class Results:
    by_load: dict = dataclasses.field(default_factory=dict)      # title → split → measurements
    standby_share: dict = dataclasses.field(default_factory=dict)  # title → of the reads
    looks: list = dataclasses.field(default_factory=list)


def chosen(expression):
    titles = [load.title for load in LOADS] + [LOOKS_TITLE]
    return [title for title in titles if re.search(expression, title)]


def commits(nodes, database):
    text = f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'"
    return [int(node.ask(text)) for node in nodes]


class Bench:
    """The cluster, and both pgweirs in front of it."""

    def __init__(self, options, workplace, primary, certificate, binary, say):
        self.options = options
        self.workplace = workplace
        self.pgbench = pathlib.Path(options.postgresql_bin) / "pgbench"
        self.say = say
        self.stack = contextlib.ExitStack()
        self.nodes = [primary]
        self.proxies = {}
        with contextlib.ExitStack() as stack:
            for _ in range(STANDBYS):
                standby = servers.Standby(workplace, options.postgresql_bin, certificate)
                stack.callback(standby.stop)
                standby.create(primary)
                self.nodes.append(standby)
            for split in ("off", "on"):
                proxy = servers.PgweirOfCluster(workplace, binary, self.nodes, certificate, split)
                stack.callback(proxy.stop)
                self.proxies[split] = proxy.start()
            self.stack = stack.pop_all()

    def close(self):
        self.stack.close()

    def measure(self, load, results):
        by_split = results.by_load[load.title] = {split: [] for split in self.proxies}
        for proxy in self.proxies.values():
            loads.run_pgbench(proxy, load, 1, self.pgbench, self.workplace.path)
        for _ in range(self.options.rounds):
            for split, proxy in self.proxies.items():
                by_split[split].append(loads.run_pgbench(
                    proxy, load, self.options.seconds, self.pgbench, self.workplace.path))
        results.standby_share[load.title] = self.share_on_standbys(load)
        for split, measurements in by_split.items():
            self.say(f"    split {split}: "
                     f"{report.number(report.median(measurements, 'cpu_us'))} µs each")

    def share_on_standbys(self, load):
        """Of the reads of a run of its own."""
        proxy = self.proxies["on"]
        proxy.close_servers()
        before = commits(self.nodes, "bench")
        loads.run_pgbench(proxy, load, self.options.seconds, self.pgbench, self.workplace.path)
        proxy.close_servers()
        counts = [b - a for a, b in zip(before, commits(self.nodes, "bench"))]
        return sum(counts[1:]) / sum(counts)

    def looks(self, title, work):
        """How often the nodes are looked at while work() is done."""
        # Transactions that touch no table are counted when their connection ends.
        proxy = self.proxies["on"]
        before, began = commits(self.nodes, "postgres"), time.monotonic()
        proxy.start()
        try:
            speed = work()
        finally:
            proxy.stop()
        seconds = time.monotonic() - began
        time.sleep(COUNT_SECONDS)
        counts = [b - a for a, b in zip(before, commits(self.nodes, "postgres"))]
        self.say(f"    {title}: {counts[0] / seconds:.1f} looks a second at the primary")
        return Looks(title, counts[0] / seconds, sum(counts[1:]) / STANDBYS / seconds, speed)

    def mixed_load(self):
        """Nine reads for each transaction that writes; transactions per second."""
        words = [self.pgbench, "-n", "-h", "127.0.0.1", "-p", self.proxies["on"].port, "-U",
                 "bench", "-c", CLIENTS, "-j", 1, "-T", LOOKS_SECONDS, "-b", "select-only@9",
                 "-b", "simple-update@1", "bench"]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                              check=False, timeout=LOOKS_SECONDS + loads.SPARE_SECONDS)
        speed = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
        if done.returncode != 0 or not speed:
            raise servers.BenchError((done.stderr or done.stdout)[-500:])
        return float(speed[1])

    def count_looks(self, results):
        for proxy in self.proxies.values():
            proxy.stop()
        time.sleep(COUNT_SECONDS)
        results.looks.append(self.looks("no client", lambda: time.sleep(LOOKS_SECONDS)))
        results.looks.append(self.looks(
            f"{CLIENTS} clients, nine reads for each transaction that writes", self.mixed_load))


def run(options, workplace, primary, certificate, binary, say):
    results = Results()
    titles = chosen(options.only)
    say("==> two standbys, and two pgweirs in front of them")
    with contextlib.closing(Bench(options, workplace, primary, certificate, binary, say)) as bench:
        for load in LOADS:
            if load.title in titles:
                say(f"==> {load.title}")
                bench.measure(load, results)
        if LOOKS_TITLE in titles:
            say(f"==> {LOOKS_TITLE}")
            bench.count_looks(results)
    return results


def load_table(results):
    rows = []
    for title, by_split in results.by_load.items():
        cpu = {split: report.median(many, "cpu_us") for split, many in by_split.items()}
        speed = {split: report.median(many, "transactions_per_second")
                 for split, many in by_split.items()}
        rows.append([title, report.number(cpu["off"]), report.number(cpu["on"]),
                     report.ratio(cpu["on"], cpu["off"]), report.number(speed["off"]),
                     report.number(speed["on"]), report.ratio(speed["on"], speed["off"]),
                     f"{results.standby_share[title]:.1%}"])
    return report.table(["select-only pgbench", "µs of pgweir, off", "on", "on / off",
                         "reads/s, off (primary)", "on (two standbys)", "on / off",
                         "reads on standbys"], rows)


def looks_table(results):
    rows = [[one.title, report.number(one.on_primary), report.number(one.on_standby),
             report.number(one.transactions_per_second)] for one in results.looks]
    return report.table(["looks per second", "at the primary", "at each standby",
                         "transactions/s of the clients"], rows)


def tables(results):
    parts = []
    if results.by_load:
        parts += ["### Splitting: `split = \"on\"` beside `split = \"off\"`\n", load_table(results),
                  "All nodes share the processors of this machine: reads/s tell what is lost, not "
                  "what two more machines would bring.\n"]
    if results.looks:
        parts += ["### Splitting: transactions of pgweir's own on the nodes\n",
                  looks_table(results)]
    return parts
