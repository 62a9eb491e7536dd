// SPDX-License-Identifier: PostgreSQL
// Servers that lie at login, and what must come of it: a client that is refused in words that are
// not theirs, and nothing told to them.
#pragma once

#include <doctest/doctest.h>

#include <map>

#include "fake_server.h"
#include "shared.h"

namespace pgweir::integration {

inline const std::string kCanary = "CANARY";

// What a script has heard is checked by the test's own thread, after the end.
struct Heard {
    std::atomic<int> attempts{0};
    std::atomic<int> passwords{0};  // Messages of type 'p'.
    std::atomic<int> after_lie{0};  // Anything that came although the server had lied.
    std::atomic<bool> has_ended{false};
};

using LyingLogin = std::function<void(FakeConnection&, Heard&)>;

inline bool is_cancel_request(const std::string& body) {
    return body.substr(0, 4) == int32(80877102);
}

inline PgweirConfig config_of(const FakeServer& node) {
    PgweirConfig config("127.0.0.1", node.port());
    return config.general("auth_type", "\"trust\"")
        .user("trusty", "password", "\"secret\"")
        .timeout("query_wait_timeout", "500ms")
        .timeout("server_clean_timeout", "500ms");
}

// Begins a login; hears its end.
inline Transcript hear_login(const Target& target) {
    RawClient client(target);
    client.send(startup({{"user", target.user}, {"database", target.database}}));
    client.read_to_end();
    return client.transcript();
}

// A client that wants to log in where every server behaves like that: it is refused, in words that
// are not the server's.
inline void check_fails_closed(const LyingLogin& login, Heard& heard,
                               const std::string& tls = "disable",
                               const std::map<std::string, std::string>& more_tls = {}) {
    FakeServer node([&](FakeConnection& server) {
        ++heard.attempts;
        login(server, heard);
        server.wait_for_end();
        heard.has_ended = true;
    });
    PgweirConfig config = config_of(node);
    config.tls("server_tls_sslmode", tls);
    if (tls == "verify-full") {
        config.tls("server_tls_ca_file", cluster().certificates().authority());
    }
    for (const auto& [name, value] : more_tls) config.tls(name, value);
    PgweirProcess pgweir(config);
    Transcript lines = hear_login(pgweir.target());
    CAPTURE(joined(lines));
    REQUIRE(!lines.empty());
    CHECK(lines.back() == "closed");
    CHECK(count_lines(lines, "ErrorResponse FATAL") == 1);
    CHECK(count_lines(lines, "ReadyForQuery") == 0);
    CHECK(joined(lines).find(kCanary) == std::string::npos);
    wait_until("the server is left", [&] { return heard.has_ended.load(); });
    CHECK(heard.after_lie == 0);
    CHECK(pgweir.process().is_running());
}

// Whatever comes now would be an answer to a lie.
inline void expect_silence(FakeConnection& server, Heard& heard) {
    if (server.read()) ++heard.after_lie;
}

inline std::string sasl_offer() {
    return authentication(10, zero_ended("SCRAM-SHA-256") + '\0');
}

// The client-first message of SCRAM, up to its nonce: "n,,n=,r=...".
inline std::string nonce_of(const Message& initial) {
    auto at = initial.body.find("r=");
    return at == std::string::npos ? "" : initial.body.substr(at + 2);
}

// Answers client-first by `server_first`, made from the client's nonce.
inline LyingLogin scram_that_says(
    const std::function<std::string(const std::string&)>& server_first) {
    return [server_first](FakeConnection& server, Heard& heard) {
        if (server.read_startup().empty()) return;
        server.send(sasl_offer());
        auto initial = server.read();
        if (!initial) return;
        server.send(authentication(11, server_first(nonce_of(*initial))));
        expect_silence(server, heard);
    };
}

inline const std::string kSalt = "c2FsdHNhbHRzYWx0c2FsdA==";

}  // namespace pgweir::integration
