// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/option_value.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace pgweir;
using namespace pgweir::config;

namespace {

RawValue text(const char* value) {
    return RawValue(std::string(value));
}
RawValue whole(std::int64_t value) {
    return RawValue(value);
}

template <typename T>
std::string error_of(const RawValue& raw) {
    try {
        read_value<T>(raw);
    } catch (const ValueError& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a duration is seconds as a number, or a text with a unit") {
    CHECK(read_value<Duration>(whole(5)) == Duration::seconds(5));
    CHECK(read_value<Duration>(RawValue(0.25)) == Duration::milliseconds(250));
    CHECK(read_value<Duration>(text("100ms")) == Duration::milliseconds(100));
    CHECK(read_value<Duration>(text("15us")) == Duration::microseconds(15));
    CHECK(read_value<Duration>(text("1.5min")) == Duration::seconds(90));
    CHECK(read_value<Duration>(text("2 h")) == Duration::seconds(7200));
    CHECK(read_value<Duration>(text("1d")) == Duration::seconds(86400));
    CHECK(read_value<Duration>(text("7")) == Duration::seconds(7));
    CHECK(read_value<Duration>(whole(0)) == Duration{});
}

TEST_CASE("what is no duration is refused") {
    const std::string wanted =
        "must be a duration: seconds as a number, or a text such as \"5s\", \"100ms\" or \"2min\"";
    for (const char* wrong : {"", "s", "5 parsecs", "fast", "5s ", "1e99d", "nan", "inf"}) {
        CAPTURE(wrong);
        CHECK(error_of<Duration>(text(wrong)) == wanted);
    }
    CHECK(error_of<Duration>(RawValue(true)) == wanted);
    CHECK(error_of<Duration>(RawValue(std::numeric_limits<double>::quiet_NaN())) == wanted);
    CHECK(error_of<Duration>(RawValue(std::numeric_limits<double>::infinity())) == wanted);
    CHECK(error_of<Duration>(whole(std::numeric_limits<std::int64_t>::max())) == wanted);
    CHECK(error_of<Duration>(text("-1s")) == "can't be negative: it must be at least 0");
    CHECK(error_of<Duration>(whole(-1)) == "can't be negative: it must be at least 0");
    CHECK(error_of<Duration>(text("40000d")) == "can't be that long: it must be at most 36600d");
}

TEST_CASE("a size is bytes as a number, or a text with a unit") {
    CHECK(read_value<ByteSize>(whole(4096)).bytes == 4096);
    CHECK(read_value<ByteSize>(text("64KiB")).bytes == 65536);
    CHECK(read_value<ByteSize>(text("16MB")).bytes == 16777216);
    CHECK(read_value<ByteSize>(text("0.5 GiB")).bytes == 536870912);
    const std::string wanted =
        "must be a size: bytes as a number, or a text such as \"64KiB\" or \"16MiB\"";
    CHECK(error_of<ByteSize>(whole(-1)) == wanted);
    CHECK(error_of<ByteSize>(text("-1KiB")) == wanted);
    CHECK(error_of<ByteSize>(text("64 kilos")) == wanted);
    CHECK(error_of<ByteSize>(RawValue(1.5)) == wanted);
}

TEST_CASE("a count is a whole number that fits") {
    CHECK(read_value<Count>(whole(0)) == 0);
    CHECK(read_value<Count>(whole(2147483647)) == 2147483647);
    CHECK(error_of<Count>(whole(-1)) == "can't be -1: it must be 0 to 2147483647");
    CHECK(error_of<Count>(whole(2147483648)) == "can't be 2147483648: it must be 0 to 2147483647");
    CHECK(error_of<Count>(RawValue(1.0)) == "must be a whole number");
    CHECK(error_of<Count>(text("20")) == "must be a whole number");
}

TEST_CASE("permissions are octal digits in quotes, so that 600 can't mean 01130") {
    CHECK(read_value<FileMode>(text("0600")).bits == 0600);
    CHECK(read_value<FileMode>(text("777")).bits == 0777);
    const std::string wanted = "must be permissions as octal digits in quotes, such as \"0600\"";
    CHECK(error_of<FileMode>(whole(600)) == wanted);
    CHECK(error_of<FileMode>(text("0800")) == wanted);
    CHECK(error_of<FileMode>(text("rw-")) == wanted);
}

TEST_CASE("a list of texts may be one text") {
    CHECK(read_value<TextList>(text("a")) == TextList{"a"});
    CHECK(read_value<TextList>(RawValue(TextList{"a", "b"})) == TextList{"a", "b"});
    CHECK(error_of<TextList>(whole(1)) == "must be a list of texts: [\"a\", \"b\"]");
}

TEST_CASE("a text holds no NUL, alone or in a list") {
    const std::string nul("a\0b", 3);
    CHECK(error_of<std::string>(RawValue(nul)) == "must not contain a NUL");
    CHECK(error_of<TextList>(RawValue(TextList{nul})) == "must not contain a NUL");
}

TEST_CASE("a wrong word gets the nearest right one") {
    CHECK(read_value<PoolMode>(text("statement")) == PoolMode::Statement);
    CHECK(read_value<AuthMethod>(text("scram-sha-256")) == AuthMethod::ScramSha256);
    CHECK(error_of<PoolMode>(text("transation")) ==
          "can't be \"transation\"; did you mean \"transaction\"? It is one of session, "
          "transaction, statement");
    CHECK(error_of<TlsVersion>(text("SSLv3")) == "can't be \"SSLv3\": it is one of 1.2, 1.3");
    CHECK(error_of<PoolMode>(whole(1)) ==
          "must be one of session, transaction, statement, in quotes");
}

TEST_CASE("values are shown in their largest whole unit") {
    CHECK(show_value(Duration::seconds(3600)) == "1h");
    CHECK(show_value(Duration::seconds(5)) == "5s");
    CHECK(show_value(Duration::milliseconds(1500)) == "1500ms");
    CHECK(show_value(Duration{}) == "0");
    CHECK(show_value(mib(64)) == "64MiB");
    CHECK(show_value(ByteSize{1000}) == "1000B");
    CHECK(show_value(ByteSize{0}) == "0B");
    CHECK(show_value(FileMode{0600}) == "0600");
    CHECK(show_value(FileMode{0}) == "0000");
    CHECK(show_value(TextList{"a", "b"}) == "a, b");
    CHECK(show_value(true) == "true");
}

TEST_CASE("a text in TOML keeps its quotes and control characters") {
    CHECK(quote_toml("a\"b\\c\n\x7f") == "\"a\\\"b\\\\c\\u000a\\u007f\"");
    CHECK(write_value(TextList{"a", "b\""}) == "[\"a\", \"b\\\"\"]");
    CHECK(write_value(PoolMode::Session) == "\"session\"");
    CHECK(write_value(FileMode{0777}) == "\"0777\"");
}

TEST_CASE("what is written is read as the same value") {
    for (const std::int64_t us :
         {1LL, 999LL, 1000LL, 1'500'000LL, 60'000'000LL, 86'400'000'001LL}) {
        const Duration value = Duration::microseconds(us);
        CHECK(read_value<Duration>(RawValue(show_value(value))) == value);
    }
    for (const std::uint64_t bytes : {1ULL, 1023ULL, 1024ULL, 1536ULL, 3ULL << 30}) {
        CHECK(read_value<ByteSize>(RawValue(show_value(ByteSize{bytes}))).bytes == bytes);
    }
}
