-- What a person does in psql; every line of output is compared.
\set VERBOSITY verbose
\set SHOW_CONTEXT always
select 1 as one, 'two' as two, null as three;
select * from numbers where n <= 3 order by n;
\d numbers
\dt
\dn
\df no_such_function
\l app
\x on
select * from numbers where n = 7;
\x off
begin;
create table psql_table (a int primary key, b text);
insert into psql_table values (1, 'one') returning *;
savepoint here;
insert into psql_table values (1, 'again');
rollback to here;
select count(*) from psql_table;
commit;
\copy psql_table from program 'printf "2\ttwo\n3\tthree\n"'
\copy psql_table to stdout
copy psql_table to stdout (format csv, header);
select a, b from psql_table order by a \gx
select 'create table generated (n int)' \gexec
select b as picked from psql_table where a = 2 \gset
\echo :picked
\set FETCH_COUNT 2
select * from psql_table order by a;
\unset FETCH_COUNT
\errverbose
select 1/0;
\errverbose
select 'unterminated;
';
select no_such_column from psql_table;
do $$ begin raise notice 'hello from %', 'a block'; end $$;
select a, b from psql_table \gdesc
select 1 \; select 2 \; select 3;
begin \; select 1/0 \; commit;
rollback;
show search_path;
\encoding
\conninfo_is_not_a_command
drop table psql_table, generated;
