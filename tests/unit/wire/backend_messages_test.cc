// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/backend_messages.h"

#include <array>

#include "unit/wire/cut.h"

using namespace pgweir;
using namespace pgweir::wire;

namespace {
Bytes message(char tag, std::string_view body) {
    Bytes bytes{static_cast<Byte>(tag), 0, 0, 0, static_cast<Byte>(body.size() + 4)};
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
}
// The bytes of a literal, NULs included.
template <std::size_t n>
std::string_view raw(const char (&literal)[n]) {
    return {literal, n - 1};
}
}  // namespace

TEST_CASE("what a client is sent has the bytes of the manual") {
    struct Row {
        void (*write)(Bytes&);
        Bytes expected;
    };
    static const std::array<std::string_view, 2> mechanisms{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
    const Row rows[] = {
        {authentication_ok, message('R', raw("\0\0\0\0"))},
        {authentication_cleartext_password, message('R', raw("\0\0\0\3"))},
        {[](Bytes& out) {
             authentication_md5_password(out, Bytes{1, 2, 3, 4});
         },
         message('R', raw("\0\0\0\5\1\2\3\4"))},
        {[](Bytes& out) { authentication_sasl(out, mechanisms); },
         message('R', raw("\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))},
        {[](Bytes& out) { authentication_sasl_continue(out, "r=x"); },
         message('R', raw("\0\0\0\13r=x"))},
        {[](Bytes& out) { authentication_sasl_final(out, "v=x"); },
         message('R', raw("\0\0\0\14v=x"))},
        {[](Bytes& out) { parameter_status(out, "TimeZone", "UTC"); },
         message('S', raw("TimeZone\0UTC\0"))},
        {[](Bytes& out) {
             backend_key_data(out, 0x01020304, Bytes{5, 6, 7, 8});
         },
         message('K', raw("\1\2\3\4\5\6\7\10"))},
        {[](Bytes& out) { ready_for_query(out, TransactionStatus::InTransaction); },
         message('Z', "T")},
        {[](Bytes& out) { command_complete(out, "SELECT 1"); }, message('C', raw("SELECT 1\0"))},
        {empty_query_response, message('I', "")},
        {parse_complete, message('1', "")},
        {bind_complete, message('2', "")},
        {close_complete, message('3', "")},
        {portal_suspended, message('s', "")},
        {no_data, message('n', "")},
        {[](Bytes& out) {
             parameter_description(out, std::array<std::uint32_t, 2>{23, 25});
         },
         message('t', raw("\0\2\0\0\0\27\0\0\0\31"))},
        {[](Bytes& out) {
             negotiate_protocol_version(out, 2, std::array<std::string, 1>{"_pq_.x"});
         },
         message('v', raw("\0\3\0\2\0\0\0\1_pq_.x\0"))},
        {[](Bytes& out) {
             row_description(out, std::array<ColumnDescription, 1>{
                                      {{.name = "n", .type_oid = kInt4Oid, .type_length = 4}}});
         },
         message('T', raw("\0\1n\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0"))},
        {[](Bytes& out) {
             data_row(out, std::array<std::optional<std::string>, 3>{"ab", std::nullopt, ""});
         },
         message('D', raw("\0\3\0\0\0\2ab\377\377\377\377\0\0\0\0"))},
        {[](Bytes& out) { notification_response(out, 7, "c", "p"); },
         message('A', raw("\0\0\0\7c\0p\0"))},
    };
    for (const Row& row : rows) {
        Bytes out;
        row.write(out);
        CHECK(out == row.expected);
    }
}

TEST_CASE("an authentication request is a code and a rest") {
    Bytes out;
    authentication_md5_password(out, Bytes{1, 2, 3, 4});
    const auto request = read_authentication(body_of(out, 'R'));
    REQUIRE(request);
    CHECK(request->code == AuthenticationCode::Md5Password);
    CHECK(request->rest.size() == 4);
    CHECK_FALSE(read_authentication(Bytes{0, 0, 0}));
}

TEST_CASE("SASL mechanisms are listed, and refused when cut, empty or endless") {
    const std::string_view list = raw("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    const auto mechanisms = read_sasl_mechanisms(as_bytes(list));
    REQUIRE(mechanisms);
    CHECK(*mechanisms == std::vector<std::string_view>{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"});
    refuses_when_cut(as_bytes(list), read_sasl_mechanisms);
    CHECK_FALSE(read_sasl_mechanisms(Bytes{0}));
    Bytes endless;
    for (int i = 0; i < 1000; ++i) endless.insert(endless.end(), {'X', 0});
    endless.push_back(0);
    CHECK_FALSE(read_sasl_mechanisms(endless));
}

TEST_CASE("ParameterStatus is read, and refused when cut") {
    Bytes out;
    parameter_status(out, "TimeZone", "UTC");
    const auto status = read_parameter_status(body_of(out, 'S'));
    REQUIRE(status);
    CHECK(status->name == "TimeZone");
    CHECK(status->value == "UTC");
    refuses_when_cut(body_of(out, 'S'), read_parameter_status);
}

TEST_CASE("BackendKeyData has a secret of 4 to 256 bytes") {
    for (const std::size_t size : {0U, 3U, 4U, 5U, 32U, 256U, 257U, 5000U}) {
        CAPTURE(size);
        Bytes out;
        backend_key_data(out, 77, Bytes(size, 9));
        const auto key = read_backend_key_data(body_of(out, 'K'));
        CHECK(key.has_value() == (size >= 4 && size <= 256));
        if (key) CHECK(key->process_id == 77);
        if (key) CHECK(key->secret.size() == size);
    }
    CHECK_FALSE(read_backend_key_data(Bytes{0, 0, 0}));
}

TEST_CASE("ReadyForQuery is one byte that names a status") {
    CHECK(read_ready_for_query(Bytes{'I'}) == TransactionStatus::Idle);
    CHECK(read_ready_for_query(Bytes{'T'}) == TransactionStatus::InTransaction);
    CHECK(read_ready_for_query(Bytes{'E'}) == TransactionStatus::Failed);
    for (const Bytes& hostile : {Bytes{}, Bytes{'i'}, Bytes{0}, Bytes{'I', 'I'}, Bytes{'I', 0}}) {
        CHECK_FALSE(read_ready_for_query(hostile));
    }
}

TEST_CASE("NegotiateProtocolVersion is read, and refused when cut or when its count lies") {
    Bytes out;
    negotiate_protocol_version(out, 0, std::array<std::string, 2>{"_pq_.a", "_pq_.b"});
    const ByteView body = body_of(out, 'v');
    const auto read = read_negotiate_protocol_version(body);
    REQUIRE(read);
    CHECK(read->version == 0x00030000);
    CHECK(read->unknown_options == std::vector<std::string_view>{"_pq_.a", "_pq_.b"});
    refuses_when_cut(body, read_negotiate_protocol_version);

    Bytes lying(body.begin(), body.end());
    store_u32(lying.data() + 4, 0xffffffff);
    CHECK_FALSE(read_negotiate_protocol_version(lying));
}

TEST_CASE("CommandComplete is its tag, and refused when cut") {
    Bytes out;
    command_complete(out, "INSERT 0 1");
    CHECK(read_command_complete(body_of(out, 'C')) == "INSERT 0 1");
    refuses_when_cut(body_of(out, 'C'), read_command_complete);
}

TEST_CASE("DataRow is read with NULLs, and refused when cut") {
    Bytes out;
    data_row(out, std::array<std::optional<std::string>, 3>{"ab", std::nullopt, ""});
    const auto row = read_data_row(body_of(out, 'D'));
    REQUIRE(row);
    REQUIRE(row->size() == 3);
    CHECK((*row)[0] == "ab");
    CHECK_FALSE((*row)[1]);
    CHECK((*row)[2] == "");
    refuses_when_cut(body_of(out, 'D'), read_data_row);
}

TEST_CASE("a DataRow with a hostile field length is refused") {
    for (const std::uint32_t length : {0x80000000U, 0xfffffffeU, 2U, 0x7fffffffU, 0U}) {
        CAPTURE(length);
        Bytes body{0, 1, 0, 0, 0, 0, 'x'};
        store_u32(body.data() + 2, length);
        CHECK_FALSE(read_data_row(body));
    }
    CHECK(read_data_row(Bytes{0, 1, 0, 0, 0, 1, 'x'}));
    CHECK_FALSE(read_data_row(Bytes{0xff, 0xff}));
}
