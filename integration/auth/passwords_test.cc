// SPDX-License-Identifier: PostgreSQL
// Who may come in by a password: every method, every source of users, cold and warm pools.
#include <doctest/doctest.h>

#include <signal.h>

#include "shared.h"

using namespace pgweir::integration;

namespace {

std::string quoted(const std::string& text) {
    return "\"" + text + "\"";
}

std::string verifier_of(const std::string& role) {
    Connection admin(cluster().owner());
    return admin.value("select rolpassword from pg_authid where rolname = '" + role + "'");
}

PgweirConfig with_method(const std::string& method) {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", 2).general("auth_type", quoted(method));
    return config;
}

// What libpq says of a login; "" if it succeeds and a query runs.
std::string login(const Target& target, const std::string& password, const std::string& more = "") {
    std::string options = "password='" + password + "' " + more;
    Connection connection = Connection::attempt(target, options);
    if (!connection.is_ok()) return connection.error();
    return connection.value("select current_user") == target.user ? "" : "another user";
}

// T8: only the right password opens, on a cold pool and on a warm one.
void check_only_the_right_password(const PgweirProcess& pgweir, const std::string& user) {
    CAPTURE(user);
    Target target = pgweir.target().with_user(user);
    std::string right = password_of(user);
    for (int round = 0; round < 2; ++round) {
        for (const std::string& wrong :
             {std::string("wrong"), std::string(), right + "x", right.substr(1),
              password_of("trusty"), user, std::string(300, 'x')}) {
            CAPTURE(wrong);
            CHECK(login(target, wrong) != "");
        }
        CHECK(login(target, right) == "");
    }
}

bool fails_by_password(const std::string& words) {
    return words.find("password authentication failed") != std::string::npos;
}

}  // namespace

TEST_CASE("T8: users with a plain password in the file, by every method") {
    for (const char* method : {"password", "md5", "scram-sha-256"}) {
        CAPTURE(std::string(method));
        PgweirConfig config = with_method(method);
        for (const char* user : {"plain", "md5er", "scrammer"}) {
            config.user(user, "password", quoted(password_of(user)));
        }
        PgweirProcess pgweir(config);
        for (const char* user : {"plain", "md5er", "scrammer"}) {
            check_only_the_right_password(pgweir, user);
        }
        CHECK(fails_by_password(login(pgweir.target().with_user("nobody_knows"), "x")));
        // A user of PostgreSQL whom pgweir does not know stays outside.
        CHECK(login(pgweir.target().with_user("trusty"), password_of("trusty")) != "");
    }
}

TEST_CASE("a SCRAM verifier in the file: the client's own proof opens the server, too") {
    PgweirConfig config = with_method("scram-sha-256");
    config.user("scrammer", "password", quoted(verifier_of("scrammer")));
    PgweirProcess pgweir(config);
    check_only_the_right_password(pgweir, "scrammer");
}

TEST_CASE("a SCRAM verifier and a clear password from the client") {
    PgweirConfig config = with_method("password");
    config.user("scrammer", "password", quoted(verifier_of("scrammer")));
    PgweirProcess pgweir(config);
    check_only_the_right_password(pgweir, "scrammer");
}

TEST_CASE("an md5 hash in the file, with the md5 and the password method") {
    for (const char* method : {"md5", "password"}) {
        PgweirConfig config = with_method(method);
        config.user("md5er", "password", quoted(verifier_of("md5er")));
        PgweirProcess pgweir(config);
        check_only_the_right_password(pgweir, "md5er");
    }
}

TEST_CASE("users from a userlist.txt of PgBouncer, plain, md5 and SCRAM, and its reload") {
    TemporaryFolder folder("userlist");
    auto list = folder.path() / "userlist.txt";
    std::string lines = "; a comment\n\"plain\" \"" + password_of("plain") + "\"\n\"md5er\" \"" +
                        verifier_of("md5er") + "\" more that is ignored\n";
    write_file(list, lines);
    PgweirConfig config = with_method("md5");
    config.general("auth_file", quoted(list.string()));
    PgweirProcess pgweir(config);
    check_only_the_right_password(pgweir, "plain");
    check_only_the_right_password(pgweir, "md5er");
    CHECK(login(pgweir.target().with_user("scrammer"), password_of("scrammer")) != "");
    write_file(list, lines + "\"scrammer\" \"" + verifier_of("scrammer") + "\"\n");
    pgweir.process().signal(SIGHUP);
    wait_until("the new user may log in", [&] {
        return login(pgweir.target().with_user("scrammer"), password_of("scrammer")).empty();
    });
    check_only_the_right_password(pgweir, "scrammer");
}

