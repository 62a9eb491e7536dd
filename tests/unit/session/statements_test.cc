// SPDX-License-Identifier: PostgreSQL
// A statement is what it says, also when every hash is the same.
#include "pgweir/session/statements.h"

#include <doctest/doctest.h>

#include <string>

namespace pgweir::session {

namespace {

std::uint64_t constant_hash(ByteView, std::uint64_t) {
    return 7;
}

// text:cstring count:u16be type:u32be[count]
std::string definition(std::string_view text, std::initializer_list<std::uint8_t> types = {}) {
    std::string result(text);
    result += '\0';
    result += '\0';
    result += static_cast<char>(types.size());
    for (std::uint8_t type : types) {
        result.append(3, '\0');
        result += static_cast<char>(type);
    }
    return result;
}

StatementRef intern(StatementDirectory& directory, const std::string& text) {
    return directory.intern(as_bytes(text));
}

}  // namespace

TEST_CASE("equal definitions are one statement, and different ones are not") {
    for (const auto hash : {&statement_hash, &constant_hash}) {
        StatementDirectory directory(1 << 20, 1, hash);
        const StatementRef one = intern(directory, definition("SELECT 1"));
        const StatementRef same = intern(directory, definition("SELECT 1"));
        const StatementRef other = intern(directory, definition("SELECT 2"));
        CHECK(one == same);
        CHECK_FALSE(one == other);
        CHECK(directory.size() == 2);
        CHECK(one->text() == "SELECT 1");
    }
}

TEST_CASE("what is prepared after definitions have changed is another statement") {
    StatementDirectory directory(1 << 20, 1);
    const StatementRef before = intern(directory, definition("SELECT 1"));
    directory.begin_epoch();
    const StatementRef after = intern(directory, definition("SELECT 1"));
    CHECK_FALSE(before == after);
    CHECK(after == intern(directory, definition("SELECT 1")));
    CHECK(directory.size() == 2);
}

TEST_CASE("the same text with other parameter types is another statement") {
    for (const auto hash : {&statement_hash, &constant_hash}) {
        StatementDirectory directory(1 << 20, 1, hash);
        const StatementRef untyped = intern(directory, definition("SELECT $1"));
        const StatementRef of_int = intern(directory, definition("SELECT $1", {23}));
        const StatementRef of_text = intern(directory, definition("SELECT $1", {25}));
        CHECK_FALSE(untyped == of_int);
        CHECK_FALSE(of_int == of_text);
        CHECK(of_text->text() == "SELECT $1");
    }
}

TEST_CASE("a definition is more than its text up to a NUL") {
    StatementDirectory directory(1 << 20, 1);
    const StatementRef one = intern(directory, std::string("SELECT 1\0\0\1aaaa", 15));
    const StatementRef other = intern(directory, std::string("SELECT 1\0\0\1aaab", 15));
    CHECK_FALSE(one == other);
}

TEST_CASE("what nobody uses is forgotten, in any order, also among equal hashes") {
    StatementDirectory directory(1 << 20, 1, constant_hash);
    StatementRef one = intern(directory, definition("1"));
    StatementRef two = intern(directory, definition("2"));
    StatementRef three = intern(directory, definition("3"));
    CHECK(directory.bytes() > 0);
    two = StatementRef();
    CHECK(directory.size() == 2);
    CHECK(intern(directory, definition("3")) == three);
    CHECK(intern(directory, definition("1")) == one);
    one = StatementRef();
    three = StatementRef();
    CHECK(directory.size() == 0);
    CHECK(directory.bytes() == 0);
}

TEST_CASE("a reference that is copied, moved and assigned to itself counts once each") {
    StatementDirectory directory(1 << 20, 1);
    StatementRef one = intern(directory, definition("1"));
    {
        StatementRef copy = one;
        StatementRef moved = std::move(copy);
        one = moved;
        const StatementRef& self = one;
        one = self;
        CHECK(directory.size() == 1);
    }
    CHECK(one->text() == "1");
    one = StatementRef();
    CHECK(directory.size() == 0);
}

TEST_CASE("a directory that is full takes nothing new, and still knows what it has") {
    const std::string known = definition(std::string(1000, 'x'));
    StatementDirectory directory(2000, 1);
    const StatementRef one = intern(directory, known);
    REQUIRE(one);
    CHECK_FALSE(static_cast<bool>(intern(directory, definition(std::string(1000, 'y')))));
    CHECK(intern(directory, known) == one);
    directory.set_bytes_max(4000);
    CHECK(static_cast<bool>(intern(directory, definition(std::string(1000, 'y')))));
}

TEST_CASE("an opaque statement equals no other") {
    const StatementRef one = StatementDirectory::opaque();
    const StatementRef other = StatementDirectory::opaque();
    CHECK(one->is_opaque());
    CHECK(one->may_commit());
    CHECK_FALSE(one == other);
    StatementDirectory directory(1 << 20, 1);
    CHECK_FALSE(intern(directory, definition("1"))->is_opaque());
}

TEST_CASE("a client finds its statements by its own names, exactly") {
    StatementDirectory directory(1 << 20, 1);
    ClientStatements statements(directory);
    const StatementRef one = intern(directory, definition("1"));
    CHECK_FALSE(static_cast<bool>(statements.find("a")));
    CHECK(statements.put("a", one));
    CHECK(statements.find("a") == one);
    CHECK_FALSE(static_cast<bool>(statements.find("A")));
    CHECK_FALSE(static_cast<bool>(statements.find("")));
    CHECK(statements.remove("a") == one);
    CHECK_FALSE(static_cast<bool>(statements.remove("a")));
    CHECK(statements.size() == 0);
}

TEST_CASE("names of clients count towards the bound and come back from it") {
    StatementDirectory directory(1000, 1);
    const StatementRef one = intern(directory, definition("1"));
    const std::uint64_t before = directory.bytes();
    {
        ClientStatements statements(directory);
        int names = 0;
        while (statements.put("name" + std::to_string(names), one)) ++names;
        CHECK(names > 0);
        CHECK(names < 1000 / 64);
        CHECK(directory.bytes() <= 1000);
        // A name that is there takes a new meaning without a byte more.
        CHECK(statements.put("name0", one));
        statements.remove("name0");
        CHECK(statements.put("name0", one));
        statements.clear();
        CHECK(directory.bytes() == before);
        CHECK(statements.put("again", one));
    }
    CHECK(directory.bytes() == before);
}

TEST_CASE("numbers on a server are never used twice") {
    StatementDirectory directory(1 << 20, 1, constant_hash);
    ServerStatements prepared;
    const StatementRef one = intern(directory, definition("1"));
    const StatementRef two = intern(directory, definition("2"));
    const auto first = prepared.add(one, 0);
    const auto second = prepared.add(two, 0);
    CHECK(first != 0);
    CHECK(first != second);
    CHECK(prepared.find(one) == first);
    CHECK(prepared.remove(one) == first);
    CHECK_FALSE(prepared.find(one));
    const auto third = prepared.add(one, 0);
    CHECK(third != first);
    CHECK(third != second);
    prepared.clear();
    CHECK(prepared.add(two, 0) != third);
}

TEST_CASE("the least recently used statement gives way") {
    StatementDirectory directory(1 << 20, 1);
    ServerStatements prepared;
    const StatementRef one = intern(directory, definition("1"));
    const StatementRef two = intern(directory, definition("2"));
    const StatementRef three = intern(directory, definition("3"));
    const auto number_one = prepared.add(one, 0);
    const auto number_two = prepared.add(two, 0);
    prepared.add(three, 0);
    prepared.find(one);
    CHECK(prepared.evict() == number_two);
    prepared.find(three);
    CHECK(prepared.evict() == number_one);
    CHECK(prepared.size() == 1);
}

TEST_CASE("a statement is certain in the unit of its Parse, and in others once it is confirmed") {
    StatementDirectory directory(1 << 20, 1);
    ServerStatements prepared;
    const StatementRef one = intern(directory, definition("1"));
    const auto number = prepared.add(one, 5);
    CHECK(prepared.is_certain(one, 5));
    CHECK_FALSE(prepared.is_certain(one, 6));
    prepared.confirm(one, number + 1);
    CHECK_FALSE(prepared.is_certain(one, 6));
    prepared.confirm(one, number);
    CHECK(prepared.is_certain(one, 6));
}

TEST_CASE("a Parse that failed takes back its own number only") {
    StatementDirectory directory(1 << 20, 1);
    ServerStatements prepared;
    const StatementRef one = intern(directory, definition("1"));
    const auto number = prepared.add(one, 1);
    prepared.retract(one, number + 1);
    CHECK(prepared.find(one) == number);
    prepared.retract(one, number);
    CHECK_FALSE(prepared.find(one));
}

TEST_CASE("a text that may end a transaction is told from one that does not") {
    for (const char* text : {"COMMIT", "commit;", "SELECT 1; END", "PREPARE TRANSACTION 'x'",
                             "call p()", "DO $$ $$", "begin;insert into t values(1);commit",
                             "/* */ Commit and chain", "ROLLBACK; INSERT INTO t VALUES (1)"}) {
        CAPTURE(text);
        CHECK(text_may_commit(text));
    }
    for (const char* text : {"", "SELECT 1", "UPDATE t SET committed = 1", "SELECT ending",
                             "SELECT x_end", "INSERT INTO dolls VALUES (1)", "ROLLBACKS", "en d"}) {
        CAPTURE(text);
        CHECK_FALSE(text_may_commit(text));
    }
}

TEST_CASE("the server's name of a statement is its number behind a prefix") {
    CHECK(server_statement_name(17) == "pgweir_17");
}

TEST_CASE("the hash depends on every byte and on the seed") {
    const std::string text = "0123456789abcdefghi";
    const std::uint64_t hash = statement_hash(as_bytes(text), 1);
    CHECK(hash != statement_hash(as_bytes(text), 2));
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string other = text;
        other[i] = 'X';
        CHECK(statement_hash(as_bytes(other), 1) != hash);
        CHECK(statement_hash(as_bytes(text.substr(0, i)), 1) != hash);
    }
}

}  // namespace pgweir::session
