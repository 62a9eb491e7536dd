// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/toml_reader.h"

#include <doctest/doctest.h>

#include <string>

using namespace pgweir;
using namespace pgweir::config;

namespace {

std::string error_of(const std::string& text) {
    try {
        read_toml(text, "f.toml");
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "no error";
}

struct BadFile {
    std::string text;
    std::string error;
};

template <std::size_t N>
void check_all(const BadFile (&files)[N]) {
    for (const BadFile& file : files) {
        CAPTURE(file.text);
        CHECK(error_of(file.text) == file.error);
    }
}

}  // namespace

TEST_CASE("an empty file is a configuration: the defaults") {
    const auto settings = read_toml("", "f.toml");
    CHECK(settings->limits.default_pool_size() == 20);
    CHECK(settings->databases().empty());
}

TEST_CASE("a whole file") {
    const auto settings = read_toml(R"(
[pgweir]
listen = ["127.0.0.1:6432", "/run/pgweir"]
pool_mode = "session"
admin_users = "root"
log_connections = false

[limits]
default_pool_size = 5
prepared_statements_memory = "128MiB"

[timeouts]
query_wait_timeout = 2.5
server_idle_timeout = "10min"

[databases.app]
nodes = ["n1:5433", "n2"]
pool_mode = "transaction"

[databases."*"]
host = "/run/postgresql"

[users."al ice"]
password = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"

[[hba]]
type = "local"
method = "peer"

[[hba]]
type = "hostssl"
database = ["app", "other"]
user = "al ice"
address = "10.0.0.0/8"
method = "scram-sha-256"
)",
                                    "f.toml");
    CHECK(settings->general.listen() == TextList{"127.0.0.1:6432", "/run/pgweir"});
    CHECK(settings->general.pool_mode() == PoolMode::Session);
    CHECK(settings->general.admin_users() == TextList{"root"});
    CHECK(!settings->general.log_connections());
    CHECK(settings->limits.default_pool_size() == 5);
    CHECK(settings->limits.default_pool_size.line() == 9);
    CHECK(settings->limits.prepared_statements_memory() == mib(128));
    CHECK(settings->timeouts.query_wait_timeout() == Duration::milliseconds(2500));
    CHECK(settings->timeouts.server_idle_timeout() == Duration::seconds(600));
    CHECK(settings->pool_for("app", "x").nodes.size() == 2);
    CHECK(settings->pool_for("what", "x").nodes.front().host == "/run/postgresql");
    REQUIRE(settings->find_user("al ice") != nullptr);
    CHECK(settings->find_user("al ice")->password().starts_with("SCRAM-SHA-256$"));
    REQUIRE(settings->hba.size() == 2);
    CHECK(settings->hba[0].type == HbaRule::Type::Local);
    CHECK(settings->hba[0].method == AuthMethod::Peer);
    CHECK(settings->hba[0].databases == TextList{"all"});
    CHECK(settings->hba[1].databases == TextList{"app", "other"});
    CHECK(settings->hba[1].users == TextList{"al ice"});
    CHECK(settings->hba[1].address == "10.0.0.0/8");
    CHECK(settings->hba[1].line == 30);
}

