# SPDX-License-Identifier: PostgreSQL
"""Runs every load against every target, in alternation; see the script "run" beside this one."""

import argparse
import contextlib
import json
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import loads
import report
import servers
import split
import system_calls

WARM_UP_SECONDS = 1


def say(text):
    print(text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="integration/bench/run", description=__doc__)
    parser.add_argument("--pgweir", help="its binary")
    parser.add_argument("--pgbouncer", default=shutil.which("pgbouncer"), help="its binary")
    parser.add_argument("--haproxy", default=shutil.which("haproxy"), help="its binary")
    parser.add_argument("--postgresql-bin", default="/usr/lib/postgresql/15/bin")
    parser.add_argument("--quick", action="store_true", help="one short round, about 4 minutes")
    parser.add_argument("--rounds", type=int, help="3, with --quick 1")
    parser.add_argument("--seconds", type=int, help="of each measurement: 4, with --quick 2")
    parser.add_argument("--only", default="", help="loads whose title matches this expression")
    parser.add_argument("--targets", default=",".join(report.ORDER), help="which to compare")
    parser.add_argument("--no-idle", action="store_true", help="leave out the idle clients")
    parser.add_argument("--no-system-calls", action="store_true", help="do not count them")
    parser.add_argument("--output", type=pathlib.Path, help="write the report here, too")
    parser.add_argument("--json", type=pathlib.Path, help="write every measurement here")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (2 if options.quick else 4)
    options.count_calls = not options.quick and not options.no_system_calls
    if options.count_calls and not system_calls.can_count():
        say("    without system calls: no strace")
        options.count_calls = False
    options.idle_counts = [] if options.no_idle else [1000] if options.quick else [1000, 10000]
    if not re.search(options.only, "idle clients"):
        options.idle_counts = []
    options.loads = [load for load in loads.LOADS if re.search(options.only, load.title)]
    return options


def raise_file_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def make_proxies(options, workplace, postgresql, certificate):
    """A function that makes a new proxy by name, for those that are there."""
    kinds = {"haproxy": (servers.HAProxy, options.haproxy),
             "pgbouncer": (servers.PgBouncer, options.pgbouncer),
             "pgweir": (servers.Pgweir, options.pgweir)}
    makers = {}
    for name, (kind, binary) in kinds.items():
        if name not in options.targets.split(","):
            continue
        if not binary or not pathlib.Path(binary).exists():
            say(f"    without {name}: no binary")
            continue
        path = pathlib.Path(binary).resolve()
        if name == "pgweir":
            # Where an unprivileged user may run it, wherever it was built.
            path = pathlib.Path(shutil.copy(path, workplace.path / "pgweir"))
        makers[name] = lambda kind=kind, path=path: kind(workplace, path, postgresql, certificate)
    return makers


def measure(target, load, seconds, options, workplace):
    if load.big_result:
        return loads.run_big_result(target, load, seconds)
    pgbench = pathlib.Path(options.postgresql_bin) / "pgbench"
    return loads.run_pgbench(target, load, seconds, pgbench, workplace.path)


def run_load(load, targets, options, workplace):
    """Measurements by target; a target that fails a load has none."""
    by_target = {}
    for name, target in targets.items():
        if not load.suits(target):
            continue
        try:
            measure(target, load, WARM_UP_SECONDS, options, workplace)
            by_target[name] = []
        except (servers.BenchError, OSError) as error:
            say(f"    {name} fails: {error}")
    for _ in range(options.rounds):
        for name in list(by_target):
            try:
                measurement = measure(targets[name], load, options.seconds, options, workplace)
                by_target[name].append(measurement)
            except (servers.BenchError, OSError) as error:
                say(f"    {name} fails: {error}")
                del by_target[name]
    if options.count_calls:
        for name, measurements in by_target.items():
            if targets[name].is_proxy:
                measurements[0].system_calls = count_calls(targets[name], load, options, workplace)
    return by_target


