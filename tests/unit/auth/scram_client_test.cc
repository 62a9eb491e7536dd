// SPDX-License-Identifier: PostgreSQL
// Hostile and broken servers.
#include <doctest/doctest.h>

#include "pgweir/auth/scram.h"
#include "support.h"

namespace pgweir::auth {

namespace {

// A client that waits for server-first, and its nonce.
struct Waiting {
    SeededEntropy entropy;
    ScramClient client{{plain(kPencil), {}}, entropy};
    std::string nonce;

    Waiting() {
        const auto initial = client.first({kScramSha256});
        REQUIRE(initial);
        nonce = initial->client_first.substr(std::string_view("n,,n=,r=").size());
    }
};

bool accepts(const std::string& behind_nonce) {
    Waiting waiting;
    return waiting.client.challenge("r=" + waiting.nonce + behind_nonce).ok();
}

}  // namespace

TEST_CASE("an honest server-first is answered") {
    CHECK(accepts("xyz,s=YWJj,i=1"));
    CHECK(accepts("xyz,s=YWJj,i=4096"));
}

TEST_CASE("a server-first cut at any byte before its last digit is refused") {
    const std::string whole = "xyz,s=YWJj,i=9";
    for (std::size_t n = 0; n < whole.size(); ++n) {
        CAPTURE(n);
        CHECK_FALSE(accepts(whole.substr(0, n)));
    }
}

TEST_CASE("a nonce that is not ours, not longer than ours, or endless is refused") {
    CHECK_FALSE(accepts(",s=YWJj,i=1"));
    CHECK_FALSE(accepts(" xyz,s=YWJj,i=1"));
    CHECK(accepts(std::string(900, 'x') + ",s=YWJj,i=1"));
    CHECK_FALSE(accepts(std::string(1024, 'x') + ",s=YWJj,i=1"));
    CHECK_FALSE(accepts(std::string(1 << 20, 'x') + ",s=YWJj,i=1"));
    Waiting waiting;
    CHECK_FALSE(waiting.client.challenge("r=somebody-elses-nonce-xyz,s=YWJj,i=1"));
    Waiting another;
    CHECK_FALSE(another.client.challenge("r=x" + another.nonce + "xyz,s=YWJj,i=1"));
}

TEST_CASE("a salt that is missing, empty, huge or no base64 is refused") {
    CHECK_FALSE(accepts("xyz,i=1"));
    CHECK_FALSE(accepts("xyz,s=,i=1"));
    CHECK_FALSE(accepts("xyz,s=YWJ,i=1"));
    CHECK_FALSE(accepts("xyz,s=YW*j,i=1"));
    CHECK(accepts("xyz,s=" + std::string(1364, 'A') + ",i=1"));
    CHECK_FALSE(accepts("xyz,s=" + std::string(1368, 'A') + ",i=1"));
}

TEST_CASE("an iteration count that is no number, none, or endless is refused") {
    for (const std::string count :
         {"", "0", "-1", "+1", " 1", "1 ", "1x", "0x10", "100001", "2147483647", "4294967295",
          "4294967297", "99999999999999999999", "1,x=1", "1,"}) {
        CAPTURE(count);
        CHECK_FALSE(accepts("xyz,s=YWJj,i=" + count));
    }
}

TEST_CASE("a mandatory extension is refused") {
    Waiting waiting;
    CHECK_FALSE(waiting.client.challenge("m=ext,r=" + waiting.nonce + "xyz,s=YWJj,i=1"));
}

TEST_CASE("a server that doesn't know the password can't finish") {
    for (const std::string_view last :
         {"", "v=", "v=YWJj", "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "e=invalid-proof",
          "v", "x=1", "v=YWJj,v=YWJj", "V=YWJj"}) {
        CAPTURE(last);
        Waiting waiting;
        REQUIRE(waiting.client.challenge("r=" + waiting.nonce + "xyz,s=YWJj,i=1"));
        CHECK_FALSE(waiting.client.finish(last));
        CHECK_FALSE(waiting.client.is_done());
    }
}

TEST_CASE("the right signature with something behind it is refused") {
    for (const std::string_view more : {"", ",", ",x=1", "A", " "}) {
        CAPTURE(more);
        SeededEntropy entropy;
        ScramClient client({plain(kPencil), {}}, entropy);
        ScramServer server(pencil_verifier(), ScramServer::Subject::Known, {}, entropy);
        const auto initial = client.first({kScramSha256});
        const auto server_first = server.first(initial->mechanism, initial->client_first);
        const auto server_final = server.final(*client.challenge(*server_first));
        REQUIRE(server_final);
        CHECK(client.finish(*server_final + std::string(more)).ok() == more.empty());
    }
}

TEST_CASE("messages out of turn fail for good") {
    Waiting waiting;
    CHECK_FALSE(waiting.client.finish("v="));
    CHECK_FALSE(waiting.client.challenge("r=" + waiting.nonce + "xyz,s=YWJj,i=1"));
    Waiting twice;
    CHECK_FALSE(twice.client.first({kScramSha256}));
}

TEST_CASE("a server that offers nothing that we speak is refused") {
    SeededEntropy entropy;
    ScramClient client({plain(kPencil), {}}, entropy);
    CHECK_FALSE(client.first({"OAUTHBEARER", "SCRAM-SHA-1"}));
}

TEST_CASE("PLUS is not chosen without channel binding data, whatever is offered") {
    SeededEntropy entropy;
    ScramClient client({plain(kPencil), {}}, entropy);
    CHECK_FALSE(client.first({kScramSha256Plus}));
}

TEST_CASE("y is said only by a client that could have bound") {
    SeededEntropy entropy;
    ScramClient could({plain(kPencil), bytes_of("hash")}, entropy);
    CHECK(could.first({kScramSha256})->client_first.starts_with("y,,"));
    ScramClient must_not({plain(kPencil), bytes_of("hash"), ChannelBinding::Disable}, entropy);
    CHECK(must_not.first({kScramSha256})->client_first.starts_with("n,,"));
}

}  // namespace pgweir::auth
