// SPDX-License-Identifier: PostgreSQL
// A schema with one of everything that a read may stumble over, and the catalog that is read of it.
#pragma once

#include "connection.h"
#include "pgweir/sql/catalog.h"

namespace pgweir::integration {

// In the database "app", by its owner.
inline void create_schema(Connection& owner) {
    owner.must(R"(
create table t (a int primary key, b text, c timestamptz default now());
insert into t select n, 'b' || n from generate_series(1, 100) n;
create table u (id int, a int, x xml);
insert into u values (1, 1, '<a/>');
create table orders (id int primary key, total numeric, customer int, state text);
create table lines (order_id int, article text);
create table "Weird Name" (a int);
create sequence seq;
create unlogged table unlogged (a int);
create materialized view matview as select a, nextval('seq') from t;

create function volatile_fn() returns int volatile language sql as 'select 1';
create function volatile_fn(int) returns int volatile language sql as 'select $1';
create function stable_fn(int) returns int stable language sql as 'select $1';
create function discount(price int, percent int default 1) returns int immutable
    language sql as 'select price - percent';
create function overloaded(int) returns int immutable language sql as 'select $1';
create function overloaded(text) returns text volatile language sql as 'select $1';
create procedure proc() language sql as 'select 1';
create function step(int, int) returns int volatile language sql as 'select $1 + $2';
create aggregate volatile_sum(int) (sfunc = step, stype = int, initcond = '0');
create aggregate good_sum(int) (sfunc = int4pl, stype = int, initcond = '0');
create schema elsewhere;
create function elsewhere.lower(int) returns int volatile language sql as 'select $1';

create function less_or_so(int, int) returns bool volatile language sql as 'select $1 < $2';
create operator <->! (leftarg = int, rightarg = int, function = less_or_so);

create domain good_domain as int check (value > 0);
create domain bad_domain as int check (value > volatile_fn());
create domain local_domain as int check (value <> pg_backend_pid());
create domain worse_domain as bad_domain;
create type mood as enum ('sad', 'happy');
create type pair as (a int, b text);
create type bad_pair as (a worse_domain);
create table with_bad_column (a worse_domain);
create function takes_bad(bad_pair) returns int immutable language sql as 'select 1';

create view v_good as select t.a, lower(b) as b from t join u using (a);
create view v_of_view as select * from v_good;
create view v_volatile as select volatile_fn(a) from t;
create view v_nextval as select nextval('seq');
create view v_local as select pg_backend_pid();
create view v_activity as select pid from pg_stat_activity;
create view v_unlogged as select * from unlogged;
create view v_operator as select a <->! 1 as x from t;
create view v_domain as select '1'::text::bad_domain as x;
create view v_aggregate as select volatile_sum(a) from t;
create view v_random as select random(), now(), pg_relation_filenode('t');
create view v_deep as select * from (select (select count(*) from v_nextval)) s;
create view v_tables as select * from information_schema.tables;
create view v_matview as select * from matview;

create table secured (a int, owner_name text);
alter table secured enable row level security;
create policy good on secured using (owner_name = current_user);
create table badly_secured (a int);
alter table badly_secured enable row level security;
create policy bad on badly_secured using (volatile_fn(a) > 0);
create table locally_secured (a int);
alter table locally_secured enable row level security;
create policy local on locally_secured using (pg_backend_pid() > 0);
create table secured_by_view (a int);
alter table secured_by_view enable row level security;
create policy by_view on secured_by_view using (exists (select from v_unlogged));

create table parted (a int) partition by range (a);
create table parted_1 partition of parted for values from (0) to (10);
create unlogged table parted_2 partition of parted for values from (10) to (20);
create table good_parted (a int) partition by range (a);
create table good_parted_1 partition of good_parted for values from (0) to (10);
create table ruled (a int);
create rule also as on insert to ruled do also insert into t values (1);

create extension postgres_fdw;
create server far foreign data wrapper postgres_fdw;
create foreign table remote (a int) server far;
create extension pgcrypto;
create extension dblink;
create extension tablefunc;
create extension citext;
create extension hstore;
create extension tsm_system_rows;
grant all on all tables in schema public to public;
)");
}

inline sql::Catalog read_catalog(Connection& connection, std::uint64_t generation) {
    std::vector<sql::Catalog::Row> rows;
    for (const auto& row : connection.must(std::string(sql::catalog_query())).rows) {
        rows.push_back({row[0].value()[0], row[1].value(), row[2].value() == "t"});
    }
    return sql::Catalog(generation, rows);
}

}  // namespace pgweir::integration
