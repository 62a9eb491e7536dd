# SPDX-License-Identifier: PostgreSQL
"""Measurements → Markdown."""

import os
import pathlib
import platform
import re
import statistics

ORDER = ("direct", "haproxy", "pgbouncer", "pgweir")
TITLES = {"direct": "direct", "haproxy": "HAProxy", "pgbouncer": "PgBouncer", "pgweir": "pgweir"}


def median(measurements, field):
    values = [getattr(one, field) for one in measurements]
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def number(value, digits=None):
    if value is None:
        return "–"
    if digits is None:
        digits = 0 if value >= 100 else 1
    return f"{value:,.{digits}f}"


def ratio(ours, theirs):
    return f"**{ours / theirs:.2f}**" if ours and theirs else "–"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |",
             "|" + "|".join([" --- "] + [" ---: "] * (len(heads) - 1)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def measured_table(results, targets, field, cell):
    """One row per load, one column per target, and pgweir / PgBouncer."""
    rows = []
    for title, by_target in results.items():
        values = {name: median(by_target.get(name, []), field) for name in ORDER}
        if all(value is None for value in values.values()):
            continue
        cells = [cell(by_target.get(name, []), values[name]) for name in targets]
        rows.append([title, *cells, ratio(values["pgweir"], values["pgbouncer"])])
    return table(["", *(TITLES[name] for name in targets), "pgweir / PgBouncer"], rows)


def cpu_cell(measurements, value):
    share = median(measurements, "user_share")
    if value is None or share is None:
        return number(value)
    return f"{number(value)} ({number(value * share)} + {number(value * (1 - share))})"


def plain_cell(_measurements, value):
    return number(value)


def calls_table(results, proxies):
    if all(median(measurements, "system_calls") is None
           for by_target in results.values() for measurements in by_target.values()):
        return []
    cell = lambda _measurements, value: number(value, 0 if value and value >= 100 else 2)
    return ["### System calls of the proxy per transaction (exact, of a run of their own)\n",
            measured_table(results, proxies, "system_calls", cell)]


def idle_table(idle, targets):
    rows = []
    for count, by_target in idle.items():
        values = {name: by_target.get(name) for name in ORDER}
        rows.append([f"{count:,} idle clients", *(number(values[name]) for name in targets),
                     ratio(values["pgweir"], values["pgbouncer"])])
    return table(["", *(TITLES[name] for name in targets), "pgweir / PgBouncer"], rows)


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    return (f"{len(os.sched_getaffinity(0))} × {model[1] if model else platform.machine()}, "
            f"{memory / 1024 / 1024:.0f} GiB, Linux {platform.release()}, "
            f"{system[1] if system else 'unknown system'}; everything on loopback of one machine, "
            "not pinned to processors")


def report(results, idle, targets, versions, notes, rounds, seconds, split_tables):
    proxies = [name for name in targets if name != "direct"]
    parts = [
        "## pgweir beside PgBouncer, HAProxy and no proxy\n",
        f"{machine()}. {'; '.join(versions)}. Poolers: transaction pooling, one worker, "
        f"64 servers unless the row says otherwise. In alternation, medians of {rounds} "
        f"round{'s' if rounds > 1 else ''} of {seconds} s; select-only pgbench unless the row says otherwise.\n",
    ]
    if results:
        parts += load_tables(results, proxies, targets)
    if idle:
        parts += ["### Resident memory per idle client, bytes\n",
                  idle_table(idle, [name for name in proxies if name != "haproxy"])]
    parts += split_tables
    parts += [note + "\n" for note in notes]
    return "\n".join(parts)


def load_tables(results, proxies, targets):
    return [
        "### Processor time of the proxy per transaction, µs (user + system)\n",
        measured_table(results, proxies, "cpu_us", cpu_cell),
        *calls_table(results, proxies),
        "### Transactions per second\n",
        measured_table(results, targets, "transactions_per_second", plain_cell),
        "### Latency, median, µs\n",
        measured_table(results, targets, "p50_us", plain_cell),
        "### Latency, 99th percentile, µs\n",
        measured_table(results, targets, "p99_us", plain_cell),
    ]
