// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/startup.h"

#include <doctest/doctest.h>

#include <tuple>

using namespace pgweir;
using namespace pgweir::wire;

namespace {

// A packet of this code and body, with the right length.
Bytes packet(std::uint32_t code, std::string_view body) {
    Bytes bytes(8);
    store_u32(bytes.data(), static_cast<std::uint32_t>(body.size() + 8));
    store_u32(bytes.data() + 4, code);
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
}
constexpr std::uint32_t kVersion30 = 0x00030000;
constexpr std::uint32_t kVersion32 = 0x00030002;

StartupMessage message_of(const Bytes& bytes) {
    auto read = read_startup_packet(bytes);
    REQUIRE(read.ok());
    REQUIRE(std::holds_alternative<StartupMessage>(*read));
    return std::get<StartupMessage>(*read);
}

}  // namespace

TEST_CASE("a StartupMessage is written and read, and refused when cut") {
    Bytes out;
    startup_message(out, {{"user", "alice"}, {"database", "app"}, {"options", "-c a=b"}}, 2);
    const StartupMessage message = message_of(out);
    CHECK(message.major == 3);
    CHECK(message.minor == 2);
    CHECK(message.user() == "alice");
    CHECK(message.database() == "app");
    CHECK(message.options() == "-c a=b");
    CHECK(message.replication().empty());
    CHECK(message.parameters.size() == 3);
    CHECK_FALSE(message.needs_negotiation());

    for (std::size_t n = 0; n < out.size(); ++n) {
        CAPTURE(n);
        Bytes cut(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n));
        const auto with_wrong_length = read_startup_packet(cut);
        REQUIRE_FALSE(with_wrong_length.ok());
        CHECK(with_wrong_length.error() == StartupError::InvalidLength);
        if (n < 8) continue;
        store_u32(cut.data(), static_cast<std::uint32_t>(n));
        const auto with_its_length = read_startup_packet(cut);
        REQUIRE_FALSE(with_its_length.ok());
        CHECK(with_its_length.error() == StartupError::MalformedParameters);
    }
}

TEST_CASE("the database is the user's name if none is given") {
    Bytes out;
    startup_message(out, {{"user", "alice"}});
    CHECK(message_of(out).database() == "alice");
}

TEST_CASE("of a repeated parameter the last counts, as in PostgreSQL") {
    Bytes out;
    startup_message(out, {{"user", "alice"}, {"user", "bob"}});
    CHECK(message_of(out).user() == "bob");
}

TEST_CASE("a parameter may have an empty value") {
    Bytes out;
    startup_message(out, {{"user", "alice"}, {"options", ""}, {"x", "y"}});
    CHECK(message_of(out).value_of("x") == "y");
}

