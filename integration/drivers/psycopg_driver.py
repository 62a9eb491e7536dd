# SPDX-License-Identifier: PostgreSQL
# psycopg 3: the arguments are a libpq connection string; prints what the application sees.
import datetime
import decimal
import logging
import sys
import threading
import uuid

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

conninfo = sys.argv[1]
# What psycopg logs names the port and addresses of objects.
logging.disable()


def say(*words):
    print(*words, flush=True)


def error_of(action):
    try:
        action()
    except psycopg.Error as error:
        return type(error).__name__, error.sqlstate, error.diag.message_primary
    return "no error"


with psycopg.connect(conninfo, autocommit=True, row_factory=dict_row) as connection:
    say("status", connection.info.status.name, connection.info.parameter_status("server_version"))
    say(connection.execute("select 1 as one, %s as text, %s::int[] as list", ("x", [1, 2])).fetchone())
    row = connection.execute(
        "select %s::numeric as n, %s::uuid as u, %s::timestamptz as t, %s::bytea as b, %s::jsonb as j",
        (decimal.Decimal("12.50"), uuid.UUID(int=7),
         datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), b"\0\xff", '{"a": 1}')
    ).fetchone()
    say({key: str(value) for key, value in row.items()})
    say(connection.execute("select n from numbers where n < %b order by n", (4,), binary=True).fetchall())
    # Prepared automatically after five executions, on whichever server that is.
    for value in range(20):
        say(value, connection.execute("select %s::int * 2 as twice", (value,)).fetchone()["twice"])
    for value in range(3):
        say(connection.execute("select %s::text", (str(value),), prepare=True).fetchone())
    say(error_of(lambda: connection.execute("select 1/0")))
    say(error_of(lambda: connection.execute("select * from no_such_table")))
    say(error_of(lambda: connection.execute("select %s::int", ("x",), prepare=True)))
    connection.execute("create table psycopg_table (a int primary key, b text)")
    try:
        with connection.transaction():
            connection.execute("insert into psycopg_table values (1, 'one')")
            with connection.transaction():
                connection.execute("insert into psycopg_table values (2, 'two')")
            try:
                with connection.transaction():
                    connection.execute("insert into psycopg_table values (1, 'again')")
            except psycopg.errors.UniqueViolation as error:
                say("savepoint rolled back:", error.sqlstate)
        say(connection.execute("select * from psycopg_table order by a").fetchall())
        with connection.cursor() as cursor:
            with cursor.copy("copy psycopg_table from stdin") as copy:
                for number in range(3, 300):
                    copy.write_row((number, f"row {number}"))
            with cursor.copy("copy psycopg_table to stdout") as copy:
                say("copied", sum(1 for _ in copy.rows()))
            cursor.executemany("insert into psycopg_table values (%s, %s)",
                               [(number, "many") for number in range(1000, 1050)])
            say("inserted", cursor.rowcount)
        with connection.transaction():
            with connection.cursor(name="server_side") as cursor:
                cursor.itersize = 50
                cursor.execute("select a from psycopg_table order by a")
                say("server-side cursor", sum(row["a"] for row in cursor))
        say("pipeline")
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("select %s::int as n", (n,)) for n in range(50)]
            pipeline.sync()
            cursors += [connection.execute("select %s::text as n", (str(n),)) for n in range(50)]
        say([str(cursor.fetchone()["n"]) for cursor in cursors])
        say("pipeline with an error")
        try:
            with connection.pipeline() as pipeline:
                good = connection.execute("select 'before' as word")
                connection.execute("select 1/0")
                connection.execute("select 'after' as word")
                pipeline.sync()
        except psycopg.Error as error:
            say(type(error).__name__, error.sqlstate)
        say(connection.execute("select 'alive' as word").fetchone())
        notices = []
        connection.add_notice_handler(lambda diag: notices.append((diag.severity, diag.message_primary)))
        connection.execute("do $$ begin raise warning 'careful'; end $$")
        say(notices)
    finally:
        connection.execute("drop table psycopg_table")

# Not autocommit: every statement in a transaction of its own making.
with psycopg.connect(conninfo) as connection:
    say(connection.execute("select count(*) from numbers").fetchone())
    connection.rollback()
    say(error_of(lambda: connection.execute("select 1/0")))
    say(error_of(lambda: connection.execute("select 1")))
    connection.rollback()
    connection.execute(sql.SQL("select {}").format(sql.Literal("it's")))
    connection.commit()

# A running query is canceled from another thread.
with psycopg.connect(conninfo, autocommit=True) as connection:
    timer = threading.Timer(0.5, connection.cancel)
    timer.start()
    say(error_of(lambda: connection.execute("select pg_sleep(600)")))
    timer.join()
    say(connection.execute("select 'alive'").fetchone())

# More connections than servers.
results = [None] * 8


def work(index):
    with psycopg.connect(conninfo, autocommit=True) as own:
        total = 0
        for number in range(40):
            total += own.execute("select %s::int", (index * 1000 + number,)).fetchone()[0]
            with own.transaction():
                total += own.execute("select 1").fetchone()[0]
        results[index] = total


threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
say(results)
