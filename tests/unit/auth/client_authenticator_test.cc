// SPDX-License-Identifier: PostgreSQL
#include "pgweir/auth/client_authenticator.h"

#include <doctest/doctest.h>

#include <vector>

#include "pgweir/wire/backend_messages.h"
#include "support.h"

namespace pgweir::auth {

namespace {

struct World {
    SeededEntropy entropy;
    ScramKeyCache cache;
    AuthEnvironment environment{entropy, cache, key_of(7)};
};

template <typename Step>
const Step* as(const ClientAuthStep& step) {
    return std::get_if<Step>(&step);
}

ClientAuthRequest request(AuthMethod method, std::optional<Secret> secret,
                          std::string user = "alice") {
    ClientAuthRequest result;
    result.method = method;
    result.user = std::move(user);
    result.secret = std::move(secret);
    return result;
}

// A client that follows every request with this password; the kinds of steps it saw, in order.
struct Login {
    ClientAuthStep last;
    std::string seen;
};

ClientAuthStep answer_scram(ClientAuthenticator& authenticator, const SendSasl& sasl,
                            std::string_view password, std::string& seen) {
    SeededEntropy entropy(99);
    ScramClient client({plain(password), {}}, entropy);
    const auto initial = client.first(sasl.mechanisms);
    REQUIRE(initial);
    ClientAuthStep step =
        authenticator.answer(initial_body(initial->mechanism, initial->client_first));
    const auto* more = as<SendSaslContinue>(step);
    REQUIRE(more != nullptr);
    seen += "continue ";
    const auto client_final = client.challenge(more->data);
    REQUIRE(client_final);
    ClientAuthStep last = authenticator.answer(as_bytes(*client_final));
    if (const auto* accepted = as<Accepted>(last)) {
        CHECK(client.finish(accepted->sasl_final));
    }
    return last;
}

Login log_in(ClientAuthRequest asked, std::string_view password, World& world) {
    const std::string user = asked.user;
    ClientAuthenticator authenticator(std::move(asked), world.environment);
    Login login{authenticator.start(), ""};
    if (as<SendCleartextRequest>(login.last) != nullptr) {
        login.seen = "cleartext ";
        login.last = authenticator.answer(password_body(password));
    } else if (const auto* md5 = as<SendMd5Request>(login.last)) {
        login.seen = "md5 ";
        const auto response = make_md5_response(*md5_hash(password, user), md5->salt);
        login.last = authenticator.answer(password_body(*response));
    } else if (const auto* sasl = as<SendSasl>(login.last)) {
        login.seen = "sasl ";
        const SendSasl copy = *sasl;
        login.last = answer_scram(authenticator, copy, password, login.seen);
    }
    return login;
}

Login log_in(ClientAuthRequest asked, std::string_view password) {
    World world;
    return log_in(std::move(asked), password, world);
}

bool accepted(const Login& login) {
    return as<Accepted>(login.last) != nullptr;
}

std::string sqlstate_of(const ClientAuthStep& step) {
    const auto* rejected = as<Rejected>(step);
    REQUIRE(rejected != nullptr);
    CHECK(wire::is_fatal(rejected->refusal));
    return wire::describe(rejected->refusal).sqlstate;
}

struct NamedSecret {
    std::string_view name;
    Secret secret;
};

std::vector<NamedSecret> secrets_of_pencil() {
    return {{"plain", plain(kPencil)},
            {"md5", *md5_hash(kPencil, "alice")},
            {"scram", pencil_verifier()}};
}

constexpr AuthMethod kPasswordMethods[] = {AuthMethod::Password, AuthMethod::Md5,
                                           AuthMethod::ScramSha256};

}  // namespace

TEST_CASE("only the right password passes, with every method and every kind of secret") {
    World world;  // The same for all: what one login leaves behind must not help the next.
    for (const AuthMethod method : kPasswordMethods) {
        for (const auto& [name, secret] : secrets_of_pencil()) {
            CAPTURE(static_cast<int>(method));
            CAPTURE(name);
            // An md5 hash can't be asked for by SCRAM; PostgreSQL refuses that, too.
            const bool possible = !(method == AuthMethod::ScramSha256 && name == "md5");
            for (int round = 0; round < 2; ++round) {
                CHECK(accepted(log_in(request(method, secret), kPencil, world)) == possible);
                for (const std::string_view wrong :
                     {"wrong", "", "Pencil", "pencil ", "password-of-bob"}) {
                    CHECK_FALSE(accepted(log_in(request(method, secret), wrong, world)));
                }
                CHECK_FALSE(accepted(log_in(request(method, std::nullopt), kPencil, world)));
                CHECK_FALSE(accepted(log_in(request(method, PlainPassword{}), kPencil, world)));
                CHECK_FALSE(accepted(log_in(request(method, PlainPassword{}), "", world)));
            }
        }
    }
}

TEST_CASE("an md5 secret belongs to its user") {
    const Secret of_bob = *md5_hash(kPencil, "bob");
    CHECK(accepted(log_in(request(AuthMethod::Md5, of_bob, "bob"), kPencil)));
    CHECK_FALSE(accepted(log_in(request(AuthMethod::Md5, of_bob, "alice"), kPencil)));
    CHECK_FALSE(accepted(log_in(request(AuthMethod::Password, of_bob, "alice"), kPencil)));
}

TEST_CASE("an unknown user goes the steps of a known one and hears the same words") {
    struct Case {
        AuthMethod method;
        Secret secret;
    };
    for (const Case& each :
         {Case{AuthMethod::Password, plain(kPencil)}, Case{AuthMethod::Password, pencil_verifier()},
          Case{AuthMethod::Md5, plain(kPencil)},
          Case{AuthMethod::Md5, Secret(*md5_hash(kPencil, "alice"))},
          Case{AuthMethod::Md5, pencil_verifier()}, Case{AuthMethod::ScramSha256, plain(kPencil)},
          Case{AuthMethod::ScramSha256, pencil_verifier()}}) {
        ClientAuthRequest unknown = request(each.method, std::nullopt);
        unknown.typical_kind = kind_of(each.secret);
        const Login of_unknown = log_in(std::move(unknown), "wrong");
        const Login of_known = log_in(request(each.method, each.secret), "wrong");
        CHECK(of_unknown.seen == of_known.seen);
        const auto* one = as<Rejected>(of_unknown.last);
        const auto* other = as<Rejected>(of_known.last);
        REQUIRE(one != nullptr);
        REQUIRE(other != nullptr);
        CHECK(wire::describe(one->refusal).message == wire::describe(other->refusal).message);
        CHECK(wire::describe(one->refusal).sqlstate == "28P01");
        CHECK(wire::describe(one->refusal).detail == wire::describe(other->refusal).detail);
        CHECK(wire::describe(one->refusal).hint == wire::describe(other->refusal).hint);
        CHECK(one->log_text == other->log_text);
    }
}

TEST_CASE("an unknown user and one with a plain password are asked with the same salt each time") {
    const auto server_first = [](std::optional<Secret> secret, std::uint64_t seed) {
        SeededEntropy entropy(seed);
        ScramKeyCache cache;
        AuthEnvironment environment{entropy, cache, key_of(7)};
        ClientAuthenticator authenticator(request(AuthMethod::ScramSha256, std::move(secret)),
                                          environment);
        authenticator.start();
        const auto step = authenticator.answer(initial_body(kScramSha256, "n,,n=,r=abc"));
        const std::string data = std::get<SendSaslContinue>(step).data;
        return data.substr(data.find(','));
    };
    CHECK(server_first(std::nullopt, 1) == server_first(std::nullopt, 2));
    CHECK(server_first(plain("x"), 1) == server_first(std::nullopt, 3));
}

TEST_CASE("md5 asks for SCRAM where a verifier is stored") {
    CHECK(log_in(request(AuthMethod::Md5, pencil_verifier()), kPencil).seen == "sasl continue ");
    CHECK(log_in(request(AuthMethod::Md5, plain(kPencil)), kPencil).seen == "md5 ");
}

TEST_CASE("what a server can be logged in to with is the password, else the hash, else the keys") {
    const auto learnt = [](AuthMethod method, const Secret& secret) {
        const Login login = log_in(request(method, secret), kPencil);
        REQUIRE(accepted(login));
        return as<Accepted>(login.last)->login_secret;
    };
    const auto is_pencil = [](const LoginSecret& secret) {
        const auto* text = std::get_if<PlainPassword>(&secret);
        return text != nullptr && text->text.reveal() == kPencil;
    };
    CHECK(is_pencil(learnt(AuthMethod::Password, pencil_verifier())));
    CHECK(is_pencil(learnt(AuthMethod::Password, *md5_hash(kPencil, "alice"))));
    CHECK(is_pencil(learnt(AuthMethod::ScramSha256, plain(kPencil))));
    CHECK(is_pencil(learnt(AuthMethod::Md5, plain(kPencil))));
    CHECK(std::holds_alternative<Md5Hash>(learnt(AuthMethod::Md5, *md5_hash(kPencil, "alice"))));
    const LoginSecret keys = learnt(AuthMethod::ScramSha256, pencil_verifier());
    const ScramVerifier verifier = pencil_verifier();
    REQUIRE(std::holds_alternative<ScramKeys>(keys));
    CHECK(make_verifier(std::get<ScramKeys>(keys), verifier.salt, verifier.iterations).format() ==
          kPencilVerifier);
}

TEST_CASE("any lets everybody in, trust whoever is known, reject nobody") {
    CHECK(accepted(log_in(request(AuthMethod::Any, std::nullopt), "")));
    CHECK(accepted(log_in(request(AuthMethod::Trust, plain("x")), "")));
    CHECK(accepted(log_in(request(AuthMethod::Trust, PlainPassword{}), "")));
    CHECK_FALSE(accepted(log_in(request(AuthMethod::Trust, std::nullopt), "")));
    CHECK_FALSE(accepted(log_in(request(AuthMethod::Reject, plain("x")), "x")));
}

TEST_CASE("a certificate or an operating system's user must bear the user's name") {
    const auto with_name = [](AuthMethod method, std::string name) {
        ClientAuthRequest asked = request(method, std::nullopt);
        asked.common_name = method == AuthMethod::Cert ? name : "alice";
        asked.peer_user = method == AuthMethod::Peer ? name : "alice";
        return log_in(std::move(asked), "");
    };
    for (const AuthMethod method : {AuthMethod::Cert, AuthMethod::Peer}) {
        CHECK(accepted(with_name(method, "alice")));
        for (const std::string name : {"", "Alice", "bob", "alice "}) {
            CHECK_FALSE(accepted(with_name(method, name)));
        }
    }
    ClientAuthRequest nameless = request(AuthMethod::Cert, std::nullopt, "");
    CHECK_FALSE(accepted(log_in(std::move(nameless), "")));
    CHECK(sqlstate_of(with_name(AuthMethod::Cert, "bob").last) == "28000");
}

TEST_CASE("PLUS is offered over TLS with a certificate that can be bound to, and only then") {
    const auto offered = [](Bytes server_end_point) {
        World world;
        ClientAuthRequest asked = request(AuthMethod::ScramSha256, pencil_verifier());
        asked.is_tls = true;
        asked.server_end_point = std::move(server_end_point);
        ClientAuthenticator authenticator(std::move(asked), world.environment);
        return std::get<SendSasl>(authenticator.start()).mechanisms;
    };
    CHECK(offered({}) == std::vector<std::string_view>{kScramSha256});
    CHECK(offered(bytes_of("hash")) ==
          std::vector<std::string_view>{kScramSha256Plus, kScramSha256});
}

TEST_CASE("a PasswordMessage that is not one text is a protocol violation, an empty one is wrong") {
    const auto answer = [](AuthMethod method, Bytes body) {
        World world;
        ClientAuthenticator authenticator(request(method, plain(kPencil)), world.environment);
        authenticator.start();
        return sqlstate_of(authenticator.answer(body));
    };
    for (const AuthMethod method : {AuthMethod::Password, AuthMethod::Md5}) {
        CHECK(answer(method, {}) == "08P01");
        CHECK(answer(method, bytes_of("pencil")) == "08P01");
        CHECK(answer(method, bytes_of(std::string("pencil\0x", 8))) == "08P01");
        CHECK(answer(method, bytes_of(std::string("pencil\0\0", 8))) == "08P01");
        CHECK(answer(method, password_body("")) == "28P01");
        CHECK(answer(method, password_body(std::string(9000, 'x'))) == "28P01");
    }
}

TEST_CASE("a SASLInitialResponse cut at any byte, or with a lying length, is refused") {
    const auto answer = [](Bytes body) {
        World world;
        ClientAuthenticator authenticator(request(AuthMethod::ScramSha256, pencil_verifier()),
                                          world.environment);
        authenticator.start();
        return authenticator.answer(body);
    };
    const Bytes whole = initial_body(kScramSha256, "n,,n=,r=abc");
    REQUIRE(as<SendSaslContinue>(answer(whole)) != nullptr);
    for (std::size_t n = 0; n < whole.size(); ++n) {
        CAPTURE(n);
        CHECK(sqlstate_of(answer(Bytes(whole.begin(), whole.begin() + static_cast<long>(n)))) ==
              "08P01");
    }
    const std::size_t length_at = kScramSha256.size() + 1;
    for (const std::uint32_t length :
         {0U, 10U, 12U, 0x7fffffffU, 0x80000000U, 0xfffffffeU, 0xffffffffU, 0xfffffff0U}) {
        CAPTURE(length);
        Bytes lying = whole;
        store_u32(&lying[length_at], length);
        CHECK(sqlstate_of(answer(lying)) == "08P01");
    }
    Bytes longer = whole;
    longer.push_back(0);
    CHECK(sqlstate_of(answer(longer)) == "08P01");
    CHECK(sqlstate_of(answer(initial_body(kScramSha256, "n,,n=,r=" + std::string(65536, 'a')))) ==
          "08P01");
}

TEST_CASE("a SASLResponse cut at any byte is refused") {
    std::size_t size = 1;
    for (std::size_t n = 0; n < size; ++n) {
        World world;
        ClientAuthenticator authenticator(request(AuthMethod::ScramSha256, pencil_verifier()),
                                          world.environment);
        ScramClient client({plain(kPencil), {}}, world.entropy);
        authenticator.start();
        const auto initial = client.first({kScramSha256});
        const auto step =
            authenticator.answer(initial_body(initial->mechanism, initial->client_first));
        const auto last = client.challenge(std::get<SendSaslContinue>(step).data);
        REQUIRE(last);
        size = last->size();
        const std::string state = sqlstate_of(authenticator.answer(as_bytes(last->substr(0, n))));
        CHECK((state == "08P01" || state == "28P01"));
    }
    CHECK(size > 100);
}

TEST_CASE("a downgrade is refused as a protocol violation, with words for the log") {
    World world;
    ClientAuthRequest asked = request(AuthMethod::ScramSha256, pencil_verifier());
    asked.server_end_point = bytes_of("hash");
    ClientAuthenticator authenticator(std::move(asked), world.environment);
    authenticator.start();
    const auto step = authenticator.answer(initial_body(kScramSha256, "y,,n=,r=abc"));
    CHECK(sqlstate_of(step) == "08P01");
    CHECK(as<Rejected>(step)->log_text.find("channel binding") != std::string::npos);
}

TEST_CASE("no secret stands in what is logged or said") {
    const auto quotes = [](const ClientAuthStep& step, std::string_view secret) {
        const Rejected& rejected = std::get<Rejected>(step);
        const wire::RefusalText text = wire::describe(rejected.refusal);
        return (rejected.log_text + text.message + text.detail + text.hint).find(secret) !=
               std::string::npos;
    };
    for (const AuthMethod method : kPasswordMethods) {
        const Login login = log_in(request(method, plain("canary-stored")), "canary-claimed");
        CHECK_FALSE(quotes(login.last, "canary"));
    }
}

TEST_CASE("the md5 salt is another at each login") {
    World world;
    const auto salt = [&world] {
        ClientAuthenticator authenticator(request(AuthMethod::Md5, plain("x")), world.environment);
        return std::get<SendMd5Request>(authenticator.start()).salt;
    };
    CHECK(salt() != salt());
}

}  // namespace pgweir::auth
