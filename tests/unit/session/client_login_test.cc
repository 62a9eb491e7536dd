// SPDX-License-Identifier: PostgreSQL
// A client from its first byte to its authentication, hostile ones included.
#include "pgweir/session/client_login.h"

#include <doctest/doctest.h>

#include <string>

#include "pgweir/auth/password.h"
#include "pgweir/base/random.h"
#include "pgweir/wire/frontend_messages.h"
#include "support/told.h"

namespace pgweir::session {

namespace {

using testing::Said;
using LoginStep = ClientLogin::Step;
using Reason = wire::RefusalReason;

class SeededEntropy : public Entropy {
 public:
    void fill(std::span<std::uint8_t> out) override { random_.fill(out); }

 private:
    Random random_{1};
};

Said packet(std::uint32_t code, std::string_view body = {}) {
    Said bytes;
    bytes.resize(8);
    store_u32(bytes.data(), static_cast<std::uint32_t>(8 + body.size()));
    store_u32(bytes.data() + 4, code);
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
}
Said startup(const wire::Parameters& parameters, std::uint16_t minor = 0) {
    Said bytes;
    wire::startup_message(bytes, parameters, minor);
    return bytes;
}
const Said kSsl = packet((1234U << 16) | 5679);
const Said kGss = packet((1234U << 16) | 5680);
const Said kAlice = startup({{"user", "alice"}, {"database", "app"}});

struct Login {
    explicit Login(ClientLogin::TlsOffer offer = ClientLogin::TlsOffer::Yes)
        : login(ClientId{1}, {.is_unix = false, .host = "127.0.0.1", .port = 1, .peer_user = {}},
                offer) {}

    // The bytes live only as long as the call, as those of an event do.
    LoginStep says(ByteView bytes) {
        const Bytes own(bytes.begin(), bytes.end());
        const LoginStep step = login.on_bytes(own, effects);
        collect();
        return step;
    }
    LoginStep authenticate(auth::AuthMethod method, std::string_view password = {}) {
        std::optional<auth::Secret> secret;
        if (!password.empty()) secret = auth::PlainPassword{auth::SecretText(password)};
        const LoginStep step = login.authenticate(method, std::move(secret),
                                                  auth::SecretKind::Scram, environment, effects);
        collect();
        return step;
    }
    Reason reason() const { return login.refusal().reason; }
    std::string heard() { return to_string(ByteView(std::exchange(to_client, {}))); }

    SeededEntropy entropy;
    auth::ScramKeyCache keys;
    auth::AuthEnvironment environment{entropy, keys, auth::SecretKey(std::array<Byte, 32>{})};
    EffectList effects;
    ClientLogin login;
    Bytes to_client;
    bool started_tls = false;
    bool requires_alpn = false;
    Bytes tls_received;