TEST_CASE("a name that does not exist is refused with the nearest right one") {
    check_all({
        {"[pgweir]\n\npol_mode = 1\n",
         "f.toml:3: there is no option \"pol_mode\" in [pgweir]; did you mean \"pool_mode\"?"},
        {"[limit]\n", "f.toml:1: there is no section \"limit\"; did you mean \"limits\"?"},
        {"[colours]\n", "f.toml:1: there is no section \"colours\""},
        {"[limits]\ncolour = 1\n", "f.toml:2: there is no option \"colour\" in [limits]"},
        {"[pgweir]\nmax_client_conn = 1\n",
         "f.toml:2: there is no option \"max_client_conn\" in [pgweir]; it belongs to [limits]"},
        {"[pgweir]\nmax_client_con = 1\n",
         "f.toml:2: there is no option \"max_client_con\" in [pgweir]; did you mean "
         "\"max_client_conn\" in [limits]?"},
        {"[databases.app]\nhots = \"n1\"\n",
         "f.toml:2: there is no option \"hots\" in [databases.app]; did you mean \"host\"?"},
        {"[users.alice]\npasword = \"x\"\n",
         "f.toml:2: there is no option \"pasword\" in [users.alice]; did you mean \"password\"?"},
        {"[[hba]]\ntype = \"host\"\nmethod = \"trust\"\nuesr = \"x\"\n",
         "f.toml:4: a rule has no \"uesr\"; did you mean \"user\"?"},
        {"listen = \"x\"\n",
         "f.toml:1: \"listen\" stands before the first section; write [pgweir] above it"},
        {"colour = \"x\"\n",
         "f.toml:1: \"colour\" stands before the first section, such as [pgweir]"},
    });
}

TEST_CASE("PgBouncer's names are answered with what to write here") {
    check_all({
        {"[pgbouncer]\n",
         "f.toml:1: there is no section \"pgbouncer\"; what it holds is in [pgweir], [limits], "
         "[timeouts], [tcp] and [tls] here"},
        {"[pgweir]\nlisten_addr = \"*\"\n",
         "f.toml:2: there is no option \"listen_addr\" in [pgweir]: write listen = "
         "[\"address:port\"] in [pgweir]"},
        {"[limits]\nres_pool_size = 3\n",
         "f.toml:2: there is no option \"res_pool_size\" in [limits]: write reserve_pool_size in "
         "[limits]"},
    });
}

TEST_CASE("a value of the wrong type or out of range is refused with what it must be") {
    check_all({
        {"[limits]\ndefault_pool_size = 0\n",
         "f.toml:2: default_pool_size can't be 0: it must be at least 1"},
        {"[limits]\ndefault_pool_size = \"many\"\n",
         "f.toml:2: default_pool_size must be a whole number"},
        {"[limits]\nmax_message_size = \"1KiB\"\n",
         "f.toml:2: max_message_size can't be 1KiB: it must be 64KiB to 2047MiB"},
        {"[timeouts]\nquery_timeout = \"soon\"\n",
         "f.toml:2: query_timeout must be a duration: seconds as a number, or a text such as "
         "\"5s\", \"100ms\" or \"2min\""},
        {"[timeouts]\nquery_timeout = -1\n",
         "f.toml:2: query_timeout can't be negative: it must be at least 0"},
        {"[timeouts]\nquery_timeout = 1979-05-27\n",
         "f.toml:2: query_timeout must not be a date or a time"},
        {"[pgweir]\nlog_connections = 1\n", "f.toml:2: log_connections must be true or false"},
        {"[pgweir]\nlisten = [1, 2]\n",
         "f.toml:2: listen must be a list of texts only: [\"a\", \"b\"]"},
        {"[pgweir.listen]\n", "f.toml:1: listen is an option, not a section"},
        {"[pgweir]\nunix_socket_mode = 600\n",
         "f.toml:2: unix_socket_mode must be permissions as octal digits in quotes, such as "
         "\"0600\""},
        {"[pgweir]\nunix_socket_mode = \"4777\"\n",
         "f.toml:2: unix_socket_mode can't be 4777: it must be at most 0777"},
        {"[pgweir]\npool_mode = \"transation\"\n",
         "f.toml:2: pool_mode can't be \"transation\"; did you mean \"transaction\"? It is one of "
         "session, transaction, statement"},
        {"[pgweir]\nauth_file = \"a\\u0000b\"\n", "f.toml:2: auth_file must not contain a NUL"},
        {"pgweir = 1\n", "f.toml:1: \"pgweir\" must be a section: [pgweir]"},
        {"[databases]\napp = \"host=n1\"\n",
         "f.toml:2: \"databases.app\" must be a section: [databases.app]"},
        {"[databases.\"\"]\n", "f.toml:1: a name in [databases.] is empty"},
        {"hba = 1\n", "f.toml:1: \"hba\" must be a list of rules: [[hba]]"},
        {"hba = [1]\n", "f.toml:1: \"hba\" must be a list of rules: [[hba]]"},
        {"[[hba]]\ntype = \"host\"\n", "f.toml:1: this rule has no method"},
        {"[[hba]]\nmethod = \"trust\"\n", "f.toml:1: this rule has no type"},
        {"[[hba]]\ntype = \"local\"\naddress = \"::1\"\nmethod = \"trust\"\n",
         "f.toml:1: a rule of type \"local\" is for Unix sockets and has no address"},
        {"[[hba]]\ntype = \"hosts\"\nmethod = \"trust\"\n",
         "f.toml:2: type can't be \"hosts\"; did you mean \"host\"? It is one of local, host, "
         "hostssl, hostnossl"},
    });
}

