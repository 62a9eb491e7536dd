// SPDX-License-Identifier: PostgreSQL
// Real drivers, directly and through pgweir: what the application prints must be the same. pgweir
// has two servers for all of a driver's connections.
#include <doctest/doctest.h>

#include <algorithm>
#include <regex>

#include "shared.h"

using namespace pgweir::integration;

namespace {

std::string url_of(const Target& target) {
    return "postgres://" + target.user + "@" + target.host + ":" + std::to_string(target.port) +
           "/" + target.database;
}

std::string file(const std::string& name) {
    return std::string(PGWEIR_DRIVERS) + "/" + name;
}

// Standard output and error of a driver's script, and how it ended.
std::string transcript_of(const std::vector<std::string>& words) {
    TemporaryFolder folder("driver");
    auto log = folder.path() / "log";
    Process process({.words = words,
                     .log = log,
                     .environment = {"PGCONNECT_TIMEOUT=60", "NODE_NO_WARNINGS=1"}});
    auto status = process.wait(4 * patience());
    return read_file(log) + "\nended with " + std::to_string(status.value_or(-1)) + "\n";
}

// Their first difference is what a reader wants to see.
void check_same(const std::string& direct, const std::string& through) {
    auto [left, right] =
        std::mismatch(direct.begin(), direct.end(), through.begin(), through.end());
    if (left == direct.end() && right == through.end()) {
        CHECK(direct.find("ended with 0") != std::string::npos);
        INFO(direct);
        CHECK(direct.size() > 100);
        return;
    }
    auto at = static_cast<std::size_t>(left - direct.begin());
    std::size_t from = at > 400 ? at - 400 : 0;
    FAIL_CHECK("directly:\n…", direct.substr(from, 1200), "\n\nthrough pgweir:\n…",
               through.substr(from, 1200));
}

using Words = std::vector<std::string>;

void compare(const std::function<Words(const Target&)>& command) {
    std::string direct = transcript_of(command(cluster().target()));
    std::string through = transcript_of(command(proxy_target()));
    check_same(direct, through);
    CHECK(serves(proxy_target()));
}

void pgbench(const std::vector<std::string>& options) {
    Target target = shared_pgweir().target();
    Words words{"pgbench", "-h",        target.host, "-p", std::to_string(target.port),
                "-U",      target.user, "-n"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back(target.database);
    std::string output = transcript_of(words);
    INFO(output);
    CHECK(output.find("ended with 0") != std::string::npos);
    CHECK(output.find("number of failed transactions: 0 (0.000%)") != std::string::npos);
    CHECK(output.find("ERROR") == std::string::npos);
}

void make_pgbench_tables() {
    static bool is_made = false;
    if (is_made) return;
    Target target = cluster().target();
    std::string output =
        transcript_of({"pgbench", "-h", target.host, "-p", std::to_string(target.port), "-U",
                       target.user, "-i", "-q", target.database});
    REQUIRE_MESSAGE(output.find("ended with 0") != std::string::npos, output);
    is_made = true;
}

// The books of pgbench balance: no transaction was lost or run twice.
void check_books() {
    Connection admin(cluster().owner());
    CHECK(admin.value("select (select sum(abalance) from pgbench_accounts) = "
                      "(select sum(bbalance) from pgbench_branches) and "
                      "(select sum(tbalance) from pgbench_tellers) = "
                      "(select coalesce(sum(delta), 0) from pgbench_history)") == "t");
}

}  // namespace

TEST_CASE("psql") {
    compare([](const Target& target) {
        return Words{"psql",
                     "-X",
                     "-a",
                     "-h",
                     target.host,
                     "-p",
                     std::to_string(target.port),
                     "-U",
                     target.user,
                     "-f",
                     file("psql_script.sql"),
                     target.database};
    });
}

TEST_CASE("psycopg 3, with pipeline mode") {
    compare([](const Target& target) {
        return Words{"/usr/bin/python3", file("psycopg_driver.py"), target.conninfo()};
    });
}

TEST_CASE("asyncpg") {
    compare([](const Target& target) {
        return Words{"/usr/bin/python3", file("asyncpg_driver.py"), url_of(target)};
    });
}

TEST_CASE("node-postgres") {
    compare([](const Target& target) {
        return Words{"node", file("node_postgres_driver.js"), url_of(target)};
    });
}

TEST_CASE("pgjdbc") {
    compare([](const Target& target) {
        return Words{"java", "-cp", "/usr/share/java/postgresql.jar", file("JdbcDriver.java"),
                     "jdbc:postgresql://" + target.host + ":" + std::to_string(target.port) + "/" +
                         target.database + "?user=" + target.user + "&sslmode=disable"};
    });
}

TEST_CASE("pgbench: reads and writes by every protocol, with more clients than servers") {
    make_pgbench_tables();
    for (const char* protocol : {"simple", "extended", "prepared"}) {
        CAPTURE(std::string(protocol));
        // A thread for each client: pgbench blocks its thread while it prepares, and a client of
        // that thread that is in a transaction would keep its server meanwhile.
        pgbench({"-M", protocol, "-c", "10", "-j", "10", "-t", "30"});
        pgbench({"-M", protocol, "-S", "-c", "10", "-j", "2", "-t", "200"});
    }
    check_books();
}

TEST_CASE("pgbench -C: a connection for each transaction") {
    make_pgbench_tables();
    pgbench({"-C", "-c", "8", "-j", "2", "-t", "10", "-N"});
    pgbench({"-C", "-M", "prepared", "-S", "-c", "8", "-t", "10"});
}

TEST_CASE("pgbench: several prepared commands outside a transaction, and a pipeline") {
    make_pgbench_tables();
    TemporaryFolder folder("pgbench");
    auto commands = folder.path() / "commands.sql";
    write_file(commands,
               "\\set a random(1, 100000)\nselect abalance from pgbench_accounts where aid = :a;\n"
               "select :a + 1;\nselect bbalance from pgbench_branches where bid = 1;\n");
    pgbench({"-M", "prepared", "-f", commands.string(), "-c", "6", "-t", "50"});
    auto pipeline = folder.path() / "pipeline.sql";
    write_file(pipeline,
               "\\set a random(1, 100000)\n\\startpipeline\nbegin;\n"
               "select abalance from pgbench_accounts where aid = :a;\nselect :a + 1;\ncommit;\n"
               "\\endpipeline\n");
    pgbench({"-M", "extended", "-f", pipeline.string(), "-c", "6", "-t", "50"});
    pgbench({"-M", "prepared", "-f", pipeline.string(), "-c", "6", "-t", "50"});
}

TEST_CASE("pg_dump, in session mode") {
    PgweirConfig config(cluster());
    config.general("pool_mode", "\"session\"").limit("default_pool_size", 5);
    PgweirProcess pgweir(config);
    auto dump = [](const Target& target) {
        std::string text =
            transcript_of({"pg_dump", "-h", target.host, "-p", std::to_string(target.port), "-U",
                           "owner", "--schema-only", target.database});
        // \\restrict and \\unrestrict are followed by something random.
        return std::regex_replace(text, std::regex("restrict [A-Za-z0-9]+"), "restrict");
    };
    check_same(dump(cluster().target()), dump(pgweir.target()));
}
