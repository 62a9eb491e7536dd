// SPDX-License-Identifier: PostgreSQL
#include "pgweir/auth/server_authenticator.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "auth/crypto.h"
#include "pgweir/auth/password.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/frontend_messages.h"
#include "support.h"

namespace pgweir::auth {

namespace {

constexpr std::uint32_t kOk = 0, kCleartext = 3, kMd5 = 5, kSasl = 10, kContinue = 11, kFinal = 12;

Bytes authentication(std::uint32_t code, std::string_view rest = {}) {
    Bytes body(4 + rest.size());
    store_u32(body.data(), code);
    std::copy(rest.begin(), rest.end(), body.begin() + 4);
    return body;
}
const std::string kOffer = std::string("SCRAM-SHA-256\0\0", 15);
const std::string kOfferPlus = std::string("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 34);
const std::string kSalt = "\x01\x02\x03\x04";

struct Login {
    SeededEntropy entropy;
    ServerAuthenticator authenticator;

    explicit Login(LoginSecret secret, ServerAuthPolicy policy = {},
                   ServerLink link = ServerLink::Plain, Bytes binding = {})
        : authenticator({"alice", std::move(secret), link, std::move(binding), policy}, entropy) {}

    ServerAuthStep get(std::uint32_t code, std::string_view rest = {}) {
        return authenticator.handle(authentication(code, rest));
    }
};

bool failed(const ServerAuthStep& step) {
    return std::holds_alternative<ServerAuthFailed>(step);
}
bool done(const ServerAuthStep& step) {
    return std::holds_alternative<ServerAuthDone>(step);
}

std::string reason(const ServerAuthStep& step) {
    REQUIRE(failed(step));
    return std::get<ServerAuthFailed>(step).log_text;
}

// The body of the message that is to be sent.
std::string sent(const ServerAuthStep& step) {
    const auto* response = std::get_if<SendAuthResponse>(&step);
    REQUIRE(response != nullptr);
    const Bytes& message = response->message;
    REQUIRE(message.size() >= 5);
    CHECK(message[0] == 'p');
    CHECK(load_u32(&message[1]) == message.size() - 1);
    return to_string(ByteView(message).subspan(5));
}

// A server that knows "pencil", up to the point where it would send SASLFinal.
struct HonestServer {
    SeededEntropy entropy{5};
    ScramServer scram;

    explicit HonestServer(Bytes binding = {})
        : scram(pencil_verifier(), ScramServer::Subject::Known, std::move(binding), entropy) {}

    std::string first(const std::string& initial) {
        const auto message = wire::read_sasl_initial_response(as_bytes(initial));
        REQUIRE(message);
        const auto result = scram.first(message->mechanism, *message->data);
        REQUIRE(result);
        return *result;
    }
};

ServerAuthPolicy requiring(std::string_view text) {
    ServerAuthPolicy policy;
    policy.require_auth = *parse_require_auth(text);
    return policy;
}

ScramKeys pencil_keys() {
    const ScramVerifier verifier = pencil_verifier();
    return derive_scram_keys(kPencil, verifier.salt, verifier.iterations);
}

}  // namespace

TEST_CASE("a server that asks for nothing is believed, unless something is required") {
    CHECK(done(Login(LoginSecret()).get(kOk)));
    CHECK(failed(Login(plain("x"), requiring("scram-sha-256")).get(kOk)));
    CHECK(failed(Login(plain("x"), requiring("!none")).get(kOk)));
    ServerAuthPolicy bound;
    bound.channel_binding = ChannelBinding::Require;
    CHECK(failed(Login(plain("x"), bound).get(kOk)));
}

TEST_CASE("a cleartext password crosses protected links only, unless allowed") {
    for (const ServerLink link : {ServerLink::Tls, ServerLink::UnixSocket}) {
        Login login(plain("secret"), {}, link);
        CHECK(sent(login.get(kCleartext)) == std::string("secret\0", 7));
        CHECK(done(login.get(kOk)));
    }
    CHECK(reason(Login(plain("secret")).get(kCleartext)).find("unencrypted") != std::string::npos);
    ServerAuthPolicy anywhere;
    anywhere.cleartext = CleartextPassword::Anywhere;
    CHECK(sent(Login(plain("secret"), anywhere).get(kCleartext)) == std::string("secret\0", 7));
    CHECK(failed(
        Login(plain("secret"), requiring("scram-sha-256"), ServerLink::Tls).get(kCleartext)));
}

TEST_CASE("md5 is answered from the password or from the hash") {
    const Md5Salt salt{1, 2, 3, 4};
    const std::string expected = *make_md5_response(*md5_hash("secret", "alice"), salt) + '\0';
    Login by_password(plain("secret"));
    CHECK(sent(by_password.get(kMd5, kSalt)) == expected);
    CHECK(done(by_password.get(kOk)));
    CHECK(sent(Login(*md5_hash("secret", "alice")).get(kMd5, kSalt)) == expected);
    CHECK(failed(Login(plain("secret"), requiring("scram-sha-256")).get(kMd5, kSalt)));
    for (const std::string_view wrong : {"", "123", "12345"}) {
        CHECK(failed(Login(plain("secret")).get(kMd5, wrong)));
    }
}

TEST_CASE("SCRAM passes with the password and with the keys that a client brought along") {
    for (const LoginSecret& secret : {LoginSecret(plain(kPencil)), LoginSecret(pencil_keys())}) {
        Login login(secret);
        HonestServer server;
        const std::string server_first = server.first(sent(login.get(kSasl, kOffer)));
        const auto server_final = server.scram.final(sent(login.get(kContinue, server_first)));
        REQUIRE(server_final);
        CHECK(std::holds_alternative<AwaitServer>(login.get(kFinal, *server_final)));
        CHECK(done(login.get(kOk)));
    }
}

TEST_CASE("over TLS the exchange is bound to the server's certificate") {
    ServerAuthPolicy bound;
    bound.channel_binding = ChannelBinding::Require;
    const Bytes hash = bytes_of("hash of the server's certificate");
    Login login(plain(kPencil), bound, ServerLink::Tls, hash);
    HonestServer server(hash);
    const std::string server_first = server.first(sent(login.get(kSasl, kOfferPlus)));
    CHECK(server.scram.final(sent(login.get(kContinue, server_first))));

    CHECK(failed(Login(plain(kPencil), bound, ServerLink::Tls, hash).get(kSasl, kOffer)));
    CHECK(failed(Login(plain(kPencil), bound, ServerLink::Tls, {}).get(kSasl, kOfferPlus)));
    CHECK(failed(Login(plain(kPencil), bound, ServerLink::Tls, hash).get(kCleartext)));
    CHECK(failed(Login(plain(kPencil), bound, ServerLink::Tls, hash).get(kMd5, kSalt)));
}

TEST_CASE("a secret that doesn't do for what the server asks is named, not shown") {
    const LoginSecret hash = *md5_hash("secret", "alice");
    CHECK(reason(Login(hash).get(kSasl, kOffer)).find("md5 hash only") != std::string::npos);
    CHECK(reason(Login(pencil_keys()).get(kMd5, kSalt)).find("SCRAM keys only") !=
          std::string::npos);
    CHECK(failed(Login(LoginSecret()).get(kSasl, kOffer)));
    CHECK(failed(Login(LoginSecret()).get(kMd5, kSalt)));
    CHECK(failed(Login(hash, {}, ServerLink::Tls).get(kCleartext)));
    CHECK(reason(Login(hash).get(kSasl, kOffer)).find(std::get<Md5Hash>(hash).hex.reveal()) ==
          std::string::npos);
}

TEST_CASE("AuthenticationOk before the server has proved itself is refused") {
    Login at_once(plain(kPencil));
    at_once.get(kSasl, kOffer);
    CHECK(failed(at_once.get(kOk)));

    Login later(plain(kPencil));
    HonestServer server;
    const std::string server_first = server.first(sent(later.get(kSasl, kOffer)));
    sent(later.get(kContinue, server_first));
    CHECK(failed(later.get(kOk)));
    CHECK(failed(later.get(kFinal, "v=")));  // And nothing repairs it.
}

TEST_CASE("a wrong signature, a foreign nonce, endless iterations: the login fails") {
    const auto after_offer = [](const std::string& server_first_tail) {
        Login login(plain(kPencil));
        const std::string initial = sent(login.get(kSasl, kOffer));
        const std::string nonce = initial.substr(initial.find("r=") + 2);
        return login.get(kContinue, "r=" + nonce + server_first_tail);
    };
    CHECK_FALSE(failed(after_offer("xyz,s=YWJj,i=4096")));
    CHECK(failed(after_offer("xyz,s=YWJj,i=2147483647")));
    CHECK(reason(after_offer("xyz,s=YWJj,i=100001")).find("100000") != std::string::npos);
    CHECK(failed(after_offer(",s=YWJj,i=4096")));
    CHECK(failed(after_offer(std::string(100'000, 'x') + ",s=YWJj,i=4096")));

    Login login(plain(kPencil));
    HonestServer server;
    sent(login.get(kContinue, server.first(sent(login.get(kSasl, kOffer)))));
    CHECK(failed(login.get(kFinal, "v=" + base64_encode(Bytes(32, 1)))));
}

TEST_CASE("every message in every state where it is not due fails for good") {
    struct Message {
        std::uint32_t code;
        std::string rest;
    };
    const Message all[] = {{kOk, ""},     {2, ""},         {kCleartext, ""},  {4, ""},
                           {kMd5, kSalt}, {6, ""},         {7, ""},           {8, "x"},
                           {9, ""},       {kSasl, kOffer}, {kContinue, "r="}, {kFinal, "v="},
                           {13, ""},      {0xffffffff, ""}};
    for (const Message& message : all) {
        CAPTURE(message.code);
        // Start: only Ok, md5 and SASL do (cleartext not on this link).
        Login fresh(plain(kPencil));
        const bool due = message.code == kOk || message.code == kMd5 || message.code == kSasl;
        CHECK(failed(fresh.get(message.code, message.rest)) == !due);

        Login answered(plain(kPencil));
        sent(answered.get(kMd5, kSalt));
        CHECK(failed(answered.get(message.code, message.rest)) == (message.code != kOk));
        CHECK(failed(answered.get(kOk)));

        Login offered(plain(kPencil));
        sent(offered.get(kSasl, kOffer));
        CHECK(failed(offered.get(message.code, message.rest)));
        CHECK(failed(offered.get(kOk)));
    }
}

TEST_CASE("an Authentication message cut at any byte fails") {
    const Bytes whole[] = {authentication(kOk), authentication(kMd5, kSalt),
                           authentication(kSasl, kOfferPlus)};
    for (const Bytes& message : whole) {
        for (std::size_t n = 0; n < message.size(); ++n) {
            CAPTURE(n);
            Login login(plain(kPencil));
            CHECK(failed(login.authenticator.handle(ByteView(message).first(n))));
        }
    }
    CHECK(failed(Login(plain("x")).get(kOk, "x")));
    CHECK(failed(Login(plain("x"), {}, ServerLink::Tls).get(kCleartext, "x")));
    CHECK(failed(Login(plain("x")).get(kSasl, std::string("\0", 1))));
    CHECK(failed(Login(plain("x")).get(kSasl, "SCRAM-SHA-256")));
}

TEST_CASE("a server-first and a server-final cut at any byte fail") {
    HonestServer sizing;
    Login login(plain(kPencil));
    const std::string server_first = sizing.first(sent(login.get(kSasl, kOffer)));
    // The last digits of the iteration count may go: a smaller number is a number.
    for (std::size_t n = 0; n + 3 < server_first.size(); ++n) {
        Login cut(plain(kPencil));
        sent(cut.get(kSasl, kOffer));
        CHECK(failed(cut.get(kContinue, server_first.substr(0, n))));
    }
    const auto server_final = sizing.scram.final(sent(login.get(kContinue, server_first)));
    REQUIRE(server_final);
    for (std::size_t n = 0; n < server_final->size(); ++n) {
        Login cut(plain(kPencil));
        sent(cut.get(kSasl, kOffer));
        sent(cut.get(kContinue, server_first));
        CHECK(failed(cut.get(kFinal, server_final->substr(0, n))));
    }
}

TEST_CASE("what crosses no network is loopback or a socket, by its own words") {
    for (const std::string_view host : {"localhost", "127.0.0.1", "127.8.9.1", "::1"}) {
        CAPTURE(host);
        CHECK(unencrypted_link(host) == ServerLink::Loopback);
    }
    CHECK(unencrypted_link("/run/postgresql") == ServerLink::UnixSocket);
    for (const std::string_view host : {"10.0.0.1", "db", "::2", "localhost.example", "128.0.0.1",
                                        "0.0.0.0", "fe80::1", "127.0.0.1.example"}) {
        CAPTURE(host);
        CHECK(unencrypted_link(host) == ServerLink::Plain);
    }
}

}  // namespace pgweir::auth