 private:
    void collect() {
        for (const Effect& effect : effects.all()) {
            if (const auto* send = std::get_if<SendToClient>(&effect)) {
                to_client.insert(to_client.end(), send->bytes.begin(), send->bytes.end());
            } else if (const auto* tls = std::get_if<StartClientTls>(&effect)) {
                started_tls = true;
                requires_alpn = tls->require_alpn;
                tls_received.assign(tls->received.begin(), tls->received.end());
            }
        }
        effects.clear();
    }
};

}  // namespace

TEST_CASE("a length that no first packet has is closed without a word, from its four bytes") {
    for (const std::uint32_t length : {0u, 4u, 7u, 10001u, 0x7fffffffu, 0xffffffffu}) {
        CAPTURE(length);
        Login login;
        Bytes bytes(4);
        store_u32(bytes.data(), length);
        CHECK(login.says(ByteView(bytes).first(3)) == LoginStep::More);
        CHECK(login.says(ByteView(bytes).subspan(3)) == LoginStep::Closed);
        CHECK(login.heard().empty());
        CHECK(login.login.input().size() <= 4);
    }
}

TEST_CASE("a startup message is the same wherever it is cut") {
    for (std::size_t cut = 1; cut < kAlice.size(); ++cut) {
        CAPTURE(cut);
        Login login;
        CHECK(login.says(ByteView(kAlice).first(cut)) == LoginStep::More);
        CHECK(login.says(ByteView(kAlice).subspan(cut)) == LoginStep::Started);
        CHECK(login.login.startup().user() == "alice");
        CHECK(login.login.startup().database() == "app");
    }
}

TEST_CASE("protocols that nobody speaks are refused by name") {
    struct Row {
        std::uint32_t code;
        const char* version;
    };
    for (const Row& row : {Row{2U << 16, "2.0"}, Row{4U << 16, "4.0"}, Row{1U << 16, "1.0"},
                           Row{(1234U << 16) | 1, "1234.1"}}) {
        CAPTURE(row.version);
        Login login;
        CHECK(login.says(packet(row.code, std::string_view("user\0a\0\0", 8))) ==
              LoginStep::Refused);
        CHECK(login.reason() == Reason::UnsupportedProtocol);
        CHECK(login.login.refusal().value == row.version);
        CHECK(wire::is_fatal(login.login.refusal()));
    }
}

TEST_CASE("a newer minor version is negotiated, once") {
    struct Row {
        std::uint16_t asked;
        std::uint16_t told;
    };
    for (const Row& row : {Row{3, 2}, Row{99, 2}}) {
        CAPTURE(row.asked);
        Login login;
        CHECK(login.says(startup({{"user", "alice"}}, row.asked)) == LoginStep::Started);
        const std::string heard = login.heard();
        REQUIRE(heard.size() == 13);
        CHECK(heard[0] == 'v');
        CHECK((load_u32(as_bytes(heard).data() + 5) & 0xffff) == row.told);
        CHECK(login.authenticate(auth::AuthMethod::Any) == LoginStep::Authenticated);
        CHECK(login.heard().empty());
    }
}

TEST_CASE("a protocol option that is not known is named, and the login goes on") {
    Login login;
    CHECK(login.says(startup({{"user", "alice"}, {"_pq_.x", "1"}})) == LoginStep::Started);
    const std::string heard = login.heard();
    CHECK(heard[0] == 'v');
    CHECK(heard.find("_pq_.x") != std::string::npos);
}

TEST_CASE("a startup message without a user, or that is malformed, is refused") {
    Login nobody;
    CHECK(nobody.says(startup({{"database", "app"}})) == LoginStep::Refused);
    CHECK(nobody.reason() == Reason::NoUserName);
    for (const std::string_view body :
         {std::string_view("user\0alice", 10), std::string_view("user\0alice\0", 11),
          std::string_view("user\0alice\0\0x", 13), std::string_view("user", 4)}) {
        Login login;
        CHECK(login.says(packet(3U << 16, body)) == LoginStep::Refused);
        CHECK(login.reason() == Reason::MalformedStartup);
    }
}

TEST_CASE("TLS is offered, and what follows must be protected") {
    Login login;
    CHECK(login.says(kSsl) == LoginStep::More);
    CHECK(login.heard() == "S");
    CHECK(login.started_tls);
    CHECK_FALSE(login.requires_alpn);
    login.login.on_secured({});
    CHECK(login.login.is_tls());
    CHECK(login.says(kAlice) == LoginStep::Started);
}

TEST_CASE("where TLS is not offered the client may go on in clear") {
    Login login(ClientLogin::TlsOffer::No);
    CHECK(login.says(kSsl) == LoginStep::More);
    CHECK(login.heard() == "N");
    CHECK_FALSE(login.started_tls);
    CHECK(login.says(kAlice) == LoginStep::Started);
}

TEST_CASE("bytes that come with an encryption request are nobody's") {
    for (const Said& request : {kSsl, kGss}) {
        for (const ClientLogin::TlsOffer offer :
             {ClientLogin::TlsOffer::Yes, ClientLogin::TlsOffer::No}) {
            Login login(offer);
            CHECK(login.says(request + kAlice) == LoginStep::Refused);
            CHECK(login.reason() == Reason::BytesBeforeTls);
            CHECK_FALSE(login.started_tls);
        }
    }
}

TEST_CASE("an encryption request inside of TLS is an unknown protocol") {
    for (const Said& request : {kSsl, kGss}) {
        Login login;
        login.says(kSsl);
        login.login.on_secured({});
        CHECK(login.says(request) == LoginStep::Refused);
        CHECK(login.reason() == Reason::UnsupportedProtocol);
        CHECK(login.login.refusal().value.starts_with("1234.56"));
    }
}

TEST_CASE("GSS encryption is declined, and TLS or a startup message may follow") {
    Login login;
    CHECK(login.says(kGss) == LoginStep::More);
    CHECK(login.heard() == "N");
    CHECK(login.says(kSsl) == LoginStep::More);
    CHECK(login.heard() == "S");
    Login plain;
    plain.says(kGss);
    CHECK(plain.says(kAlice) == LoginStep::Started);
}

TEST_CASE("nobody negotiates for ever") {
    Login gss;
    gss.says(kGss);
    CHECK(gss.says(kGss) == LoginStep::Closed);
    Login ssl(ClientLogin::TlsOffer::No);
    ssl.says(kSsl);
    CHECK(ssl.says(kSsl) == LoginStep::Closed);
}

TEST_CASE("a ClientHello as the first byte is direct TLS, which demands ALPN") {
    Login login;
    const Bytes hello = {0x16, 3, 1, 0, 5};
    CHECK(login.says(hello) == LoginStep::More);
    CHECK(login.started_tls);
    CHECK(login.requires_alpn);
    CHECK(login.tls_received.size() == hello.size());
    CHECK(login.heard().empty());
    // Without TLS to offer, it is a length like any other, and none that a packet has.
    Login plain(ClientLogin::TlsOffer::No);
    CHECK(plain.says(hello) == LoginStep::Closed);
}

TEST_CASE("a cancel request is read, and one that is malformed is closed without a word") {
    Login login;
    Said request;
    wire::cancel_request(request, 77, as_bytes("abcd"));
    CHECK(login.says(request) == LoginStep::Cancel);
    CHECK(login.login.cancel_request().process_id == 77);
    CHECK(to_string(ByteView(login.login.cancel_request().secret)) == "abcd");
    for (const std::size_t bytes : {std::size_t{4}, std::size_t{4 + 300}, std::size_t{0}}) {
        CAPTURE(bytes);
        Login other;
        CHECK(other.says(packet((1234U << 16) | 5678, std::string(bytes, 'x'))) ==
              LoginStep::Closed);
        CHECK(other.heard().empty());
    }
}

TEST_CASE("who is let in without a proof is in at once, with what it said behind") {
    Login login;
    CHECK(login.says(kAlice + testing::client::query("SELECT 1")) == LoginStep::Started);
    CHECK(login.authenticate(auth::AuthMethod::Any) == LoginStep::Authenticated);
    CHECK(testing::told(testing::Speaker::Client, login.login.input().view()) == "Q(SELECT 1)");
}

TEST_CASE("a password in clear is asked for and compared") {
    for (const bool is_right : {true, false}) {
        Login login;
        login.says(kAlice);
        CHECK(login.authenticate(auth::AuthMethod::Password, "secret") == LoginStep::More);
        CHECK(login.heard() == std::string("R\0\0\0\x08\0\0\0\3", 9));
        const LoginStep step = login.says(
            testing::message('p', std::string_view(is_right ? "secret\0" : "Secret\0", 7)));
        if (is_right) {
            CHECK(step == LoginStep::Authenticated);
        } else {
            CHECK(step == LoginStep::Refused);
            CHECK(login.reason() == Reason::AuthenticationFailed);
        }
    }
}

TEST_CASE("SCRAM is asked for, and what is no proof is refused") {
    struct Row {
        const char* name;
        Said bytes;
    };
    auto sasl = [](std::string_view mechanism, std::string_view data) {
        Said bytes;
        wire::sasl_initial_response(bytes, mechanism, data);
        return bytes;
    };
    Said wrapping = testing::message('p', std::string_view("SCRAM-SHA-256\0\xff\xff\xff\xf0n", 19));
    const std::vector<Row> rows = {
        {"an empty proof", testing::message('p')},
        {"another mechanism", sasl("SCRAM-MD5", "n,,n=,r=abc")},
        {"channel binding without TLS",
         sasl("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=a")},
        {"a bad header", sasl("SCRAM-SHA-256", "z,,n=,r=abc")},
        {"no nonce", sasl("SCRAM-SHA-256", "n,,n=")},
        {"binding where none is offered", sasl("SCRAM-SHA-256", "p=tls-unique,,n=,r=abc")},
        {"a length field that wraps", wrapping},
        {"not a password at all", testing::client::query("SELECT 1")},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        Login login;
        login.says(kAlice);
        CHECK(login.authenticate(auth::AuthMethod::ScramSha256, "secret") == LoginStep::More);
        CHECK(login.heard().find("SCRAM-SHA-256") != std::string::npos);
        CHECK(login.says(row.bytes) == LoginStep::Refused);
        CHECK(wire::is_fatal(login.login.refusal()));
    }
}

TEST_CASE("a proof of 64 KiB is refused from its header") {
    Login login;
    login.says(kAlice);
    login.authenticate(auth::AuthMethod::ScramSha256, "secret");
    Said head = testing::message('p');
    store_u32(head.data() + 1, 64 * 1024);
    CHECK(login.says(head) == LoginStep::Refused);
    CHECK(login.reason() == Reason::InvalidMessageLength);
}

TEST_CASE("a user who does not exist is asked for the same proof, and refused by it") {
    Login login;
    login.says(kAlice);
    CHECK(login.authenticate(auth::AuthMethod::ScramSha256) == LoginStep::More);
    CHECK(login.heard().find("SCRAM-SHA-256") != std::string::npos);
    Said first;
    wire::sasl_initial_response(first, "SCRAM-SHA-256", "n,,n=,r=clientnonce");
    CHECK(login.says(first) == LoginStep::More);
    CHECK(login.heard().find("r=clientnonce") != std::string::npos);
}

TEST_CASE("who talks on while it is decided is read up to a bound") {
    Login login;
    CHECK(login.says(kAlice) == LoginStep::Started);
    const Bytes much(15000, 'x');
    CHECK(login.says(much) == LoginStep::More);
    CHECK(login.says(much) == LoginStep::Closed);
}

}  // namespace pgweir::session
