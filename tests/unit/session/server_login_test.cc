// SPDX-License-Identifier: PostgreSQL
// Our login to a server, which may be anybody: whatever is not as it has to be ends it.
#include "pgweir/session/server_login.h"

#include <doctest/doctest.h>

#include <string>

#include "pgweir/base/random.h"
#include "support/told.h"

namespace pgweir::session {

namespace {

namespace s = testing::server;
using testing::message;
using testing::Said;
using LoginStep = ServerLogin::Step;

class SeededEntropy : public Entropy {
 public:
    void fill(std::span<std::uint8_t> out) override { random_.fill(out); }

 private:
    Random random_{1};
};

Said authentication(std::uint32_t code, std::string_view rest = {}) {
    std::string body(4, '\0');
    store_u32(reinterpret_cast<Byte*>(body.data()), code);
    return message('R', body + std::string(rest));
}
const Said kOk = authentication(0);
const Said kSasl = authentication(10, std::string_view("SCRAM-SHA-256\0\0", 15));

ServerLoginRequest plain_request() {
    return {.address = {"10.0.0.1", 5432},
            .tls_mode = TlsMode::Disable,
            .direct_tls = false,
            .user = "alice",
            .parameters = {{"database", "app"}},
            .secret = auth::PlainPassword{auth::SecretText("secret")},
            .policy = {},
            .max_protocol_version = ProtocolVersion::V30};
}
ServerLoginRequest tls_request(TlsMode mode) {
    ServerLoginRequest request = plain_request();
    request.tls_mode = mode;
    return request;
}
ServerLoginRequest scram_request() {
    ServerLoginRequest request = plain_request();
    request.policy.require_auth = {.none = false, .password = false, .md5 = false, .scram = true};
    return request;
}

struct Login {
    explicit Login(ServerLoginRequest request)
        : login(ServerId{1}, std::move(request), entropy, keys) {
        login.start(effects);
        collect();
    }
    LoginStep hears(ByteView bytes) {
        const Bytes own(bytes.begin(), bytes.end());
        const LoginStep step = login.on_bytes(own, effects);
        collect();
        return step;
    }
    void secured() {
        login.on_secured({}, effects);
        collect();
    }
    std::string said() { return to_string(ByteView(std::exchange(to_server, {}))); }

    SeededEntropy entropy;
    auth::ScramKeyCache keys;
    ParameterDirectory directory;
    EffectList effects;
    ServerLogin login;
    Bytes to_server;
    bool started_tls = false;

