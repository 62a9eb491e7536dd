// SPDX-License-Identifier: PostgreSQL
// The exchange of messages at a login, as a client sees it that does not play by the rules.
#include <doctest/doctest.h>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig with_method(const std::string& method) {
    PgweirConfig config(cluster());
    config.general("auth_type", "\"" + method + "\"");
    for (const char* user : {"plain", "md5er", "scrammer"}) {
        config.user(user, "password", "\"" + password_of(user) + "\"");
    }
    return config;
}

std::string startup_of(const std::string& user, const std::string& database = "app") {
    return startup({{"user", user}, {"database", database}});
}

std::string sasl_initial(const std::string& mechanism, const std::string& data) {
    return frame('p', zero_ended(mechanism) + int32(static_cast<std::int64_t>(data.size())) + data);
}

// The salt and iterations of a server-first message.
std::string salt_part(const std::string& body) {
    return body.substr(body.find(",s="));
}

}  // namespace

TEST_CASE("C12: an unknown database or user goes through the same exchange, to the same words") {
    for (const char* method : {"password", "md5"}) {
        CAPTURE(std::string(method));
        PgweirProcess pgweir(with_method(method));
        auto hear = [&](const std::string& user, const std::string& database,
                        const std::string& password) {
            RawClient client(pgweir.target().with_user(user));
            client.send(startup_of(user, database));
            client.finish_login(password);
            client.read_to_end();
            Transcript lines = client.transcript();
            // The user's name is all that may differ.
            for (auto& line : lines) {
                if (auto at = line.find('"' + user + '"'); at != std::string::npos) {
                    line.replace(at, user.size() + 2, "NAME");
                }
            }
            return lines;
        };
        Transcript wrong = hear("plain", "app", "wrong");
        CHECK(wrong.size() == 3);
        CHECK(has_line(wrong, "ErrorResponse FATAL 28P01"));
        CHECK(hear("unknown", "app", "wrong") == wrong);
        CHECK(hear("plain", "nowhere", "wrong") == wrong);
        CHECK(hear("unknown", "nowhere", "wrong") == wrong);
        Transcript nowhere = hear("plain", "nowhere", password_of("plain"));
        CHECK(has_line(nowhere, "ErrorResponse FATAL 3D000"));
        CHECK(nowhere.front().rfind("Authentication", 0) == 0);
    }
}

TEST_CASE("T5: unknown users get a mock SCRAM exchange whose salt does not change") {
    PgweirProcess pgweir(with_method("scram-sha-256"));
    auto first_message = [&](const std::string& user) {
        RawClient client(pgweir.target());
        client.send(startup_of(user));
        auto offer = client.read();
        REQUIRE(offer.has_value());
        CHECK(describe(*offer) == "AuthenticationSASL SCRAM-SHA-256");
        client.send(sasl_initial("SCRAM-SHA-256", "n,,n=,r=abcdefgh"));
        auto answer = client.read();
        REQUIRE(answer.has_value());
        CHECK(describe(*answer) == "AuthenticationSASLContinue");
        CHECK(answer->body.find("r=abcdefgh") != std::string::npos);
        // A proof of the right length that is wrong.
        std::string nonce = answer->body.substr(4, answer->body.find(",s=") - 4);
        client.send(frame('p', "c=biws," + nonce + ",p=" + std::string(43, 'A') + "="));
        client.read_to_end();
        CHECK(has_line(client.transcript(), "ErrorResponse FATAL 28P01"));
        return answer->body;
    };
    std::string known = first_message("scrammer");
    std::string once = first_message("unknown");
    std::string again = first_message("unknown");
    CHECK(salt_part(once) == salt_part(again));
    CHECK(salt_part(once) != salt_part(first_message("unknown too")));
    CHECK(salt_part(once).size() == salt_part(known).size());
    CHECK(once.substr(0, once.find(",s=")) != again.substr(0, again.find(",s=")));
}

