// SPDX-License-Identifier: PostgreSQL
// What a read must see: at each level of consistency, while one standby is late and the other one
// pauses now and then. A read that ran on the primary proves nothing: those on standbys are
// counted.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "routed.h"

using namespace pgweir::integration;

namespace {

using Clock = std::chrono::steady_clock;

// In all, for each level.
int pairs() {
    return runs_long() ? 10000 : 2000;
}

// The second standby replays commits late, the first one stops and goes on.
class Unrest {
 public:
    Unrest() : late_(routed().second.owner(), "recovery_min_apply_delay", "'20ms'") {
        toggling_ = std::thread([this] { toggle(); });
    }
    Unrest(const Unrest&) = delete;
    Unrest& operator=(const Unrest&) = delete;
    ~Unrest() {
        is_over_ = true;
        toggling_.join();
    }

 private:
    void toggle() {
        Connection admin(routed().first.owner());
        while (!is_over_) {
            admin.query("select pg_wal_replay_pause()");
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
            admin.query("select pg_wal_replay_resume()");
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
        }
    }

    NodeSetting late_;
    std::atomic<bool> is_over_{false};
    std::thread toggling_;
};

struct Tally {
    std::atomic<int> stale{0};      // It saw less than it had to.
    std::atomic<int> backwards{0};  // It saw less of somebody else's than before.
    std::atomic<int> errors{0};
    std::atomic<int> on_standbys{0};
    std::atomic<int> on_primary{0};
};

// One session: writes its own counter and reads it, and that of its neighbour.
class Session {
 public:
    Session(const Target& target, Tally& tally, int id, int neighbour)
        : client_(target),
          tally_(tally),
          id_(std::to_string(id)),
          neighbour_(std::to_string(neighbour)) {
        client_.prepare("read", kReadCounter);
        client_.prepare("write", kWriteCounter);
    }

    // The ways that applications have, in turn.
    void pair(int round) {
        write(round);
        for (int i = 0; i < 2; ++i) {
            if (round % 3 == 1) must("begin read only");
            own_ = std::max(own_, read(id_, own_, round + i, tally_.stale));
            theirs_ = std::max(theirs_, read(neighbour_, theirs_, round + i, tally_.backwards));
            if (round % 3 == 1) must("commit");
        }
    }
    // As pair, but somebody else writes: directly to the primary.
    void pair_with(Connection& writer, int round) {
        own_ = number_of(writer.query(kWriteCounter, {id_}));
        if (round % 3 == 1) must("begin read only");
        own_ = std::max(own_, read(id_, own_, round, tally_.stale));
        if (round % 3 == 1) must("commit");
    }

 private:
    static inline const std::string kReadCounter =
        "select n, current_setting('app.node') from counters where id = $1";
    static inline const std::string kWriteCounter =
        "update counters set n = n + 1 where id = $1 returning n";

    static std::string filled(std::string sql, const std::string& id) {
        return sql.replace(sql.find("$1"), 2, id);
    }

    void must(const std::string& sql) {
        if (!client_.query(sql).ok()) ++tally_.errors;
    }

    Answer ask(const std::string& sql, const std::string& name, const std::string& id, int way) {
        if (way % 3 == 0) return client_.query(filled(sql, id));
        return way % 3 == 1 ? client_.query(sql, {id}) : client_.execute(name, {id});
    }

    int number_of(const Answer& answer) {
        if (answer.ok() && answer.rows.size() == 1) return std::stoi(answer.value());
        ++tally_.errors;
        return 0;
    }

    void write(int round) {
        const bool is_transaction = round % 2 == 1;
        if (is_transaction) must("begin");
        own_ = number_of(ask(kWriteCounter, "write", id_, round));
        if (is_transaction) must("commit");
    }

    int read(const std::string& id, int at_least, int way, std::atomic<int>& less) {
        const Answer answer = ask(kReadCounter, "read", id, way);
        const int seen = number_of(answer);
        if (!answer.ok() || answer.rows.size() != 1) return 0;
        if (seen < at_least) ++less;
        ++(answer.rows[0][1] == "primary" ? tally_.on_primary : tally_.on_standbys);
        return seen;
    }