TEST_CASE("a length is judged by the header alone") {
    for (const std::uint32_t bad : {0U, 4U, 7U, 10001U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
        CAPTURE(bad);
        CHECK_FALSE(check_startup_length(bad));
    }
    CHECK(check_startup_length(8));
    CHECK(check_startup_length(10000));
}

TEST_CASE("what is no startup packet says why") {
    using Row = std::tuple<Bytes, StartupError>;
    const Row rows[] = {
        {packet(0x00020000, std::string(288, '\0')), StartupError::UnsupportedMajor},
        {packet(0x00040000, std::string_view("\0", 1)), StartupError::UnsupportedMajor},
        {packet(0, ""), StartupError::UnsupportedMajor},
        {packet((1234U << 16) | 5677, ""), StartupError::UnknownRequest},
        {packet((1234U << 16) | 9999, ""), StartupError::UnknownRequest},
        {packet(kVersion30, ""), StartupError::MalformedParameters},
        {packet(kVersion30, "user"), StartupError::MalformedParameters},
        {packet(kVersion30, std::string_view("user\0", 5)), StartupError::MalformedParameters},
        {packet(kVersion30, std::string_view("user\0a\0", 7)), StartupError::MalformedParameters},
        {packet(kVersion30, std::string_view("user\0a\0\0x", 9)),
         StartupError::MalformedParameters},
        {packet(kVersion30, std::string_view("user\0a\0\0\0", 9)),
         StartupError::MalformedParameters},
        {packet((1234U << 16) | 5679, "x"), StartupError::MalformedRequest},
        {packet((1234U << 16) | 5680, "x"), StartupError::MalformedRequest},
        {packet((1234U << 16) | 5678, "1234"), StartupError::MalformedCancel},
        {packet((1234U << 16) | 5678, "1234567"), StartupError::MalformedCancel},
        {packet((1234U << 16) | 5678, std::string(4 + 257, 'x')), StartupError::MalformedCancel},
        {Bytes{}, StartupError::InvalidLength},
        {Bytes{0, 0, 0, 4}, StartupError::InvalidLength},
    };
    for (std::size_t i = 0; i < std::size(rows); ++i) {
        CAPTURE(i);
        const auto read = read_startup_packet(std::get<0>(rows[i]));
        REQUIRE_FALSE(read.ok());
        CHECK(read.error() == std::get<1>(rows[i]));
    }
}

TEST_CASE("an empty list of parameters is a StartupMessage without a user") {
    CHECK(message_of(packet(kVersion30, std::string_view("\0", 1))).user().empty());
}

TEST_CASE("SSLRequest and GSSENCRequest are eight bytes") {
    Bytes ssl;
    ssl_request(ssl);
    CHECK(ssl == Bytes{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f});
    CHECK(std::holds_alternative<SslRequest>(*read_startup_packet(ssl)));
    Bytes gss;
    gssenc_request(gss);
    CHECK(gss == Bytes{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30});
    CHECK(std::holds_alternative<GssEncRequest>(*read_startup_packet(gss)));
    CHECK(startup_code(ssl) == 80877103);
    CHECK(startup_code(ByteView(ssl).first(7)) == 0);
}

TEST_CASE("a CancelRequest carries a secret of 4 to 256 bytes") {
    for (const std::size_t size : {4U, 32U, 256U}) {
        CAPTURE(size);
        Bytes out;
        cancel_request(out, 4711, Bytes(size, 0xab));
        CHECK(out.size() == 12 + size);
        const auto read = read_startup_packet(out);
        REQUIRE(read.ok());
        const auto& cancel = std::get<CancelRequest>(*read);
        CHECK(cancel.process_id == 4711);
        CHECK(cancel.secret == Bytes(size, 0xab));
    }
}

TEST_CASE("newer minor versions and unknown protocol options are negotiated") {
    struct Row {
        std::uint16_t asked;
        std::uint16_t agreed;
    };
    for (const Row row :
         {Row{0, 0}, Row{1, 0}, Row{2, 2}, Row{3, 2}, Row{9999, 2}, Row{65535, 2}}) {
        CAPTURE(row.asked);
        Bytes out;
        startup_message(out, {{"user", "u"}}, row.asked);
        const StartupMessage message = message_of(out);
        CHECK(message.negotiated_minor() == row.agreed);
        CHECK(message.needs_negotiation() == (row.asked != row.agreed));
    }
    const StartupMessage message =
        message_of(packet(kVersion32, std::string_view("user\0u\0_pq_.x\0001\0_pq\0z\0\0", 23)));
    CHECK(message.needs_negotiation());
    CHECK(message.unknown_protocol_options() == std::vector<std::string>{"_pq_.x"});
}

TEST_CASE("options are settings, separated by spaces, escaped by backslashes") {
    struct Row {
        const char* options;
        Parameters expected;
    };
    const Row rows[] = {
        {"", {}},
        {"  ", {}},
        {"-c a=b", {{"a", "b"}}},
        {"-ca=b", {{"a", "b"}}},
        {"--a=b", {{"a", "b"}}},
        {"  -c  a=b\t--c=d ", {{"a", "b"}, {"c", "d"}}},
        {"--work-mem=64MB", {{"work_mem", "64MB"}}},
        {"-c search_path=a,\\ b", {{"search_path", "a, b"}}},
        {"-c x=a\\\\b", {{"x", "a\\b"}}},
        {"-c x=a\\", {{"x", "a"}}},
        {"-c x=", {{"x", ""}}},
        {"-c x=a=b", {{"x", "a=b"}}},
        {"-c geqo=off -c statement_timeout=5min", {{"geqo", "off"}, {"statement_timeout", "5min"}}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.options);
        const auto read = read_options(row.options);
        REQUIRE(read.ok());
        CHECK(*read == row.expected);
    }
}

TEST_CASE("other arguments in options are named") {
    struct Row {
        const char* options;
        const char* culprit;
    };
    for (const Row& row : {Row{"-fs", "-fs"}, Row{"-c", "-c"}, Row{"-c a", "a"},
                           Row{"-c a=b -e", "-e"}, Row{"a=b", "a=b"}, Row{"--=b", "--=b"},
                           Row{"--a", "--a"}, Row{"-c =b", "=b"}, Row{"--", "--"}}) {
        CAPTURE(row.options);
        const auto read = read_options(row.options);
        REQUIRE_FALSE(read.ok());
        CHECK(read.error() == row.culprit);
    }
}
