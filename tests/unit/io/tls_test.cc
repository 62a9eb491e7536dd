// SPDX-License-Identifier: PostgreSQL
// TLS between two streams of ours, in both roles, over a socket pair.
#include <doctest/doctest.h>

#include "certificates.h"
#include "helpers.h"
#include "io/tls_context.h"
#include "pgweir/config/config_error.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

struct End {
    explicit End(Loop& loop) : shared(loop.get()) {}
    StreamShared shared;
    RecordingOwner owner;
    Stream* stream = nullptr;
};

struct Fixture {
    TemporaryFolder folder;
    CertificateAuthority authority{folder};
    config::Settings settings;
    Loop loop;
    End client{loop};  // pgweir's side towards a client: TLS server.
    End server{loop};  // pgweir's side towards a server: TLS client.
    TlsAlpn alpn = TlsAlpn::Optional;
    TlsMode mode = TlsMode::VerifyFull;
    std::string host = "db.example";

    Fixture() {
        authority.issue("node", {"db.example", "DNS:db.example,IP:127.0.0.1"});
        settings.tls.client_tls_sslmode.assign(TlsMode::Require);
        settings.tls.client_tls_cert_file.assign(folder.file("node.crt"));
        settings.tls.client_tls_key_file.assign(folder.file("node.key"));
        settings.tls.server_tls_ca_file.assign(folder.file("ca.crt"));
    }
    ~Fixture() {
        if (client.stream != nullptr && client.owner.closed + client.owner.finished == 0) {
            client.stream->close();
        }
        if (server.stream != nullptr && server.owner.closed + server.owner.finished == 0) {
            server.stream->close();
        }
    }
    // True if both sides are secured.
    bool shake_hands() {
        const TlsContexts contexts(settings, "test.toml");
        SocketPair pair = make_pair();
        client.stream =
            Stream::open(client.shared, client.owner, Side::Client, 1, std::move(pair.ours));
        server.stream =
            Stream::open(server.shared, server.owner, Side::Server, 2, std::move(pair.theirs));
        client.stream->start_tls(contexts.accept(alpn), {});
        server.stream->start_tls(contexts.connect(host, mode), {});
        REQUIRE(run_until(loop, [&] {
            return (client.owner.secured == 1 || client.owner.closed == 1) &&
                   (server.owner.secured == 1 || server.owner.closed == 1);
        }));
        return client.owner.secured == 1 && server.owner.secured == 1;
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "both sides agree on TLS 1.3 and on the server's channel binding") {
    REQUIRE(shake_hands());
    CHECK(client.owner.peer.version == "TLSv1.3");
    CHECK(client.owner.peer.server_end_point.size() == 32);
    CHECK(client.owner.peer.server_end_point == server.owner.peer.server_end_point);
    CHECK(server.owner.peer.common_name == "db.example");
    CHECK(client.owner.peer.common_name.empty());
}

TEST_CASE_FIXTURE(Fixture, "what goes in on one side comes out on the other, short or long") {
    SUBCASE("TLS 1.3") {}
    SUBCASE("TLS 1.2") {
        // A list of ciphers that TLS 1.3 doesn't know does not exclude it; both sides offer both.
        settings.tls.client_tls_ciphers.assign("ECDHE-ECDSA-AES128-GCM-SHA256");
    }
    REQUIRE(shake_hands());
    client.stream->send(as_bytes("short"));
    CHECK(run_until(loop, [&] { return server.owner.received == "short"; }));
    const std::string text(3'000'000, 'z');
    const std::vector<ByteView> pieces = {as_bytes("a"), as_bytes(text), as_bytes("b")};
    server.stream->send(pieces);
    CHECK(run_until(loop, [&] { return client.owner.received.size() == text.size() + 2; }));
    CHECK(client.owner.received == "a" + text + "b");
    CHECK(server.owner.blocked == 1);
    CHECK(run_until(loop, [&] { return server.owner.drained == 1; }));
}

TEST_CASE_FIXTURE(Fixture, "a side may speak in the moment in which it is secured") {
    server.owner.when_secured = [](Stream& stream) { stream.send(as_bytes("startup")); };
    client.owner.when_bytes = [](Stream& stream) { stream.send(as_bytes("answer")); };
    REQUIRE(shake_hands());
    CHECK(run_until(loop, [&] { return server.owner.received == "answer"; }));
    CHECK(client.owner.received == "startup");
}

TEST_CASE_FIXTURE(Fixture, "finishing says close_notify") {
    REQUIRE(shake_hands());
    server.stream->send(as_bytes("last words"));
    server.stream->finish();
    CHECK(run_until(loop, [&] { return client.owner.closed == 1; }));
    CHECK(client.owner.received == "last words");
    CHECK(client.owner.reason == "connection closed by the other side");
}

TEST_CASE_FIXTURE(Fixture, "verify-full wants the certificate of the host that was asked for") {
    SUBCASE("another name") {
        host = "other.example";
    }
    SUBCASE("another address") {
        host = "127.0.0.2";
    }
    CHECK_FALSE(shake_hands());
    CHECK(server.owner.reason.find("certificate verify failed") != std::string::npos);
    CHECK(server.owner.reason.find("mismatch") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "verify-full accepts an address that the certificate names") {
    host = "127.0.0.1";
    CHECK(shake_hands());
}

TEST_CASE_FIXTURE(Fixture, "verify-ca asks who signed, not for whom") {
    mode = TlsMode::VerifyCa;
    host = "other.example";
    CHECK(shake_hands());
}

TEST_CASE_FIXTURE(Fixture, "a certificate of somebody else's authority is refused") {
    const CertificateAuthority other(folder, "other.crt");
    settings.tls.server_tls_ca_file.assign(folder.file("other.crt"));
    SUBCASE("verify-ca") {
        mode = TlsMode::VerifyCa;
        CHECK_FALSE(shake_hands());
        CHECK(client.owner.closed == 1);
    }
    SUBCASE("but require does not look, and names nobody") {
        mode = TlsMode::Require;
        CHECK(shake_hands());
        CHECK(server.owner.peer.common_name.empty());
    }
}

TEST_CASE_FIXTURE(Fixture, "a client certificate is named if it is verified") {
    settings.tls.client_tls_ca_file.assign(folder.file("ca.crt"));
    SUBCASE("required") {
        settings.tls.client_tls_sslmode.assign(TlsMode::VerifyFull);
    }
    SUBCASE("optional") {}
    authority.issue("alice", {"alice", ""});
    settings.tls.server_tls_cert_file.assign(folder.file("alice.crt"));
    settings.tls.server_tls_key_file.assign(folder.file("alice.key"));
    REQUIRE(shake_hands());
    CHECK(client.owner.peer.common_name == "alice");
}

TEST_CASE_FIXTURE(Fixture, "verify-ca refuses a client without a certificate") {
    settings.tls.client_tls_ca_file.assign(folder.file("ca.crt"));
    settings.tls.client_tls_sslmode.assign(TlsMode::VerifyCa);
    shake_hands();
    CHECK(run_until(loop, [&] { return client.owner.closed == 1; }));
    // In TLS 1.3 the client learns of it after its own handshake is done.
    CHECK(run_until(loop, [&] { return server.owner.closed == 1; }));
}

TEST_CASE_FIXTURE(Fixture, "direct TLS is refused without ALPN, and not with it") {
    alpn = TlsAlpn::Required;
    CHECK(shake_hands());
}

TEST_CASE_FIXTURE(Fixture, "bytes that are no TLS end the handshake with a reason") {
    const TlsContexts contexts(settings, "test.toml");
    SocketPair pair = make_pair();
    client.stream =
        Stream::open(client.shared, client.owner, Side::Client, 1, std::move(pair.ours));
    client.stream->start_tls(contexts.accept(alpn), as_bytes("GET / HTTP/1.1\r\n\r\n"));
    CHECK(client.owner.closed == 1);
    CHECK(client.owner.reason.starts_with("TLS handshake failed: "));
}

TEST_CASE_FIXTURE(Fixture, "the least protocol version is kept") {
    settings.tls.client_tls_min_protocol.assign(config::TlsVersion::Tls13);
    CHECK(shake_hands());
    CHECK(client.owner.peer.version == "TLSv1.3");
}

TEST_CASE_FIXTURE(Fixture, "settings that can't work are refused with the option's name") {
    const auto failure = [&]() -> std::string {
        try {
            const TlsContexts contexts(settings, "test.toml");
            return "";
        } catch (const config::ConfigError& error) {
            return error.what();
        }
    };
    CHECK(failure().empty());
    SUBCASE("a key that others can read") {
        REQUIRE(::chmod(folder.file("node.key").c_str(), 0644) == 0);
        CHECK(failure().find("client_tls_key_file") != std::string::npos);
        CHECK(failure().find("0600") != std::string::npos);
    }
    SUBCASE("a file that is not there") {
        settings.tls.client_tls_cert_file.assign("/nonexistent.crt", 12);
        CHECK(failure().starts_with("test.toml:12: client_tls_cert_file"));
    }
    SUBCASE("somebody else's key") {
        authority.issue("other", {"other", ""});
        settings.tls.client_tls_key_file.assign(folder.file("other.key"));
        CHECK(failure().find("client_tls_key_file") != std::string::npos);
    }
    SUBCASE("ciphers that do not exist") {
        settings.tls.client_tls_ciphers.assign("NO-SUCH-CIPHER");
        CHECK(failure().find("client_tls_ciphers") != std::string::npos);
    }
    SUBCASE("no certificate") {
        settings.tls.client_tls_cert_file.assign("");
        CHECK(failure().find("client_tls_cert_file") != std::string::npos);
    }
}