    Connection client_;
    Tally& tally_;
    std::string id_;
    std::string neighbour_;
    int own_ = 0;
    int theirs_ = 0;
};

constexpr int kSessions = 8;

void run_sessions(const Target& target, Tally& tally, int pairs,
                  const std::function<void(Session&, int id, int round)>& step) {
    std::vector<std::thread> threads;
    for (int id = 1; id <= kSessions; ++id) {
        threads.emplace_back([&, id] {
            try {
                Session session(target, tally, id, id % kSessions + 1);
                for (int round = 0; round < pairs / kSessions; ++round) step(session, id, round);
            } catch (const std::exception& problem) {
                ++tally.errors;
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

void report(const std::string& level, const Tally& tally) {
    MESSAGE(level, ": ", tally.on_standbys.load(), " reads on standbys, ", tally.on_primary.load(),
            " on the primary");
}

PgweirConfig config_of(const std::string& consistency, const std::string& replica_wait,
                       int workers = 1) {
    PgweirConfig config = routed().config();
    config.set("routing", "consistency", "\"" + consistency + "\"");
    config.set("routing", "replica_wait", "\"" + replica_wait + "\"");
    config.general("workers", std::to_string(workers));
    return config;
}

std::string read_of(int id) {
    return "select n from counters where id = " + std::to_string(id);
}

}  // namespace

TEST_CASE("a session reads what it wrote, and never less than it has read") {
    for (const int workers : {1, 2}) {
        CAPTURE(workers);
        PgweirProcess pgweir(config_of("session", workers == 1 ? "10ms" : "20ms", workers));
        wait_for_both(pgweir);
        Tally tally;
        {
            Unrest unrest;
            run_sessions(routed_by(pgweir), tally, pairs() / 2,
                         [](Session& session, int, int round) { session.pair(round); });
        }
        report("session", tally);
        CHECK(tally.stale == 0);
        CHECK(tally.backwards == 0);
        CHECK(tally.errors == 0);
        CHECK(tally.on_standbys > 0);
    }
}

TEST_CASE("a strong read sees what anybody has committed") {
    PgweirProcess pgweir(config_of("strong", "10ms"));
    wait_for_both(pgweir);
    Tally tally;
    {
        Unrest unrest;
        std::vector<std::unique_ptr<Connection>> writers;
        for (int i = 0; i < kSessions; ++i) {
            writers.push_back(std::make_unique<Connection>(routed().primary.target()));
        }
        run_sessions(routed_by(pgweir), tally, pairs(), [&](Session& session, int id, int round) {
            session.pair_with(*writers[static_cast<std::size_t>(id - 1)], round);
        });
    }
    report("strong", tally);
    CHECK(tally.stale == 0);
    CHECK(tally.errors == 0);
    CHECK(tally.on_standbys > pairs() / 20);
}

// That these tests can fail: the same at the level that promises nothing of the kind.
TEST_CASE("an eventual read does not see all that a direct connection has just committed") {
    PgweirProcess pgweir(config_of("eventual", "0s"));
    wait_for_both(pgweir);
    PausedReplay first(routed().first);
    PausedReplay second(routed().second);
    Connection writer(routed().primary.target());
    Connection reader(routed_by(pgweir));
    const std::string before = reader.value(read_of(50));
    writer.must("update counters set n = n + 1 where id = 50");
    CHECK(reader.value(read_of(50)) == before);
    // One level up for one statement.
    CHECK(reader.value("/* pgweir: consistency=strong */ " + read_of(50)) != before);
    CHECK(reader.value(read_of(50)) == before);
    reader.must("set pgweir.consistency = 'strong'");
    CHECK(reader.value(read_of(50)) != before);
}

TEST_CASE("an eventual read is never further behind than the bound") {
    PgweirConfig config = config_of("eventual", "0s");
    config.set("routing", "max_replica_lag", "\"500ms\"");
    PgweirProcess pgweir(config);
    wait_for_both(pgweir);
    Connection writer(routed().primary.target());
    std::vector<Clock::time_point> written_at;
    const int start = std::stoi(writer.value(read_of(60)));
    auto write = [&] {
        writer.must("update counters set n = n + 1 where id = 60");
        written_at.push_back(Clock::now());
    };
    write();
    routed().catch_up();
    PausedReplay paused(routed().first);
    Connection reader(routed_by(pgweir));
    Clock::duration longest{};
    const auto end = Clock::now() + std::chrono::seconds(3);
    while (Clock::now() < end) {
        write();
        const auto asked_at = Clock::now();
        const auto seen = static_cast<std::size_t>(std::stoi(reader.value(read_of(60))) - start);
        // What came after what was seen: it has been there for so long.
        if (seen < written_at.size()) longest = std::max(longest, asked_at - written_at[seen]);
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(longest).count();
    MESSAGE("the stalest read was ", ms, " ms behind");
    // A look each 50 ms, and as much again for a loaded machine.
    CHECK(ms < 1200);
    CHECK(ms > 0);
}

TEST_CASE("a session waits for a standby if it may, and goes to the primary if that is too long") {
    PgweirConfig config = config_of("session", "300ms");
    PgweirProcess pgweir(config);
    wait_for_both(pgweir);
    PausedReplay first(routed().first);
    PausedReplay second(routed().second);
    Connection client(routed_by(pgweir));
    client.must("update counters set n = n + 1 where id = 70");
    const std::string sql = "select current_setting('app.node') from counters where id = 70";
    for (int i = 0; i < 3; ++i) CHECK(client.value(sql) == "primary");
    routed().first.resume_replay();
    wait_until("reads move to the standby that goes on",
               [&] { return client.value(sql) == "first"; });
}

// Each read on the primary is one more thing that a standby has to be level with.
TEST_CASE("a session that has written and then reads without a pause leaves the primary") {
    PgweirProcess pgweir(config_of("session", "500ms"));
    wait_for_both(pgweir);
    // So that the standbys are never level with the primary for long.
    std::atomic<bool> is_over{false};
    std::thread writing([&] {
        Connection writer(routed().primary.target());
        while (!is_over) writer.query("update counters set n = n + 1 where id = 91");
    });
    Connection client(routed_by(pgweir));
    client.query("update counters set n = n + 1 where id = 90");
    const std::string sql = "select current_setting('app.node') from counters where id = 90";
    int on_primary = 0;
    while (on_primary < 2000 && client.query(sql).value() == "primary") ++on_primary;
    is_over = true;
    writing.join();
    MESSAGE(on_primary, " reads ran on the primary before the first on a standby");
    CHECK(on_primary < 2000);
}

TEST_CASE("a token hands on what a session has seen") {
    PgweirProcess pgweir(config_of("session", "0s"));
    wait_for_both(pgweir);
    PausedReplay first(routed().first);
    PausedReplay second(routed().second);
    Connection writer(routed_by(pgweir));
    const std::string written =
        writer.value("update counters set n = n + 1 where id = 80 returning n");
    const std::string token = writer.value("show pgweir.token");
    CAPTURE(token);
    // Without it a stranger sees what the standbys have.
    Connection stranger(routed_by(pgweir));
    CHECK(stranger.value(read_of(80)) != written);
    Connection heir(routed_by(pgweir));
    CHECK(heir.must("set pgweir.token = '" + token + "'").tag == "SET");
    CHECK(heir.value(read_of(80)) == written);
    // Even one that has already read less.
    CHECK(stranger.query("set pgweir.token = '" + token + "'", {}).ok());
    CHECK(stranger.value(read_of(80)) == written);
    CHECK(stranger.query(read_of(80), {}).value() == written);
    // A token is a bound from below: an older one changes nothing.
    CHECK(heir.must("set pgweir.token = '" + token.substr(0, token.rfind(':')) + ":0/1'").ok());
    CHECK(heir.value(read_of(80)) == written);
}

TEST_CASE("a token of another cluster, or none at all, is refused") {
    PgweirProcess pgweir(config_of("session", "0s"));
    wait_for_both(pgweir);
    Connection client(routed_by(pgweir));
    for (const char* token : {"1234567890123456789:1:0/1", "0/1", "1:1", "::", "x:y:z",
                              "1234567890123456789:1:0/1 ", "1234567890123456789:1:0/G"}) {
        CAPTURE(token);
        CHECK(client.query(std::string("set pgweir.token = '") + token + "'").sqlstate == "22023");
    }
    CHECK(client.value(kRead) != "primary");
    CHECK(client.value("show pgweir.token") != "");
}
