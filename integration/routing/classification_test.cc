// SPDX-License-Identifier: PostgreSQL
// The ground truth of classification: what is called a read runs on a standby.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>

#include "pgweir/sql/classifier.h"
#include "schema.h"
#include "test_standby.h"

using namespace pgweir;
using namespace pgweir::integration;

namespace {

struct Nodes {
    TestCluster primary;
    TestStandby& standby = primary.add_standby();
    sql::Catalog catalog = make_catalog();

    sql::Catalog make_catalog() {
        Connection owner(primary.owner());
        create_schema(owner);
        standby.catch_up();
        return read_catalog(owner, 1);
    }
};

Nodes& nodes() {
    static Nodes the_nodes;
    return the_nodes;
}

// A standby says that it is one: read-only, or "cannot … during recovery".
bool is_refusal_of_a_standby(const Answer& answer) {
    if (answer.sqlstate == "25006") return true;
    const bool is_suspect = answer.sqlstate == "0A000" || answer.sqlstate == "55000" ||
                            answer.sqlstate == "55P02" || answer.sqlstate == "XX000";
    return is_suspect && (answer.message.find("recovery") != std::string::npos ||
                          answer.message.find("read-only") != std::string::npos ||
                          answer.message.find("unlogged") != std::string::npos ||
                          answer.message.find("standby") != std::string::npos);
}

// COPY … TO STDOUT up to its end.
Answer copy_out(Connection& connection, const std::string& text) {
    connection.send(text);
    PGresult* began = PQgetResult(connection.raw());
    const bool is_copy = PQresultStatus(began) == PGRES_COPY_OUT;
    PQclear(began);
    if (!is_copy) throw HarnessError(text + ": " + connection.error());
    char* data = nullptr;
    while (PQgetCopyData(connection.raw(), &data, 0) > 0) PQfreemem(data);
    return connection.answer();
}

// As an application runs it: the simple protocol, one server for each, no statement for long.
Answer run_on_standby(const std::string& text) {
    static std::unique_ptr<Connection> connection;
    if (!connection || !connection->is_ok()) {
        connection = std::make_unique<Connection>(nodes().standby.owner());
    }
    connection->must("rollback");
    connection->must("discard all");
    connection->must("set statement_timeout = '5s'");
    if (text.starts_with("COPY")) return copy_out(*connection, text);
    return connection->query(text);
}

std::vector<std::string> statements_of_the_unit_tests() {
    std::ifstream file(PGWEIR_STATEMENTS);
    std::vector<std::string> found;
    std::string line;
    while (std::getline(file, line)) {
        const std::size_t tab = line.find('\t');
        if (!line.starts_with('#') && tab != std::string::npos)
            found.push_back(line.substr(tab + 1));
    }
    return found;
}

void check_standing(const std::vector<std::string>& names, sql::Standing expected,
                    sql::Standing (sql::Catalog::*of)(std::string_view) const) {
    for (const std::string& name : names) {
        CAPTURE(name);
        CHECK((nodes().catalog.*of)(name) == expected);
    }
}

}  // namespace

TEST_CASE("the catalog's query tells what is harmless from what is not") {
    using sql::Catalog;
    using sql::Standing;
    check_standing(
        {"t",        "u",         "matview",      "v_good",      "v_of_view",     "v_random",
         "v_tables", "v_matview", "secured",      "good_parted", "good_parted_1", "parted_1",
         "ruled",    "pg_class",  "pg_statistic", "pg_stats",    "pg_roles",      "tables",
         "columns",  "Weird Name"},
        Standing::Harmless, &Catalog::relation);
    check_standing(
        {"unlogged", "remote", "seq", "v_volatile", "v_nextval", "v_local", "v_activity",
         "v_unlogged", "v_operator", "v_domain", "v_aggregate", "v_deep", "badly_secured",
         "locally_secured", "secured_by_view", "parted", "parted_2", "with_bad_column"},
        Standing::Unsafe, &Catalog::relation);
    check_standing({"pg_stat_activity", "pg_locks", "pg_settings", "pg_replication_slots"},
                   Standing::Local, &Catalog::relation);
    check_standing({"nowhere", "T", "t_pkey"}, Standing::Unknown, &Catalog::relation);
    check_standing({"stable_fn", "discount", "good_sum", "upper", "count", "now", "random",
                    "clock_timestamp", "pg_sleep", "gen_random_uuid", "gen_random_bytes", "crypt",
                    "lo_get", "array_agg", "system", "jsonb_agg"},
                   Standing::Harmless, &Catalog::function);
    check_standing(
        {"volatile_fn", "overloaded", "proc", "volatile_sum", "lower", "takes_bad", "nextval",
         "setval", "currval", "set_config", "dblink", "crosstab", "query_to_xml", "lo_import",
         "txid_status", "pg_relation_size", "system_rows", "loread"},
        Standing::Unsafe, &Catalog::function);
    check_standing({"=", "+", "||", "~~"}, Standing::Harmless, &Catalog::op);
    check_standing({"<->!"}, Standing::Unsafe, &Catalog::op);
    check_standing({"int4", "text", "good_domain", "mood", "pair", "citext", "hstore", "regclass"},
                   Standing::Harmless, &Catalog::type);
    check_standing({"bad_domain", "local_domain", "worse_domain", "bad_pair"}, Standing::Unsafe,
                   &Catalog::type);
}