TEST_CASE("the first error of the file is the one that is reported") {
    CHECK(error_of("[pgweir]\nzzz = 1\naaa = 1\n") ==
          "f.toml:2: there is no option \"zzz\" in [pgweir]");
}

TEST_CASE("what is written twice is an error") {
    CHECK(error_of("[limits]\nmin_pool_size = 1\nmin_pool_size = 2\n").starts_with("f.toml:3: "));
    CHECK(error_of("[limits]\n[tcp]\n[limits]\n").starts_with("f.toml:3: "));
    CHECK(error_of("[databases.a]\n[databases.a]\n").starts_with("f.toml:2: "));
}

TEST_CASE("what is no TOML is refused with its line") {
    CHECK(error_of("[pgweir\n").starts_with("f.toml:1: "));
    CHECK(error_of("[pgweir]\nlisten = \n").starts_with("f.toml:2: "));
    CHECK(error_of("[pgweir]\nlog_file = \"abc\n").starts_with("f.toml:2: "));
    CHECK(error_of("\xff\xfe\x00").starts_with("f.toml:1: "));
    CHECK(error_of(std::string(100'000, '[')).starts_with("f.toml:1: "));
    CHECK(error_of("a = " + std::string(100'000, '[')).starts_with("f.toml:1: "));
    CHECK(error_of("\xc3\xa9 = 1").starts_with("f.toml:1: "));
    CHECK(error_of("\xef\xb9\xbf]").starts_with("f.toml:1: "));
    CHECK(error_of("[.a]").starts_with("f.toml:1: "));
    CHECK(error_of("[a.]").starts_with("f.toml:1: "));
}

TEST_CASE("options that contradict each other are refused where one of them stands") {
    check_all({
        {"[pgweir]\nlisten = []\n", "f.toml:2: listen is empty: no client could connect"},
        {"[pgweir]\nlisten = \"localhost\"\n",
         "f.toml:2: listen names \"localhost\", which has no port; write host:port, e.g. "
         "127.0.0.1:6432"},
        {"[limits]\nmin_pool_size = 21\n",
         "f.toml:2: min_pool_size = 21 must not be more than default_pool_size = 20"},
        {"[limits]\nmin_pool_size = 9\nmax_server_connections = 8\n",
         "f.toml:2: min_pool_size = 9 must not be more than max_server_connections = 8"},
        {"[limits]\nprepared_statements_memory = \"1MiB\"\n",
         "f.toml:2: prepared_statements_memory = 1MiB must be at least max_buffered_message = "
         "16MiB"},
        {"[timeouts]\nserver_login_retry = 60\n",
         "f.toml:2: server_login_retry = 1min must not be longer than server_login_retry_max = "
         "15s"},
        {"[tls]\nclient_tls_sslmode = \"require\"\n",
         "f.toml:2: client_tls_sslmode = \"require\" needs client_tls_cert_file"},
        {"[tls]\nclient_tls_sslmode = \"require\"\nclient_tls_cert_file = \"c\"\n",
         "f.toml:2: client_tls_sslmode = \"require\" needs client_tls_key_file"},
        {"[tls]\nclient_tls_sslmode = \"verify-ca\"\nclient_tls_cert_file = "
         "\"c\"\nclient_tls_key_file = \"k\"\n",
         "f.toml:2: client_tls_sslmode = \"verify-ca\" needs client_tls_ca_file"},
        {"[tls]\nserver_tls_cert_file = \"c\"\n",
         "f.toml:2: server_tls_cert_file needs server_tls_key_file"},
        {"[tls]\nserver_tls_key_file = \"k\"\n",
         "f.toml:2: server_tls_key_file needs server_tls_cert_file"},
        {"[tls]\nserver_tls_sslmode = \"verify-full\"\n",
         "f.toml:2: server_tls_sslmode = \"verify-full\" needs server_tls_ca_file in [tls]"},
        {"[tls]\nserver_tls_direct = true\n",
         "f.toml:2: server_tls_direct needs server_tls_sslmode \"require\", \"verify-ca\" or "
         "\"verify-full\""},
        {"[pgweir]\nauth_type = \"cert\"\n",
         "f.toml:2: auth_type \"cert\" needs client_tls_ca_file in [tls]"},
        {"[[hba]]\ntype = \"hostssl\"\nmethod = \"cert\"\n",
         "f.toml:1: method \"cert\" needs client_tls_ca_file in [tls]"},
        {"[pgweir]\nauth_query = \"SELECT $1\"\n",
         "f.toml:2: auth_query needs auth_user, as whom it runs"},
        {"[pgweir]\nauth_user = \"a\"\nauth_query = \"SELECT 1\"\n",
         "f.toml:3: auth_query has no $1, where the user's name goes"},
    });
}

TEST_CASE("a database's section that contradicts itself is refused") {
    check_all({
        {"[databases.a]\nhost = \"\"\n", "f.toml:2: host is empty"},
        {"[databases.a]\nport = 0\n", "f.toml:2: port can't be 0: it must be 1 to 65535"},
        {"[databases.a]\nhost = \"n\"\nnodes = [\"n\"]\n",
         "f.toml:2: host and nodes exclude each other"},
        {"[databases.a]\nport = 1\nnodes = [\"n\"]\n",
         "f.toml:2: port belongs into nodes: \"host:port\""},
        {"[databases.a]\nnodes = []\n", "f.toml:2: nodes is empty"},
        {"[databases.a]\nnodes = [\"n:x\"]\n",
         "f.toml:2: nodes names \"n:x\", which has \"x\" as its port, which must be 0 to 65535"},
        {"[databases.a]\nnodes = [\"n:0\"]\n",
         "f.toml:2: nodes names \"n:0\", which has the port 0"},
        {"[databases.a]\npassword = \"p\"\n", "f.toml:2: password needs user in [databases.a]"},
        {"[databases.a]\nurl = \"postgres://h/d\"\nuser = \"u\"\n",
         "f.toml:3: user and url exclude each other"},
        {"[databases.a]\nurl = \"h/d\"\n",
         "f.toml:2: url does not begin with postgres:// or postgresql://"},
        {"[databases.a]\nurl = \"postgres://:p@h/d\"\n",
         "f.toml:2: url has no user for the password"},
        {"[databases.a]\nurl = \"postgres://u:p@h/d\"\npassword = \"p\"\n",
         "f.toml:3: password stands in url already"},
        {"[databases.a]\nurl = \"postgres://u:p@h/d?sslmode=verify-ca\"\n",
         "f.toml:2: server_tls_sslmode = \"verify-ca\" needs server_tls_ca_file in [tls]"},
        {"[databases.a]\nmin_pool_size = 30\n",
         "f.toml:2: min_pool_size = 30 must not be more than pool_size = 20"},
        {"[limits]\nmin_pool_size = 3\n[databases.a]\npool_size = 2\n",
         "f.toml:4: min_pool_size = 3 must not be more than pool_size = 2"},
        {"[databases.a]\nauth_query = \"SELECT $1\"\n",
         "f.toml:2: auth_query needs auth_user, as whom it runs"},
    });
}
