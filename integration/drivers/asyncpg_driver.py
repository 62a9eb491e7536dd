# SPDX-License-Identifier: PostgreSQL
# asyncpg: the argument is a postgres:// URL; prints what the application sees.
import asyncio
import datetime
import decimal
import sys
import uuid

import asyncpg

url = sys.argv[1]


def say(*words):
    print(*words, flush=True)


async def error_of(awaitable):
    try:
        await awaitable
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return type(error).__name__, getattr(error, "sqlstate", None), str(error).splitlines()[0]
    return "no error"


async def one_connection():
    connection = await asyncpg.connect(url, server_settings={"application_name": "asyncpg_driver"})
    say(connection.get_server_version()[:1], connection.get_settings().application_name)
    say(await connection.fetchval("select 1"))
    say(await connection.fetch("select n, square from numbers where n <= $1 order by n", 3))
    say(await connection.fetchrow("select $1::numeric as n, $2::uuid as u, $3::timestamp as t, $4::bytea as b",
                                  decimal.Decimal("1.5"), uuid.UUID(int=5),
                                  datetime.datetime(2026, 1, 2), b"\0\1"))
    say(await connection.fetchval("select $1::int[]", [1, 2, 3]))
    statement = await connection.prepare("select $1::int + 1")
    for value in range(10):
        say(await statement.fetchval(value))
    say([str(parameter.name) for parameter in statement.get_parameters()])
    say(await error_of(connection.fetchval("select 1/0")))
    say(await error_of(connection.fetch("select * from no_such_table")))
    say(await error_of(connection.execute("selec")))
    await connection.execute("create table asyncpg_table (a int primary key, b text)")
    try:
        await connection.executemany("insert into asyncpg_table values ($1, $2)",
                                     [(number, f"row {number}") for number in range(100)])
        say(await error_of(connection.executemany("insert into asyncpg_table values ($1, $2)",
                                                  [(200, "new"), (1, "double")])))
        say(await connection.fetchval("select count(*) from asyncpg_table"))
        async with connection.transaction():
            await connection.execute("update asyncpg_table set b = 'changed' where a < 10")
            try:
                async with connection.transaction():
                    await connection.execute("insert into asyncpg_table values (1, 'double')")
            except asyncpg.UniqueViolationError as error:
                say("savepoint rolled back", error.sqlstate, error.detail, error.constraint_name)
            total = 0
            async for record in connection.cursor("select a from asyncpg_table order by a", prefetch=7):
                total += record["a"]
            say("cursor", total)
        say(await connection.copy_records_to_table("asyncpg_table",
                                                   records=[(number, "copied") for number in range(500, 900)]))
        size = 0

        async def count(data):
            nonlocal size
            size += len(data)

        say(await connection.copy_from_query("select * from asyncpg_table order by a", output=count), size)
        say(await connection.execute("delete from asyncpg_table where a > 600"))
    finally:
        await connection.execute("drop table asyncpg_table")
    try:
        await connection.execute("select pg_sleep(600)", timeout=0.5)
    except asyncio.TimeoutError:
        say("timed out, and was canceled")
    say(await connection.fetchval("select 'alive'"))
    messages = []
    connection.add_log_listener(lambda _, message: messages.append(message.message))
    await connection.execute("do $$ begin raise notice 'noted'; end $$")
    say(messages)
    await connection.reset()
    say(await connection.fetchval("select 'after reset'"))
    await connection.close()


async def many_connections():
    async with asyncpg.create_pool(url, min_size=8, max_size=8) as pool:

        async def work(index):
            total = 0
            for number in range(40):
                async with pool.acquire() as connection:
                    total += await connection.fetchval("select $1::int", index * 1000 + number)
                    async with connection.transaction():
                        total += await connection.fetchval("select $1::int + 1", number)
            return total

        say(await asyncio.gather(*(work(index) for index in range(8))))


asyncio.run(one_connection())
asyncio.run(many_connections())
