// SPDX-License-Identifier: PostgreSQL
// Standbys that die or freeze under readers: the readers must not notice.
#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <mutex>
#include <sstream>
#include <thread>

#include "routed.h"

using namespace pgweir::integration;

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

void kill_standby(TestStandby& standby) {
    signal_all(standby.log(), SIGKILL);
    standby.stop(TestCluster::Stop::Immediate);
}

// Eight readers, each in its own way, and one writer; until it goes out of scope.
class Load {
 public:
    explicit Load(const Target& target) {
        for (int i = 0; i < 8; ++i) threads_.emplace_back([this, target, i] { read(target, i); });
        threads_.emplace_back([this, target] { write(target); });
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() { stop(); }

    void stop() {
        is_over_ = true;
        for (auto& thread : threads_) thread.join();
        threads_.clear();
    }
    int reads() const { return reads_; }
    int reads_on(const std::string& node) {
        std::lock_guard lock(mutex_);
        return places_[node];
    }
    int writes() const { return writes_; }
    // All that went wrong, in words; stop() comes first.
    std::string problems() const { return problems_.str(); }
    // The longest that a read has taken since the last call.
    Milliseconds take_longest() { return Milliseconds(longest_.exchange(0)); }

 private:
    void read(const Target& target, int way) {
        try {
            while (!is_over_) session(target, way);
        } catch (const std::exception& problem) {
            complain(problem.what());
        }
    }

    // A hundred reads: who has once read on the primary may have to stay there.
    void session(const Target& target, int way) {
        Connection client(target);
        client.prepare("read", kRead);
        for (int i = 0; i < 100 && !is_over_; ++i) {
            const auto began = Clock::now();
            const Answer answer = way % 3 == 0   ? client.query(kRead)
                                  : way % 3 == 1 ? client.query(kRead, {})
                                                 : client.execute("read");
            note(answer, Clock::now() - began);
            if (!client.is_ok()) return complain("a reader's connection is lost");
        }
    }

    void write(const Target& target) {
        try {
            Connection client(target);
            while (!is_over_) {
                const Answer answer = client.query(kWrite);
                if (!answer.ok()) complain("write: " + answer.sqlstate + " " + answer.message);
                ++writes_;
                std::this_thread::sleep_for(Milliseconds(2));
            }
        } catch (const std::exception& problem) {
            complain(problem.what());
        }
    }

    void note(const Answer& answer, Clock::duration took) {
        if (!answer.ok()) complain("read: " + answer.sqlstate + " " + answer.message);
        ++reads_;
        const auto ms = std::chrono::duration_cast<Milliseconds>(took).count();
        for (auto known = longest_.load(); known < ms;) {
            if (longest_.compare_exchange_weak(known, ms)) break;
        }
        std::lock_guard lock(mutex_);
        ++places_[answer.value()];
    }

    void complain(const std::string& words) {
        std::lock_guard lock(mutex_);
        problems_ << words << "\n";
    }

    std::atomic<bool> is_over_{false};
    std::atomic<int> reads_{0};
    std::atomic<int> writes_{0};
    std::atomic<Milliseconds::rep> longest_{0};
    std::mutex mutex_;
    std::map<std::string, int> places_;  // Guarded by mutex_.
    std::ostringstream problems_;        // Guarded by mutex_.
    std::vector<std::thread> threads_;
};

// Reads are answered still: so many more.
void wait_for_reads(Load& load, int more) {
    const int from = load.reads();
    wait_until("readers go on", [&] { return load.reads() >= from + more; });
}

void wait_for_reads_on(Load& load, const std::string& node) {
    const int from = load.reads_on(node);
    wait_until("readers use " + node, [&] { return load.reads_on(node) > from + 20; });
}

}  // namespace

TEST_CASE("a standby that is killed and comes back costs no client an error") {
    for (const char* consistency : {"\"session\"", "\"eventual\""}) {
        CAPTURE(std::string(consistency));
        PgweirConfig config = routed().config();
        config.set("routing", "consistency", consistency);
        PgweirProcess pgweir(config);
        wait_for_both(pgweir);
        Load load(routed_by(pgweir));
        for (TestStandby* standby : {&routed().first, &routed().second, &routed().first}) {
            const std::string name = standby == &routed().first ? "first" : "second";
            wait_for_reads_on(load, name);
            kill_standby(*standby);
            wait_for_reads(load, 500);
            standby->start();
        }
        wait_for_reads_on(load, "first");
        wait_for_reads_on(load, "second");
        const auto longest = load.take_longest();
        load.stop();
        MESSAGE(load.reads(), " reads (", load.reads_on("primary"), " on the primary), ",
                load.writes(), " writes; the longest read took ", longest.count(), " ms");
        CHECK(load.problems() == "");
        CHECK(load.writes() > 10);
        // It was hidden by the other standby, not by the primary.
        if (std::string(consistency) == "\"eventual\"") {
            CHECK(load.reads_on("primary") < load.reads() / 2);
        }
    }
}

TEST_CASE("with both standbys gone the primary serves reads, until one comes back") {
    PgweirProcess pgweir(routed().config());
    wait_for_both(pgweir);
    Load load(routed_by(pgweir));
    wait_for_reads(load, 100);
    kill_standby(routed().first);
    kill_standby(routed().second);
    wait_for_reads_on(load, "primary");
    routed().second.start();
    wait_for_reads_on(load, "second");
    routed().first.start();
    wait_for_reads_on(load, "first");
    load.stop();
    CHECK(load.problems() == "");
}

TEST_CASE("readers leave a standby that is frozen, and come back to it") {
    PgweirConfig config = routed().config();
    config.set("cluster", "probe_timeout", "\"200ms\"");
    PgweirProcess pgweir(config);
    wait_for_both(pgweir);
    Load load(routed_by(pgweir));
    wait_for_reads_on(load, "first");
    {
        Frozen frozen(routed().first.log());
        const auto began = Clock::now();
        // Those who come now are served elsewhere within this time.
        wait_until("a new reader is served twenty times in a row", [&] {
            Connection client = Connection::attempt(routed_by(pgweir));
            client.send(kRead);
            return client.has_answer(Milliseconds(100)) &&
                   places_of_reads(routed_by(pgweir), 20)["first"] == 0;
        });
        const auto took = std::chrono::duration_cast<Milliseconds>(Clock::now() - began);
        MESSAGE("new reads move on after ", took.count(), " ms");
        CHECK(took < Milliseconds(3000));
        wait_for_reads(load, 200);
    }
    wait_for_reads_on(load, "first");
    load.stop();
    MESSAGE("the longest read took ", load.take_longest().count(), " ms");
    CHECK(load.problems() == "");
}
