// SPDX-License-Identifier: PostgreSQL
// The simulated cluster on its own: what standbys answer, how they follow, and that the checkers
// see what they are there to see.
#include <doctest/doctest.h>

#include "sim/story.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

WorldOptions direct_cluster(std::uint32_t standbys = 1) {
    WorldOptions options;
    options.direct = true;
    options.standbys = standbys;
    return options;
}

// A client of one of the standbys; it can't rely on more than one node gives.
ClientOptions of_standby(std::uint32_t node = 1, ReadLevel level = ReadLevel::Session) {
    ClientOptions options;
    options.node = node;
    options.level = level;
    options.chooses_node = true;
    return options;
}

const char* const kRead5 = "SELECT value FROM registers WHERE id = 5";

}  // namespace

TEST_CASE("a standby answers with what it has replayed") {
    Story story(direct_cluster());
    SimClient& writer = story.client("alice");
    SimClient& reader = story.client("alice", of_standby());
    story.ask(writer, "UPDATE registers SET value = 'one' WHERE id = 5");
    story.pass(Duration::milliseconds(10));
    CHECK(story.ask(reader, kRead5).value() == "one");
    story.world().replication().pause(0);
    story.ask(writer, "UPDATE registers SET value = 'two' WHERE id = 5");
    story.pass(Duration::seconds(1));
    CHECK(story.ask(reader, kRead5).value() == "one");
    CHECK(story.ask(writer, kRead5).value() == "two");
    CHECK(story.world().node(1).lag() > Duration::milliseconds(900));
    story.world().replication().resume(0);
    story.pass(Duration::milliseconds(10));
    CHECK(story.ask(reader, kRead5).value() == "two");
    CHECK(story.world().node(1).lag() < Duration::milliseconds(50));
    CHECK(story.complaints() == "");
}

TEST_CASE("a transaction's writes become visible on a standby all at once") {
    Story story(direct_cluster());
    SimClient& writer = story.client("alice");
    SimClient& reader = story.client("alice", of_standby());
    story.ask(writer, "BEGIN");
    story.ask(writer, "UPDATE registers SET value = 'both' WHERE id = 1");
    story.pass(Duration::milliseconds(50));
    CHECK(story.ask(reader, "SELECT value FROM registers WHERE id = 1").value() == "");
    story.ask(writer, "UPDATE registers SET value = 'both' WHERE id = 2");
    story.ask(writer, "COMMIT");
    story.pass(Duration::milliseconds(50));
    CHECK(story.ask(reader, "SELECT value FROM registers WHERE id = 1").value() == "both");
    CHECK(story.ask(reader, "SELECT value FROM registers WHERE id = 2").value() == "both");
    CHECK(story.complaints() == "");
}

TEST_CASE("a standby refuses writes, also those of functions") {
    Story story(direct_cluster());
    SimClient& reader = story.client("alice", of_standby());
    CHECK(story.ask(reader, "SHOW in_hot_standby").value() == "on");
    CHECK(story.ask(reader, "UPDATE registers SET value = 'no' WHERE id = 5").sqlstate == "25006");
    CHECK(story.ask(reader, "SELECT sneaky_write(5, 'no')").sqlstate == "25006");
    CHECK(story.ask(reader, "SELECT value FROM registers WHERE id = 5 FOR UPDATE").sqlstate ==
          "25006");
    CHECK(story.complaints() == "");
}

TEST_CASE("a write on a standby that its client did not ask for is told") {
    Story story(direct_cluster());
    ClientOptions options = of_standby();
    options.chooses_node = false;
    SimClient& lost = story.client("alice", options);
    lost.query("UPDATE registers SET value = '" + lost.token() + "' WHERE id = 5").flush();
    story.answer(lost);
    CHECK(story.complaints().find("I25") != std::string::npos);
}

TEST_CASE("a read that is older than its level allows is told") {
    const auto complaints = [](ReadLevel level) {
        Story story(direct_cluster());
        SimClient& writer = story.client("alice");
        SimClient& reader = story.client("alice", of_standby(1, level));
        story.world().replication().pause(0);
        writer.query("UPDATE registers SET value = '" + writer.token() + "' WHERE id = 5").flush();
        story.answer(writer);
        story.ask(reader, kRead5);
        return story.complaints();
    };
    CHECK(complaints(ReadLevel::Strong).find("I26") != std::string::npos);
    CHECK(complaints(ReadLevel::Session) == "");
}