TEST_CASE("auth_query: VALID UNTIL and NOLOGIN are honoured, unknown users stay outside (T9)") {
    Connection admin(cluster().owner());
    admin.must("grant select on pg_catalog.pg_authid to asker");
    PgweirConfig config = with_method("scram-sha-256");
    config.general("auth_user", "\"asker\"").general("auth_query_cache", "\"0s\"");
    PgweirProcess pgweir(config);
    check_only_the_right_password(pgweir, "scrammer");
    CHECK(fails_by_password(login(pgweir.target().with_user("expired"), password_of("expired"))));
    CHECK(fails_by_password(login(pgweir.target().with_user("locked"), password_of("locked"))));
    CHECK(fails_by_password(login(pgweir.target().with_user("unknown"), "x")));
    CHECK(fails_by_password(login(pgweir.target().with_user("' or true --"), "x")));
    // A new password counts at the next login.
    admin.must("create role changing login password 'one'");
    CHECK(login(pgweir.target().with_user("changing"), "one") == "");
    admin.must("alter role changing password 'two'");
    CHECK(login(pgweir.target().with_user("changing"), "one") != "");
    CHECK(login(pgweir.target().with_user("changing"), "two") == "");
    admin.must("drop role changing");
}

TEST_CASE("T7: no startup parameter of a client reaches the connection that looks users up") {
    Connection admin(cluster().owner());
    admin.must("create table if not exists seen (path text, role text, timeout text)");
    admin.must("truncate seen");
    admin.must(
        "create or replace function public.look_up(name text) returns table (u name, p text) "
        "language plpgsql security definer as $$ begin "
        "insert into public.seen values (current_setting('search_path'), session_user, "
        "current_setting('statement_timeout')); "
        "return query select rolname, rolpassword from pg_catalog.pg_authid "
        "where rolname = name; end $$");
    PgweirConfig config = with_method("scram-sha-256");
    config.general("auth_user", "\"asker\"")
        .general("auth_query", "\"select u, p from public.look_up($1)\"")
        .general("auth_query_cache", "\"0s\"");
    PgweirProcess pgweir(config);
    Target target = pgweir.target().with_user("scrammer");
    std::string evil = "options='-c search_path=evil -c statement_timeout=7s'";
    CHECK(login(target, password_of("scrammer"), evil) == "");
    CHECK(login(target, "wrong", evil) != "");
    CHECK(std::stoi(admin.value("select count(*) from seen")) >= 1);
    CHECK(admin.value("select count(*) from seen where path like '%evil%' or timeout <> '0' or "
                      "role <> 'asker'") == "0");
}

TEST_CASE("a failed look-up is an error for that client, and the next one is served again") {
    PgweirConfig config = with_method("scram-sha-256");
    config.general("auth_user", "\"asker\"")
        .general("auth_query", "\"select no_such_column, $1::text\"");
    config.user("plain", "password", quoted(password_of("plain")));
    PgweirProcess pgweir(config);
    CHECK(login(pgweir.target().with_user("scrammer"), password_of("scrammer")) != "");
    CHECK(login(pgweir.target().with_user("plain"), password_of("plain")) == "");
}

TEST_CASE("trust lets known users in, and nobody else") {
    PgweirConfig config = with_method("trust");
    config.user("trusty", "password", "\"\"");
    PgweirProcess pgweir(config);
    CHECK(login(pgweir.target(), "") == "");
    CHECK(login(pgweir.target().with_user("someone"), "") != "");
}

TEST_CASE("the user and password of a database's section serve all its clients") {
    PgweirConfig config = with_method("any");
    config.database("app", "user", "\"scrammer\"")
        .database("app", "password", quoted(password_of("scrammer")));
    PgweirProcess pgweir(config);
    Connection connection(pgweir.target().with_user("whoever"));
    CHECK(connection.value("select current_user") == "scrammer");
}

TEST_CASE("a wrong password towards the server fails its pool's clients at once, and only those") {
    PgweirConfig config = with_method("any");
    config.user("scrammer", "password", "\"not the right one\"");
    PgweirProcess pgweir(config);
    auto begin = std::chrono::steady_clock::now();
    CHECK(login(pgweir.target().with_user("scrammer"), "") != "");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
    CHECK(serves(pgweir.target()));
}

TEST_CASE("T23: passwords appear in no log and in no console answer") {
    PgweirConfig config = with_method("scram-sha-256");
    for (const char* user : {"plain", "scrammer", "owner"}) {
        config.user(user, "password", quoted(password_of(user)));
    }
    config.general("log_level", "\"debug\"");
    PgweirProcess pgweir(config);
    CHECK(login(pgweir.target().with_user("plain"), password_of("plain")) == "");
    CHECK(login(pgweir.target().with_user("scrammer"), "canary-of-the-test") != "");
    Connection console(pgweir.console(), "password=" + password_of("owner"));
    std::string said;
    for (const char* command : {"show config", "show databases", "show users", "show clients",
                                "show servers", "show pools", "show stats"}) {
        Answer answer = console.query(command);
        for (const auto& row : answer.rows) {
            for (const auto& cell : row) said += cell.value_or("") + "\n";
        }
    }
    std::string log = read_file(pgweir.folder() / "pgweir.log");
    for (const std::string& secret :
         {password_of("plain"), password_of("scrammer"), std::string("canary-of-the-test")}) {
        CAPTURE(secret);
        CHECK(said.find(secret) == std::string::npos);
        CHECK(log.find(secret) == std::string::npos);
    }
}