TEST_CASE("C22: SCRAM messages against the rules are refused, and the connection ends") {
    PgweirProcess pgweir(with_method("scram-sha-256"));
    std::string good_first = "n,,n=,r=abcdefgh";
    struct Case {
        std::string name;
        std::string message;
    };
    for (const Case& one :
         {Case{"nonce of 64 KiB",
               sasl_initial("SCRAM-SHA-256", "n,,n=,r=" + std::string(65536, 'n'))},
          {"nonce of 9 KiB", sasl_initial("SCRAM-SHA-256", "n,,n=,r=" + std::string(9000, 'n'))},
          {"bad gs2 flag", sasl_initial("SCRAM-SHA-256", "x,,n=,r=abc")},
          {"channel binding without PLUS",
           sasl_initial("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=a")},
          {"PLUS without TLS", sasl_initial("SCRAM-SHA-256-PLUS", good_first)},
          {"unknown mechanism", sasl_initial("PLAIN", "x")},
          {"no mechanism", frame('p', "")},
          {"mechanism without end", frame('p', "SCRAM-SHA-256")},
          {"length field of -1", frame('p', zero_ended("SCRAM-SHA-256") + int32(-1))},
          {"length field that wraps",
           frame('p', zero_ended("SCRAM-SHA-256") + int32(0x7fffffff) + good_first)},
          {"length field too small",
           frame('p', zero_ended("SCRAM-SHA-256") + int32(3) + good_first)},
          {"empty data", sasl_initial("SCRAM-SHA-256", "")},
          {"empty nonce", sasl_initial("SCRAM-SHA-256", "n,,n=,r=")},
          {"nonce with a zero", sasl_initial("SCRAM-SHA-256", std::string("n,,n=,r=a\0b", 11))},
          {"nonce with a control character", sasl_initial("SCRAM-SHA-256", "n,,n=,r=a\x01")},
          {"mandatory extension", sasl_initial("SCRAM-SHA-256", "n,,m=x,n=,r=abc")},
          {"authorization identity", sasl_initial("SCRAM-SHA-256", "n,a=other,n=,r=abc")},
          {"a Query instead", query("select 1")},
          {"a message of 1 GiB", frame_with_length('p', 0x40000000, "x")},
          {"a plain password", password_message(password_of("scrammer"))}}) {
        CAPTURE(one.name);
        RawClient client(pgweir.target());
        client.send(startup_of("scrammer"));
        client.read();
        client.send(one.message);
        client.shut_down_sending();
        client.read_to_end();
        CHECK(!has_line(client.transcript(), "AuthenticationOk"));
        CHECK(!has_line(client.transcript(), "AuthenticationSASLContinue"));
        CHECK(client.transcript().back() == "closed");
        for (const auto& line : client.transcript()) {
            if (line.rfind("ErrorResponse", 0) != 0) continue;
            CHECK((line.find("08P01") != std::string::npos ||
                   line.find("28P01") != std::string::npos ||
                   line.find("28000") != std::string::npos ||
                   line.find("0A000") != std::string::npos));
        }
    }
    CHECK(Connection::attempt(pgweir.target().with_user("scrammer"),
                              "password=" + password_of("scrammer"))
              .is_ok());
}

TEST_CASE("C22: final messages against the rules") {
    PgweirProcess pgweir(with_method("scram-sha-256"));
    for (int kind = 0; kind < 9; ++kind) {
        CAPTURE(kind);
        RawClient client(pgweir.target());
        client.send(startup_of("scrammer"));
        client.read();
        client.send(sasl_initial("SCRAM-SHA-256", "n,,n=,r=abcdefgh"));
        auto answer = client.read();
        REQUIRE(answer.has_value());
        std::string nonce = answer->body.substr(4, answer->body.find(",s=") - 4);
        std::string proof = std::string(43, 'A') + "=";
        std::string finals[] = {"c=biws," + nonce + ",p=" + std::string(20, 'A'),
                                "c=biws," + nonce + ",p=****",
                                "c=biws," + nonce + ",p=",
                                "c=biws," + nonce,
                                "c=eSws," + nonce + ",p=" + proof,
                                "c=biws,r=abcdefgh,p=" + proof,
                                "c=biws," + nonce + "x,p=" + proof,
                                "",
                                "c=biws," + nonce + ",p=" + std::string(20000, 'A')};
        client.send(frame('p', finals[kind]));
        client.shut_down_sending();
        client.read_to_end();
        CHECK(!has_line(client.transcript(), "AuthenticationOk"));
        CHECK(client.transcript().back() == "closed");
    }
}

TEST_CASE("nothing that comes before the login reaches a server") {
    PgweirProcess pgweir(with_method("password"));
    Connection observer(cluster().owner());
    RawClient client(pgweir.target());
    client.send(startup_of("plain") + query("create table smuggled ()"));
    client.read_to_end();
    CHECK(!has_line(client.transcript(), "AuthenticationOk"));
    CHECK(observer.value("select count(*) from pg_class where relname = 'smuggled'") == "0");
    CHECK(observer.value("select count(*) from pg_stat_activity where usename = 'plain'") == "0");
}

TEST_CASE("rules decide by user, database and address; the first that fits counts") {
    PgweirConfig config(cluster());
    config.hba("type = \"host\"\nuser = [\"someone\"]\nmethod = \"reject\"")
        .hba("type = \"host\"\ndatabase = [\"other\"]\nmethod = \"reject\"")
        .hba("type = \"host\"\naddress = \"10.0.0.0/8\"\nmethod = \"reject\"")
        .hba("type = \"host\"\nuser = [\"plain\"]\naddress = \"127.0.0.1\"\nmethod = \"password\"")
        .hba("type = \"host\"\nuser = [\"trusty\"]\naddress = \"127.0.0.0/8\"\nmethod = \"any\"");
    config.user("plain", "password", "\"" + password_of("plain") + "\"");
    PgweirProcess pgweir(config);
    CHECK(serves(pgweir.target()));
    CHECK(
        Connection::attempt(pgweir.target().with_user("plain"), "password=" + password_of("plain"))
            .is_ok());
    for (const Target& target :
         {pgweir.target().with_user("someone"), pgweir.target().with_database("other"),
          pgweir.target().with_user("scrammer")}) {
        RawClient client(target);
        client.send(startup_of(target.user, target.database));
        client.read_to_end();
        CHECK(has_line(client.transcript(), "ErrorResponse FATAL 28000"));
    }
}
