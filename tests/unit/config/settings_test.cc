// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/settings.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace pgweir;
using namespace pgweir::config;

TEST_CASE("a database has its own section, or that of *") {
    Settings settings;
    CHECK(settings.find_database("app") == nullptr);
    DatabaseSettings& any = settings.add_database("*");
    DatabaseSettings& app = settings.add_database("app");
    CHECK(settings.find_database("app") == &app);
    CHECK(settings.find_database("other") == &any);
    CHECK(&settings.add_database("app") == &app);
}

TEST_CASE("a pool without overrides is as the sections for the whole process say") {
    Settings settings;
    settings.limits.default_pool_size.assign(7);
    settings.timeouts.query_timeout.assign(Duration::seconds(3));
    settings.general.pool_mode.assign(PoolMode::Session);
    settings.add_database("app").host.assign("n1");
    const EffectivePool pool = settings.pool_for("app", "alice");
    CHECK(pool.nodes == std::vector<NodeAddress>{{"n1", 5432}});
    CHECK(pool.server_database == "app");
    CHECK(pool.server_user == "alice");
    CHECK(!pool.user_is_fixed);
    CHECK(pool.pool_size == 7);
    CHECK(pool.query_timeout == Duration::seconds(3));
    CHECK(pool.pool_mode == PoolMode::Session);
    CHECK(pool.server_lifetime == Duration::seconds(3600));
}

TEST_CASE("a user's option goes before the database's, and that before the process's") {
    Settings settings;
    DatabaseSettings& app = settings.add_database("app");
    UserSettings& alice = settings.add_user("alice");
    app.pool_size.assign(5);
    app.pool_mode.assign(PoolMode::Statement);
    alice.pool_size.assign(9);
    alice.client_idle_timeout.assign(Duration::seconds(8));
    CHECK(settings.pool_for("app", "alice").pool_size == 9);
    CHECK(settings.pool_for("app", "bob").pool_size == 5);
    CHECK(settings.pool_for("other", "bob").pool_size == 20);
    CHECK(settings.pool_for("app", "alice").pool_mode == PoolMode::Statement);
    CHECK(settings.pool_for("app", "alice").client_idle_timeout == Duration::seconds(8));
    CHECK(settings.pool_for("app", "bob").client_idle_timeout == Duration{});
}

TEST_CASE("an override may be 0, which lifts a limit") {
    Settings settings;
    settings.limits.max_db_connections.assign(10);
    settings.timeouts.query_wait_timeout.assign(Duration::seconds(10));
    DatabaseSettings& app = settings.add_database("app");
    app.max_db_connections.assign(0);
    app.query_wait_timeout.assign(Duration{});
    CHECK(settings.pool_for("app", "alice").max_db_connections == 0);
    CHECK(settings.pool_for("app", "alice").query_wait_timeout == Duration{});
}

TEST_CASE("a database can have another name, user and password on its node") {
    Settings settings;
    DatabaseSettings& app = settings.add_database("app");
    app.node_list.assign({"n1:5433", "[::1]:5434", "n3"});
    app.dbname.assign("app_v2");
    app.user.assign("pooled");
    app.password.assign("secret");
    app.server_tls_sslmode.assign(TlsMode::Require);
    const EffectivePool pool = settings.pool_for("app", "alice");
    CHECK(pool.nodes == std::vector<NodeAddress>{{"n1", 5433}, {"::1", 5434}, {"n3", 5432}});
    CHECK(pool.server_database == "app_v2");
    CHECK(pool.server_user == "pooled");
    CHECK(pool.server_password == "secret");
    CHECK(pool.user_is_fixed);
    CHECK(pool.tls_mode == TlsMode::Require);
}

TEST_CASE("a database's url stands for its host, port, name, user, password and TLS") {
    Settings settings;
    settings.add_database("app").url.assign("postgres://u:p@h:6/d?sslmode=require");
    EffectivePool pool = settings.pool_for("app", "alice");
    CHECK(pool.nodes == std::vector<NodeAddress>{{"h", 6}});
    CHECK(pool.server_database == "d");
    CHECK(pool.server_user == "u");
    CHECK(pool.server_password == "p");
    CHECK(pool.tls_mode == TlsMode::Require);
    settings.add_database("bare").url.assign("postgres://u@h");
    settings.add_database("bare").password.assign("beside");
    pool = settings.pool_for("bare", "alice");
    CHECK(pool.server_database == "bare");
    CHECK(pool.server_password == "beside");
}

TEST_CASE("a database that nobody configured has no node") {
    const Settings settings;
    CHECK(settings.pool_for("app", "alice").nodes.empty());
}

TEST_CASE("a Unix socket without a port has that of the first TCP address") {
    Settings settings;
    settings.general.listen.assign({"/tmp", "127.0.0.1:7000", "[::1]:7001", "/run:5432"});
    CHECK(settings.listen_addresses() ==
          std::vector<ListenAddress>{
              {"/tmp", 7000}, {"127.0.0.1", 7000}, {"::1", 7001}, {"/run", 5432}});
}