TEST_CASE("the catalog's query is the same for a stranger with a hostile search_path") {
    Connection owner(nodes().primary.owner());
    owner.must(R"(
create schema trap;
create function trap.yes(oid, oid) returns bool language sql as 'select true';
create operator trap.= (leftarg = oid, rightarg = oid, function = trap.yes);
create function trap.yes(name, text) returns bool language sql as 'select true';
create operator trap.~ (leftarg = text, rightarg = text, function = texteq);
create function trap.unnest(oid[]) returns setof oid language sql as 'select 1::oid';
create table trap.pg_proc (oid oid, proname name, provolatile "char");
grant usage on schema trap to public;)");
    const auto before = owner.must(std::string(sql::catalog_query())).rows;
    Connection stranger(nodes().primary.target());
    stranger.must("set search_path = trap, pg_catalog");
    const auto after = stranger.must(std::string(sql::catalog_query())).rows;
    owner.must("drop schema trap cascade");
    std::multiset<std::string> names_before;
    std::multiset<std::string> names_after;
    for (const auto& row : before) names_before.insert(*row[0] + *row[1] + *row[2]);
    for (const auto& row : after) names_after.insert(*row[0] + *row[1] + *row[2]);
    CHECK(names_before == names_after);
}

TEST_CASE("the catalog's query is quick in a database of a thousand tables and views") {
    Connection owner(nodes().primary.owner());
    owner.must(R"(do $$ begin
        for i in 1 .. 1000 loop
            execute format('create table many_%s (id int primary key, a text, b int)', i);
            if i % 5 = 0 then
                execute format('create view many_v_%s as select a, count(*) from many_%s '
                               'where b > 1 group by a', i, i);
            end if;
        end loop; end $$)");
    owner.must("analyze");
    const std::string query(sql::catalog_query());
    double least = 1e9;
    for (int i = 0; i < 5; ++i) {
        const Answer plan = owner.must("explain (analyze, timing off, summary) " + query);
        for (const auto& row : plan.rows) {
            const std::string line = row[0].value();
            if (line.starts_with("Execution Time: "))
                least = std::min(least, std::stod(line.substr(16)));
        }
    }
    MESSAGE("the catalog's query took ", least, " ms");
    CHECK(least < 1000);
    CHECK(read_catalog(owner, 2).relation("many_v_5") == sql::Standing::Harmless);
    owner.must(R"(do $$ begin
        for i in 1 .. 1000 loop
            execute format('drop table many_%s cascade', i);
        end loop; end $$)");
}

TEST_CASE("no statement that is called a read is refused by a standby") {
    sql::Classifier classifier({}, 1);
    int reads = 0;
    for (const std::string& text : statements_of_the_unit_tests()) {
        const auto verdict = classifier.classify({.text = text, .catalog = &nodes().catalog});
        if (!verdict.is_read) continue;
        ++reads;
        CAPTURE(text);
        const Answer answer = run_on_standby(text);
        CAPTURE(answer.message);
        CHECK_FALSE(is_refusal_of_a_standby(answer));
    }
    CHECK(reads > 80);
}

// A write that is called a read would show here; a read that is called a write is only slower.
TEST_CASE("what a standby refuses was not called a read") {
    sql::Classifier classifier({}, 1);
    int refused = 0;
    for (const std::string& text : statements_of_the_unit_tests()) {
        // Statements that act on the whole server, and what leaves the connection in COPY.
        if (text.find("pg_") != std::string::npos || text.find("PROGRAM") != std::string::npos ||
            text.find("COPY") != std::string::npos) {
            continue;
        }
        const Answer answer = run_on_standby(text);
        if (!is_refusal_of_a_standby(answer)) continue;
        ++refused;
        CAPTURE(text);
        CAPTURE(answer.message);
        CHECK_FALSE(classifier.classify({.text = text, .catalog = &nodes().catalog}).is_read);
    }
    CHECK(refused > 50);
}

TEST_CASE("every function of PostgreSQL that is called harmless runs on a standby") {
    Connection owner(nodes().primary.owner());
    // Each with arguments that mean something to most functions.
    const Answer calls = owner.must(R"(
select p.oid::regprocedure::text,
       format('select %I.%I(%s)%s', n.nspname, p.proname,
              (select string_agg(format('%L::%s', case
                    when t.typcategory = 'N' and t.typname like 'reg%' then 'pg_class'
                    when t.typcategory = 'N' then '1'
                    when t.typcategory = 'B' then 'true'
                    when t.typcategory = 'D' then '2020-01-01'
                    when t.typcategory = 'T' then '1 second'
                    when t.typcategory = 'A' then '{}'
                    when t.typname = 'pg_lsn' then '0/1'
                    when t.typname in ('json', 'jsonb') then '{}'
                    when t.typname = 'xml' then '<a/>'
                    when t.typname = 'tid' then '(0,1)'
                    when t.typname like 'xid%' or t.typname = 'cid' then '3'
                    else 'pg_class' end, format_type(t.oid, null)), ', ' order by a.position)
               from unnest(p.proargtypes::oid[]) with ordinality as a(type, position)
                 join pg_type t on t.oid = a.type), '')
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind = 'f' and n.nspname = 'pg_catalog' and p.provariadic = 0
  and not exists (select from unnest(p.proargtypes::oid[] || p.prorettype) as a(type)
                    join pg_type t on t.oid = a.type where t.typtype = 'p'
                     and not (t.typname = 'record' and a.type = p.prorettype))
order by 1)");
    sql::Classifier classifier({}, 1);
    int reads = 0;
    for (const auto& row : calls.rows) {
        const std::string text = row[1].value();
        if (!classifier.classify({.text = text, .catalog = &nodes().catalog}).is_read) continue;
        ++reads;
        CAPTURE(text);
        const Answer answer = run_on_standby(text);
        CAPTURE(answer.message);
        CHECK_FALSE(is_refusal_of_a_standby(answer));
    }
    CHECK(reads > 1500);
}