def count_calls(target, load, options, workplace):
    try:
        counter = system_calls.Counter(target, workplace.path)
        try:
            measurement = measure(target, load, WARM_UP_SECONDS, options, workplace)
        finally:
            calls = counter.stop()
        return calls / measurement.transactions
    except (servers.BenchError, OSError) as error:
        say(f"    {target.name}: {error}")
        return None


def run_loads(targets, options, workplace):
    results = {}
    for index, load in enumerate(options.loads, start=1):
        say(f"==> {index}/{len(options.loads)} {load.title}")
        results[load.title] = run_load(load, targets, options, workplace)
        for name, measurements in results[load.title].items():
            speed = report.median(measurements, "transactions_per_second")
            cpu = report.median(measurements, "cpu_us")
            say(f"    {name}: {report.number(speed)} a second"
                + (f", {report.number(cpu)} µs of its processor time each" if cpu else ""))
    return results


def run_idle(makers, options):
    idle = {}
    for count in options.idle_counts:
        if count + 500 > resource.getrlimit(resource.RLIMIT_NOFILE)[0]:
            say(f"    without {count:,} idle clients: the limit of open files is too low")
            continue
        say(f"==> {count:,} idle clients")
        idle[count] = {}
        for name in ("pgbouncer", "pgweir"):
            if name not in makers:
                continue
            with contextlib.closing(Stopping(makers[name]().start())) as holder:
                try:
                    idle[count][name] = loads.idle_client_bytes(holder.server, count)
                    say(f"    {name}: {report.number(idle[count][name])} bytes each")
                except (servers.BenchError, OSError) as error:
                    say(f"    {name} fails: {error}")
    return idle


class Stopping:
    """Stops a server when it is closed."""

    def __init__(self, server):
        self.server = server

    def close(self):
        self.server.stop()


def run_split(options, workplace, postgresql, certificate):
    """The tables of splitting, which is pgweir's alone; none if they are not asked for."""
    if "pgweir" not in options.targets.split(",") or not split.chosen(options.only):
        return []
    if not options.pgweir:
        return []
    binary = pathlib.Path(shutil.copy(options.pgweir, workplace.path / "pgweir-of-cluster"))
    try:
        return split.tables(split.run(options, workplace, postgresql, certificate, binary, say))
    except (servers.BenchError, OSError, subprocess.SubprocessError) as error:
        say(f"    splitting fails: {error}")
        return []


def write_json(path, results, idle):
    flat = {title: {name: [vars(one) for one in many] for name, many in by_target.items()}
            for title, by_target in results.items()}
    path.write_text(json.dumps({"loads": flat, "idle": idle}, indent=1))


def main():
    options = arguments()
    # The servers are stopped and the folder is removed on the way out.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _frame: sys.exit(128 + number))
    raise_file_limit()
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        workplace = servers.Workplace()
        stack.callback(workplace.remove)
        say("==> starting PostgreSQL and the proxies")
        certificate = workplace.certificate()
        postgresql = servers.PostgreSQL(workplace, options.postgresql_bin, certificate)
        stack.callback(postgresql.stop)
        postgresql.create(scale=10)
        makers = make_proxies(options, workplace, postgresql, certificate)
        targets = {"direct": postgresql} if "direct" in options.targets else {}
        versions = [postgresql.version()]
        for name, make in makers.items():
            if not options.loads:
                break
            targets[name] = make()
            stack.callback(targets[name].stop)
            targets[name].start()
            versions.append(targets[name].version())
        results = run_loads(targets, options, workplace)
        names = [name for name in report.ORDER if name in targets]
        idle = run_idle(makers, options)
        notes = [targets[name].note() for name in names if targets[name].note()]
        split_tables = run_split(options, workplace, postgresql, certificate)
        text = report.report(results, idle, names, versions, notes, options.rounds,
                             options.seconds, split_tables)
        print(text)
        if options.output:
            options.output.write_text(text)
        if options.json:
            write_json(options.json, results, idle)
    say(f"==> done in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except servers.BenchError as problem:
        say(f"==> {problem}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