TEST_CASE("admins may read statistics, readers of statistics are no admins") {
    Settings settings;
    settings.general.admin_users.assign({"root"});
    settings.general.stats_users.assign({"watch"});
    CHECK(settings.is_admin("root"));
    CHECK(settings.may_read_stats("root"));
    CHECK(!settings.is_admin("watch"));
    CHECK(settings.may_read_stats("watch"));
    CHECK(!settings.may_read_stats("alice"));
    CHECK(!settings.is_admin(""));
}

TEST_CASE("only differences that need a restart are reported") {
    Settings running;
    Settings wanted;
    CHECK(restart_differences(running, wanted).empty());
    wanted.limits.default_pool_size.assign(3);
    wanted.general.workers.assign(2);
    wanted.general.listen.assign({"127.0.0.1:7000"});
    wanted.http.listen.assign({"127.0.0.1:9187"});
    wanted.http.token.assign("0123456789abcdef");
    CHECK(restart_differences(running, wanted) ==
          std::vector<std::string>{"listen", "workers", "http_listen"});
}

TEST_CASE("HTTP listens on TCP addresses, and its token is long enough") {
    const auto error_of = [](TextList listen, const std::string& token) {
        Settings settings;
        settings.http.listen.assign(std::move(listen), 3);
        settings.http.token.assign(token, 4);
        try {
            settings.check("f");
        } catch (const ConfigError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    CHECK(error_of({}, "") == "");
    CHECK(error_of({"127.0.0.1:9187", "[::1]:0"}, "0123456789abcdef") == "");
    CHECK(error_of({"/run/pgweir:9187"}, "") ==
          "f:3: listen names \"/run/pgweir:9187\", which is no host:port");
    CHECK(error_of({"127.0.0.1"}, "") ==
          "f:3: listen names \"127.0.0.1\", which has no port; write host:port, e.g. "
          "127.0.0.1:6432");
    CHECK(error_of({}, "0123456789abcde") == "f:4: token must have at least 16 characters");

    Settings settings;
    settings.http.listen.assign({"127.0.0.1:9187", "[::1]:0"});
    CHECK(settings.http_addresses() == std::vector<ListenAddress>{{"127.0.0.1", 9187}, {"::1", 0}});
    CHECK(settings.http.token.is_secret());
}

TEST_CASE("every option has a sentence, and no two of the whole process share a name") {
    Settings settings;
    settings.add_database("d");
    settings.add_user("u");
    std::set<std::string> names;
    for (const OptionGroup* group : settings.all_groups()) {
        for (const OptionBase* option : group->options()) {
            CAPTURE(option->name());
            CHECK(option->doc().size() > 10);
            CHECK(option->doc().back() == '.');
            if (group->section().find('.') == std::string::npos) {
                CHECK(names.emplace(group->name_among_all(*option)).second);
            }
        }
    }
    CHECK(names.size() > 70);
}

TEST_CASE("the defaults contradict nothing") {
    const Settings settings;
    CHECK_NOTHROW(settings.check("pgweir.toml"));
}

TEST_CASE("the default auth_query names no operator or relation that a search_path could replace") {
    const std::string query = kDefaultAuthQuery;
    CHECK(query.find("FROM pg_catalog.pg_authid") != std::string::npos);
    CHECK(query.find("rolcanlogin") != std::string::npos);
    CHECK(query.find("rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now()") != std::string::npos);
    CHECK(query.find(" < ") == std::string::npos);
    CHECK(query.find(" = ") == std::string::npos);
}

TEST_CASE("instances that hand cancel requests on know one another, their place and a secret") {
    const auto error_of = [](TextList peers, Count peer_id, const std::string& secret) {
        Settings settings;
        settings.add_database("app");
        settings.general.peers.assign(std::move(peers), 3);
        if (peer_id != 0) settings.general.peer_id.assign(peer_id, 4);
        if (!secret.empty()) settings.general.cancel_secret.assign(secret, 5);
        try {
            settings.check("f");
        } catch (const ConfigError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    const std::string secret = "0123456789abcdef";
    const TextList two = {"10.0.0.1:6432", "/run/pgweir"};
    CHECK(error_of(two, 2, secret) == "");
    CHECK(error_of({"10.0.0.1:6432"}, 1, secret) ==
          "f:3: peers must name 2 to 32 instances, this one included");
    CHECK(error_of(TextList(33, "n:1"), 1, secret) ==
          "f:3: peers must name 2 to 32 instances, this one included");
    CHECK(error_of(two, 0, secret) == "f:3: peer_id = 0 must be a place in peers: 1 to 2");
    CHECK(error_of(two, 3, secret) == "f:3: peer_id = 3 must be a place in peers: 1 to 2");
    CHECK(error_of(two, 1, "") == "f:3: peers need a cancel_secret of at least 16 characters");
    CHECK(error_of(two, 1, "too short") ==
          "f:3: peers need a cancel_secret of at least 16 characters");
    CHECK(error_of({"a:1", "b:0"}, 1, secret) == "f:3: peers names \"b:0\" with the port 0");
    CHECK(error_of({}, 1, "") == "f:4: peer_id needs peers");
    CHECK(error_of({}, 0, secret) == "f:5: cancel_secret needs peers");

    Settings settings;
    settings.general.peers.assign(two);
    CHECK(settings.peer_addresses() ==
          std::vector<NodeAddress>{{"10.0.0.1", 6432}, {"/run/pgweir", 6432}});
}
