// SPDX-License-Identifier: PostgreSQL
#include "workload.h"

#include <algorithm>

#include "process.h"

namespace pgweir::integration {
namespace {

constexpr int kWriters = 4;
constexpr int kTransactionWriters = 2;
constexpr int kReaders = 3;
constexpr int kIdle = 4;

// What a client may hear of work that was in flight when its server was lost.
bool is_honest(const std::string& sqlstate) {
    return sqlstate == "08007" || sqlstate == "40001" || sqlstate == "08006";
}

}  // namespace

Workload::Workload(const Target& target) {
    for (int i = 0; i < kWriters; ++i) {
        threads_.emplace_back([this, target, i] { run([&] { write(target, i); }); });
    }
    for (int i = 0; i < kTransactionWriters; ++i) {
        threads_.emplace_back(
            [this, target, i] { run([&] { write_transactions(target, kWriters + i); }); });
    }
    for (int i = 0; i < kReaders; ++i) {
        threads_.emplace_back([this, target, i] { run([&] { read(target, i); }); });
    }
    for (int i = 0; i < kIdle; ++i) {
        threads_.emplace_back([this, target] { run([&] { stay_idle(target); }); });
    }
}

template <typename Act>
void Workload::run(Act act) {
    try {
        act();
    } catch (const std::exception& problem) {
        std::lock_guard lock(mutex_);
        problems_ += std::string(problem.what()) + "\n";
    }
}

void Workload::stop() {
    is_over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

void Workload::wait_for_writes(int more) {
    const int from = writes_;
    wait_until("writes go on", [&] { return writes_ >= from + more; });
}

void Workload::wait_for_reads(int more) {
    const int from = reads_;
    wait_until("reads go on", [&] { return reads_ >= from + more; });
}

bool Workload::first_write_after(Clock::time_point moment, Clock::time_point& when) {
    std::lock_guard lock(mutex_);
    const auto first = std::find_if(acknowledged_at_.begin(), acknowledged_at_.end(),
                                    [moment](Clock::time_point at) { return at >= moment; });
    if (first == acknowledged_at_.end()) return false;
    when = *first;
    return true;
}

// --- Clients ------------------------------------------------------------------------------------

void Workload::note_error(const std::string& sqlstate) {
    ++errors_[sqlstate];
    if (!is_honest(sqlstate)) problems_ += "an error that should not be: " + sqlstate + "\n";
}

void Workload::note_write(const Answer& answer, Entry entry) {
    std::lock_guard lock(mutex_);
    if (answer.ok()) {
        acknowledged_.insert(entry);
        acknowledged_at_.push_back(Clock::now());
        ++writes_;
        return;
    }
    note_error(answer.sqlstate);
    if (answer.sqlstate != "08007") refused_.insert(entry);
}

void Workload::lose_client(const std::string& who, Connection& client) {
    std::lock_guard lock(mutex_);
    ++lost_clients_;
    problems_ += who + " has lost its connection: " + client.error() + "\n";
}

void Workload::write(const Target& target, int writer) {
    Connection client(target);
    client.prepare("write", "insert into entries values ($1, $2)");
    for (int n = 1; !is_over_; ++n) {
        const std::string w = std::to_string(writer);
        const std::string number = std::to_string(n);
        const Answer answer =
            writer % 3 == 0 ? client.query("insert into entries values (" + w + ", " + number + ")")
            : writer % 3 == 1 ? client.query("insert into entries values ($1, $2)", {w, number})
                              : client.execute("write", {w, number});
        if (!client.is_ok()) return lose_client("a writer", client);
        note_write(answer, {writer, n});
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

void Workload::write_transactions(const Target& target, int writer) {
    Connection client(target);
    for (int n = 1; !is_over_; ++n) {
        const std::string insert = "insert into entries values (" + std::to_string(writer) + ", " +
                                   std::to_string(n) + ")";
        Answer answer = client.query("begin");
        if (answer.ok()) answer = client.query(insert);
        if (answer.ok()) answer = client.query("select count(*) from beats");
        if (answer.ok()) {
            answer = client.query("commit");
            // A transaction that has failed answers ROLLBACK.
            if (answer.ok() && answer.tag != "COMMIT") {
                std::lock_guard lock(mutex_);
                problems_ += "COMMIT was answered " + answer.tag + " without an error before\n";
            }
        } else if (client.is_ok()) {
            const Answer end = client.query("rollback");
            if (!end.ok()) {
                std::lock_guard lock(mutex_);
                problems_ += "ROLLBACK of a lost transaction failed: " + end.sqlstate + "\n";
            }
        }
        if (!client.is_ok()) return lose_client("a writer of transactions", client);
        note_write(answer, {writer, n});
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

void Workload::read(const Target& target, int way) {
    Connection client(target);
    client.prepare("read", "select count(*) from beats");
    while (!is_over_) {
        const Answer answer = way % 3 == 0   ? client.query("select count(*) from beats")
                              : way % 3 == 1 ? client.query("select count(*) from beats", {})
                                             : client.execute("read");
        if (!client.is_ok()) return lose_client("a reader", client);
        if (answer.ok()) {
            ++reads_;
        } else {
            std::lock_guard lock(mutex_);
            note_error(answer.sqlstate);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

void Workload::stay_idle(const Target& target) {
    Connection client(target);
    client.must("select 1");
    while (!is_over_) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const Answer answer = client.query("insert into beats default values");
    if (!client.is_ok()) return lose_client("an idle client", client);
    if (answer.ok()) return;
    std::lock_guard lock(mutex_);
    problems_ += "an idle client heard " + answer.sqlstate + " " + answer.message + "\n";
}

// --- Afterwards ---------------------------------------------------------------------------------

Workload::Verdict Workload::judge(const Target& node) {
    Verdict verdict{.errors = errors_,
                    .acknowledged = static_cast<int>(acknowledged_.size()),
                    .lost_clients = lost_clients_,
                    .problems = problems_};
    const Answer rows =
        Connection(node).must("select writer, n, count(*) from entries group by 1, 2");
    std::set<Entry> there;
    for (const auto& row : rows.rows) {
        const Entry entry{std::stoi(*row[0]), std::stoi(*row[1])};
        there.insert(entry);
        if (*row[2] != "1") ++verdict.doubled;
        if (refused_.contains(entry)) ++verdict.unexpected;
    }
    for (const Entry& entry : acknowledged_) verdict.missing += there.contains(entry) ? 0 : 1;
    return verdict;
}

}  // namespace pgweir::integration
