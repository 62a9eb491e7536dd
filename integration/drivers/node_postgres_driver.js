// SPDX-License-Identifier: PostgreSQL
// node-postgres: the argument is a postgres:// URL; prints what the application sees.
'use strict';
const { Client, Pool } = require('pg');

const connectionString = process.argv[2];
const say = (...words) => console.log(...words.map((word) => JSON.stringify(word)));

async function errorOf(promise) {
    try {
        await promise;
        return 'no error';
    } catch (error) {
        return [error.severity, error.code, error.message, error.position];
    }
}

async function oneConnection() {
    const client = new Client({ connectionString });
    const notices = [];
    client.on('notice', (notice) => notices.push([notice.severity, notice.message]));
    await client.connect();
    say((await client.query('select 1 as one, $1::text as two, $2::int[] as three', ['x', [1, 2]])).rows);
    const types = await client.query(
        "select $1::numeric as n, $2::jsonb as j, $3::bytea as b, $4::timestamptz at time zone 'UTC' as t",
        ['1.50', { a: 1 }, Buffer.from([0, 255]), '2026-01-02 03:04:05+00']);
    say(types.rows, types.fields.map((field) => [field.name, field.dataTypeID]));
    for (let value = 0; value < 10; ++value) {
        const result = await client.query({ name: 'named', text: 'select $1::int * 2 as twice', values: [value] });
        say(result.rows[0]);
    }
    say((await client.query({ text: 'select n, square from numbers where n < 4 order by n', rowMode: 'array' })).rows);
    say((await client.query('select 1 as a; select 2 as b')).map((result) => result.rows));
    say(await errorOf(client.query('select 1/0')));
    say(await errorOf(client.query('select $1::int', ['x'])));
    say(await errorOf(client.query('select * from no_such_table')));
    await client.query('create table node_table (a int primary key, b text)');
    try {
        await client.query('begin');
        await client.query('insert into node_table values ($1, $2)', [1, 'one']);
        await client.query('savepoint here');
        say(await errorOf(client.query('insert into node_table values ($1, $2)', [1, 'again'])));
        say(await errorOf(client.query('select 1')));
        await client.query('rollback to here');
        const commit = await client.query('commit');
        say(commit.command, (await client.query('select * from node_table')).rows);
    } finally {
        await client.query('drop table node_table');
    }
    // Queries are queued by the driver and sent without waiting for the caller.
    const results = await Promise.all(
        Array.from({ length: 50 }, (_, n) => client.query('select $1::int as n', [n])));
    say(results.map((result) => result.rows[0].n));
    await client.query("do $$ begin raise notice 'noted'; end $$");
    say(notices);
    await client.end();
}

async function manyConnections() {
    const pool = new Pool({ connectionString, max: 8 });
    const work = async (index) => {
        let total = 0;
        for (let number = 0; number < 40; ++number) {
            total += (await pool.query('select $1::int as n', [index * 1000 + number])).rows[0].n;
            const client = await pool.connect();
            await client.query('begin');
            const named = { name: 'in transaction', text: 'select $1::int + 1 as n', values: [number] };
            total += (await client.query(named)).rows[0].n;
            await client.query('commit');
            client.release();
        }
        return total;
    };
    say(await Promise.all(Array.from({ length: 8 }, (_, index) => work(index))));
    await pool.end();
}

oneConnection().then(manyConnections).catch((error) => {
    console.error(error);
    process.exit(1);
});