TEST_CASE("versions that go backwards, come from the future or from nowhere are told") {
    Agenda agenda;
    Transcript transcript(agenda, 16);
    Truth truth(transcript);
    const std::uint32_t writer = truth.enroll("app", "alice");
    const std::uint32_t reader = truth.enroll("app", "alice");
    for (std::uint32_t request = 1; request <= 3; ++request) {
        const Token token{writer, request};
        truth.committed(token, 100 * request);
        truth.registers("app").write(100 * request, {token, request % 2, token_text(token)});
    }
    ReadCheck session(truth, reader, ReadLevel::Session);
    CHECK(session.saw(0, "@1.2@", 0, std::nullopt) == "");
    CHECK(session.saw(1, "@1.1@", 0, std::nullopt) == "");
    CHECK(session.saw(0, "", 0, std::nullopt).starts_with("I26"));
    CHECK(session.saw(1, "@1.2@", 0, std::nullopt).starts_with("I20"));
    CHECK(session.saw(1, "@1.3@", 0, std::nullopt) == "");
    CHECK(session.saw(1, "@1.1@", 0, std::nullopt).starts_with("I26"));

    ReadCheck eventual(truth, reader, ReadLevel::Eventual);
    CHECK(eventual.saw(0, "@1.2@", 0, std::nullopt) == "");
    CHECK(eventual.saw(0, "", 0, std::nullopt) == "");

    ReadCheck strong(truth, reader, ReadLevel::Strong);
    CHECK(strong.saw(1, "@1.1@", 250, std::nullopt) == "");
    CHECK(strong.saw(1, "@1.1@", 300, std::nullopt).starts_with("I26"));

    ReadCheck own(truth, writer, ReadLevel::Session);
    own.wrote({{writer, 1}, 1, ""});
    CHECK(own.saw(1, "", 0, std::nullopt).starts_with("I26"));
    CHECK(own.saw(1, "@1.3@", 0, Token{writer, 2}).starts_with("I20"));
}

TEST_CASE("replay cancels the statement that is in its way") {
    Story story(direct_cluster());
    ClientOptions options = of_standby();
    options.tolerance.errors.insert("40001");
    SimClient& reader = story.client("alice", options);
    reader.query("SELECT pg_sleep(60), '" + reader.token() + "'").flush();
    story.pass(Duration::milliseconds(10));
    story.world().node(1).conflict();
    const Answer answer = story.answer(reader);
    CHECK(answer.sqlstate == "40001");
    CHECK(answer.message == "canceling statement due to conflict with recovery");
    CHECK(story.ask(reader, kRead5).value() == "");
    CHECK(story.complaints() == "");
}

TEST_CASE("replay ends the session that only keeps a transaction open") {
    Story story(direct_cluster());
    ClientOptions options = of_standby();
    options.tolerance.errors.insert("40001");
    options.tolerance.may_close = true;
    SimClient& reader = story.client("alice", options);
    story.ask(reader, "BEGIN; SELECT 'x'");
    story.world().node(1).conflict();
    story.pass(Duration::milliseconds(10));
    CHECK(reader.is_over());
    CHECK(reader.end_message() == "terminating connection due to conflict with recovery");
    CHECK(story.complaints() == "");
}

TEST_CASE("a standby that crashed may come back with an older state") {
    int older = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        WorldOptions options = direct_cluster();
        options.seed = seed;
        options.node.goes_back_max = 20;
        Story story(options);
        story.pass(Duration::seconds(1));
        const WalPlace before = story.world().node(1).place();
        story.world().node(1).crash(Duration::milliseconds(1), Duration::milliseconds(1));
        story.world().run_until([&] { return story.world().node(1).is_up(); },
                                Duration::seconds(1));
        older += story.world().node(1).place() < before ? 1 : 0;
        story.pass(Duration::milliseconds(200));
        CHECK(story.world().node(1).place() >= before);
        CHECK(story.complaints() == "");
    }
    CHECK(older > 5);
}

TEST_CASE("the catalog tells what is harmless, and lies if it is told to") {
    WorldOptions options = direct_cluster();
    const std::string question = "SELECT kind, name, ok FROM pg_catalog.pg_proc AS p";
    const auto standing = [&question](Story& story) {
        std::string of_sneaky_write;
        SimClient& asker = story.client("alice");
        for (const auto& row : story.ask(asker, question).rows) {
            if (row.at(1) == "sneaky_write") of_sneaky_write = row.at(2);
        }
        return of_sneaky_write;
    };
    Story honest(options);
    CHECK(standing(honest) == "f");
    options.node.catalog_lies = true;
    Story liar(options);
    CHECK(standing(liar) == "t");
}