 private:
    void collect() {
        for (const Effect& effect : effects.all()) {
            if (const auto* send = std::get_if<SendToServer>(&effect)) {
                to_server.insert(to_server.end(), send->bytes.begin(), send->bytes.end());
            } else if (std::holds_alternative<StartServerTls>(effect)) {
                started_tls = true;
            }
        }
        effects.clear();
    }
};

Said greeting() {
    return s::status("server_version", "15.4") + s::status("TimeZone", "UTC") +
           message('K', std::string_view("\0\0\0\7\1\2\3\4", 8)) + s::ready();
}

const std::string kSslRequest("\0\0\0\x08\x04\xd2\x16\x2f", 8);

}  // namespace

TEST_CASE("a login without a proof, wherever it is cut") {
    const Said all = kOk + greeting();
    for (std::size_t cut = 0; cut < all.size(); ++cut) {
        CAPTURE(cut);
        Login login(plain_request());
        const std::string startup = login.said();
        CHECK(startup.find(std::string("user\0alice\0database\0app\0\0", 25)) != std::string::npos);
        CHECK(login.hears(ByteView(all).first(cut)) == LoginStep::More);
        REQUIRE(login.hears(ByteView(all).subspan(cut)) == LoginStep::Ready);
        const ServerFacts facts = login.login.take_facts(login.directory);
        CHECK(facts.process_id == 7);
        CHECK(facts.has_key);
        CHECK(facts.cancel_secret == Bytes{1, 2, 3, 4});
        REQUIRE(facts.parameters->find("server_version") != nullptr);
        CHECK(facts.parameters->find("timezone")->value == "UTC");
        CHECK(facts.parameters->find("timezone")->is_reported);
    }
}

TEST_CASE("a Unix socket speaks no TLS") {
    ServerLoginRequest request = tls_request(TlsMode::Prefer);
    request.address = {"/run/postgresql", 5432};
    Login login(std::move(request));
    CHECK(login.said().find("alice") != std::string::npos);
}

TEST_CASE("TLS is asked for, and what comes then is protected") {
    Login login(tls_request(TlsMode::Require));
    CHECK(login.said() == kSslRequest);
    CHECK(login.hears(as_bytes("S")) == LoginStep::More);
    CHECK(login.started_tls);
    CHECK(login.said().empty());
    login.secured();
    CHECK(login.login.is_tls());
    CHECK(login.said().find("alice") != std::string::npos);
}

TEST_CASE("direct TLS asks nothing first") {
    ServerLoginRequest request = tls_request(TlsMode::Require);
    request.direct_tls = true;
    Login login(std::move(request));
    CHECK(login.started_tls);
    CHECK(login.said().empty());
}

TEST_CASE("a server without TLS is taken where TLS is only preferred") {
    Login preferred(tls_request(TlsMode::Prefer));
    preferred.said();
    CHECK(preferred.hears(as_bytes("N")) == LoginStep::More);
    CHECK(preferred.said().find("alice") != std::string::npos);
    for (const TlsMode mode : {TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull}) {
        Login login(tls_request(mode));
        login.said();
        CHECK(login.hears(as_bytes("N")) == LoginStep::Failed);
        CHECK(login.said().empty());
        CHECK_FALSE(login.started_tls);
        CHECK(login.login.failure().sqlstate.empty());
    }
}

TEST_CASE("what a server says in clear before TLS is nobody's to believe") {
    for (const std::string_view answer :
         {std::string_view("SX"), std::string_view("NX"), std::string_view("E"),
          std::string_view("x"), std::string_view("\0", 1)}) {
        CAPTURE(answer);
        for (const TlsMode mode : {TlsMode::Prefer, TlsMode::Require}) {
            Login login(tls_request(mode));
            login.said();
            CHECK(login.hears(as_bytes(answer)) == LoginStep::Failed);
            CHECK_FALSE(login.started_tls);
            CHECK(login.said().empty());
            CHECK_FALSE(login.login.failure().is_from_server);
        }
    }
    // A whole ErrorResponse in the place of the answer: its text and its SQLSTATE are not told.
    Login login(tls_request(TlsMode::Require));
    CHECK(login.hears(s::error("28000", "FATAL")) == LoginStep::Failed);
    CHECK(login.login.failure().sqlstate.empty());
    CHECK_FALSE(login.login.failure().is_from_server);
}

TEST_CASE("where SCRAM is required nothing less will do") {
    const std::vector<Said> rows = {
        kOk,
        authentication(3),
        authentication(5, "salt"),
        authentication(7),
        authentication(9),
        authentication(99),
        authentication(10, std::string_view("SCRAM-MD5\0\0", 11)),
        authentication(10, std::string_view("\0", 1)),
        authentication(10),
        authentication(11, "r=abc,s=c2FsdA==,i=4096"),
        authentication(12, "v=abc"),
        message('R'),
        message('R', "xx"),
    };
    for (const Said& row : rows) {
        CAPTURE(row.size());
        Login login(scram_request());
        login.said();
        CHECK(login.hears(row) == LoginStep::Failed);
        // Nothing of the secret leaves.
        CHECK(login.said().empty());
        CHECK_FALSE(login.login.failure().message.empty());
        CHECK_FALSE(login.login.failure().is_from_server);
    }
}

TEST_CASE("a SCRAM exchange that is not a server's who knows the password fails") {
    struct Row {
        const char* name;
        bool extends_nonce;
        const char* rest;
    };
    for (const Row& row :
         {Row{"a nonce that does not extend ours", false, ",s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096"},
          Row{"no salt", true, ",i=4096"}, Row{"a salt that is no base64", true, ",s=!!,i=4096"},
          Row{"no iterations", true, ",s=c2FsdA==,i=0"},
          Row{"more iterations than anybody computes", true, ",s=c2FsdA==,i=2147483647"},
          Row{"iterations that overflow", true, ",s=c2FsdA==,i=99999999999"},
          Row{"an extension that must be understood", true, ",m=x,s=c2FsdA==,i=4096"},
          Row{"AuthenticationOk in its place", false, nullptr}}) {
        CAPTURE(row.name);
        Login login(scram_request());
        login.said();
        REQUIRE(login.hears(kSasl) == LoginStep::More);
        const std::string first = login.said();
        const std::size_t at = first.find("r=");
        REQUIRE(at != std::string::npos);
        const std::string nonce = first.substr(at + 2);
        if (row.rest == nullptr) {
            CHECK(login.hears(kOk) == LoginStep::Failed);
            continue;
        }
        const std::string challenge =
            "r=" + (row.extends_nonce ? nonce + "more" : "other" + nonce) + row.rest;
        CHECK(login.hears(authentication(11, challenge)) == LoginStep::Failed);
        CHECK(login.said().empty());
    }
}

TEST_CASE("a wrong signature, or none, is no login") {
    for (const bool answers : {true, false}) {
        Login login(scram_request());
        login.said();
        REQUIRE(login.hears(kSasl) == LoginStep::More);
        const std::string first = login.said();
        const std::string nonce = first.substr(first.find("r=") + 2);
        REQUIRE(login.hears(
                    authentication(11, "r=" + nonce + "more,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096")) ==
                LoginStep::More);
        CHECK(login.said().find("p=") != std::string::npos);
        if (answers) {
            CHECK(login.hears(authentication(
                      12, "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")) == LoginStep::Failed);
        } else {
            CHECK(login.hears(kOk + greeting()) == LoginStep::Failed);
        }
    }
}

TEST_CASE("a password in clear does not cross a network in clear") {
    Login login(plain_request());
    login.said();
    CHECK(login.hears(authentication(3)) == LoginStep::Failed);
    CHECK(login.said().empty());
}

TEST_CASE("loopback is no network") {
    ServerLoginRequest request = plain_request();
    request.address = {"127.0.0.1", 5432};
    Login login(std::move(request));
    login.said();
    CHECK(login.hears(authentication(3)) == LoginStep::More);
    CHECK(login.said().find("secret") != std::string::npos);
}

TEST_CASE("a password in clear goes anywhere for who says so") {
    ServerLoginRequest request = plain_request();
    request.policy.cleartext = CleartextPassword::Anywhere;
    Login login(std::move(request));
    login.said();
    CHECK(login.hears(authentication(3)) == LoginStep::More);
    CHECK(login.said().find("secret") != std::string::npos);
}

TEST_CASE("where channel binding is required, nothing is sent without it") {
    const std::string both("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 34);
    for (const Said& row : {kOk, authentication(3), authentication(5, "salt"), kSasl,
                            // Offered, but the certificate has no hash to bind to (Ed25519).
                            authentication(10, both)}) {
        ServerLoginRequest request = tls_request(TlsMode::Require);
        request.policy.channel_binding = ChannelBinding::Require;
        Login login(std::move(request));
        login.hears(as_bytes("S"));
        login.secured();
        login.said();
        CHECK(login.hears(row) == LoginStep::Failed);
        CHECK(login.said().empty());
        CHECK(login.login.failure().is_refused_by_us);
    }
}

namespace {

ServerLoginRequest newest_request() {
    ServerLoginRequest request = plain_request();
    request.max_protocol_version = ProtocolVersion::V32;
    return request;
}
Said negotiation(std::uint32_t version, std::uint32_t options = 0, std::string_view names = {}) {
    std::string body(8, '\0');
    store_u32(reinterpret_cast<Byte*>(body.data()), version);
    store_u32(reinterpret_cast<Byte*>(body.data()) + 4, options);
    return message('v', body + std::string(names));
}
Said greeting_with_key(std::size_t secret_bytes) {
    return message('K', std::string("\0\0\0\7", 4) + std::string(secret_bytes, 'k')) + s::ready();
}

}  // namespace

TEST_CASE("protocol 3.2 is asked for where the settings say so") {
    Login old(plain_request());
    CHECK(old.said().substr(4, 4) == std::string("\0\3\0\0", 4));
    Login login(newest_request());
    CHECK(login.said().substr(4, 4) == std::string("\0\3\0\2", 4));
}

TEST_CASE("cancel keys of every length that 3.2 knows, whatever was asked for") {
    for (const std::size_t length : {4, 5, 32, 255, 256}) {
        CAPTURE(length);
        for (const auto& request : {plain_request, newest_request}) {
            Login login(request());
            REQUIRE(login.hears(kOk + greeting_with_key(length)) == LoginStep::Ready);
            CHECK(login.login.take_facts(login.directory).cancel_secret == Bytes(length, 'k'));
        }
    }
    for (const std::size_t length : {0, 3, 257}) {
        CAPTURE(length);
        Login login(newest_request());
        CHECK(login.hears(kOk + greeting_with_key(length)) == LoginStep::Failed);
    }
}

TEST_CASE("a server that speaks 3.0 says so, and the login goes on") {
    for (const std::uint32_t version : {0u, 0x30000u}) {
        Login login(newest_request());
        login.said();
        CHECK(login.hears(negotiation(version) + kOk + greeting()) == LoginStep::Ready);
        CHECK(login.said().empty());
    }
}

TEST_CASE("a negotiation of what was not asked ends the login") {
    const std::vector<Said> rows = {
        negotiation(1),
        negotiation(0x30001),
        negotiation(2),  // That is what was asked: there is nothing to negotiate.
        negotiation(3),
        negotiation(0x40000),
        negotiation(0, 1, std::string_view("_pq_.x\0", 7)),
        negotiation(0) + negotiation(0),
    };
    for (const Said& row : rows) {
        Login login(newest_request());
        CHECK(login.hears(row) == LoginStep::Failed);
    }
    Login old(plain_request());
    CHECK(old.hears(negotiation(0)) == LoginStep::Failed);
}

TEST_CASE("the server's own words are kept apart from ours") {
    Login login(plain_request());
    CHECK(login.hears(s::error("28P01", "FATAL")) == LoginStep::Failed);
    CHECK(login.login.failure().is_from_server);
    CHECK(login.login.failure().sqlstate == "28P01");
    CHECK(login.login.failure().message == "no");
}

TEST_CASE("a notice is no failure") {
    Login login(plain_request());
    CHECK(login.hears(message('N', std::string_view("SWARNING\0\0", 10)) + kOk +
                      message('N', std::string_view("SWARNING\0\0", 10)) + greeting()) ==
          LoginStep::Ready);
}

TEST_CASE("messages out of their order end the login") {
    const std::vector<Said> rows = {
        s::ready(),                    // Before AuthenticationOk.
        s::status("TimeZone", "UTC"),  // The same.
        message('K', std::string_view("\0\0\0\7\1\2\3\4", 8)),
        kOk + kOk,  // Twice.
        kOk + s::row(),
        kOk + s::parsed(),
        kOk + message('!'),
        kOk + message('S', "TimeZone"),
        kOk + message('K', "x"),
        kOk + s::ready('T'),
        kOk + s::ready('E'),
        kOk + message('Z'),
        kOk + greeting() + s::row(),  // More than its login.
        kOk + greeting() + message('N', std::string_view("\0", 1)),
        message('v', "x"),
        message('E', "SFATAL"),
    };
    for (const Said& row : rows) {
        CAPTURE(testing::told(testing::Speaker::Server, row));
        Login login(plain_request());
        CHECK(login.hears(row) == LoginStep::Failed);
        CHECK_FALSE(login.login.failure().message.empty());
    }
}

TEST_CASE("lengths that no login has end it from the header") {
    for (const std::uint32_t length : {0u, 3u, 0x7fffffffu, 0xffffffffu, 70000u}) {
        CAPTURE(length);
        Login login(plain_request());
        Said bytes = message('S');
        store_u32(bytes.data() + 1, length);
        CHECK(login.hears(kOk) == LoginStep::More);
        CHECK(login.hears(bytes) == LoginStep::Failed);
    }
}

TEST_CASE("a login that never ends is ended") {
    Login login(plain_request());
    REQUIRE(login.hears(kOk) == LoginStep::More);
    const Said status = s::status("x", std::string(10000, 'y'));
    LoginStep step = LoginStep::More;
    int messages = 0;
    while (step == LoginStep::More && messages < 1000) {
        step = login.hears(status);
        ++messages;
    }
    CHECK(step == LoginStep::Failed);
    CHECK(messages < 100);
}

TEST_CASE("a server that speaks during the handshake is not heard") {
    Login login(tls_request(TlsMode::Require));
    login.hears(as_bytes("S"));
    CHECK(login.hears(kOk) == LoginStep::Failed);
}

}  // namespace pgweir::session
