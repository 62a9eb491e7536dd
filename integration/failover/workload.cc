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

constexpr const char* kRead = "select current_setting('app.node'), count(*) from beats";

// What a client may hear of work that was in flight when its server was lost.
bool is_honest(const std::string& sqlstate) {
    return sqlstate == "08007" || sqlstate == "40001" || sqlstate == "08006";
}

std::string insert(int writer, int n) {
    return "insert into entries values (" + std::to_string(writer) + ", " + std::to_string(n) +
           ") returning timeline";
}

// What an INSERT returns: the timeline that it was written to.
int timeline_of(const Answer& inserted) {
    return inserted.rows.empty() ? 0 : std::stoi(inserted.value(), nullptr, 16);
}

}  // namespace

Workload::Workload(const Target& target, int first_writer) {
    for (int i = 0; i < kWriters; ++i) {
        const int writer = first_writer + i;
        threads_.emplace_back([this, target, writer] { run([&] { write(target, writer); }); });
    }
    for (int i = 0; i < kTransactionWriters; ++i) {
        const int writer = first_writer + kWriters + i;
        threads_.emplace_back(
            [this, target, writer] { run([&] { write_transactions(target, writer); }); });
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

int Workload::reads_on(const std::string& node) {
    std::lock_guard lock(mutex_);
    return places_[node];
}

void Workload::wait_for_reads_on(const std::string& node, int more) {
    const int from = reads_on(node);
    wait_until("readers use " + node, [&] { return reads_on(node) >= from + more; });
}

bool Workload::first_write_after(Clock::time_point moment, int timeline, Clock::time_point& when) {
    std::lock_guard lock(mutex_);
    const auto first = std::find_if(acknowledged_.begin(), acknowledged_.end(),
                                    [moment, timeline](const Acknowledgement& each) {
                                        return each.timeline == timeline && each.answered >= moment;
                                    });
    if (first == acknowledged_.end()) return false;
    when = first->answered;
    return true;
}

std::chrono::milliseconds Workload::take_longest_read() {
    std::lock_guard lock(mutex_);
    Clock::duration longest = longest_read_;
    longest_read_ = Clock::duration(0);
    for (const auto& [reader, since] : unanswered_reads_) {
        longest = std::max(longest, Clock::now() - since);
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(longest);
}

// --- Clients ------------------------------------------------------------------------------------

void Workload::note_error(const Answer& answer) {
    const std::string& sqlstate = answer.sqlstate;
    if (answer.message.find("may have been lost in a failover") != std::string::npos) {
        ++lost_places_;
        return;
    }
    ++errors_[sqlstate];
    if (!is_honest(sqlstate)) problems_ += "an error that should not be: " + sqlstate + "\n";
}

// `inserted` is the INSERT's answer, `answer` the one that tells its outcome: COMMIT's, perhaps.
void Workload::note_write(const Answer& answer, const Answer& inserted, Clock::time_point asked,
                          Entry entry) {
    std::lock_guard lock(mutex_);
    if (answer.ok()) {
        acknowledged_.push_back({asked, Clock::now(), timeline_of(inserted), entry});
        ++writes_;
        return;
    }
    note_error(answer);
    if (answer.sqlstate != "08007") refused_.insert(entry);
}

void Workload::lose_client(const std::string& who, Connection& client) {
    std::lock_guard lock(mutex_);
    ++lost_clients_;
    problems_ += who + " has lost its connection: " + client.error() + "\n";
}

void Workload::write(const Target& target, int writer) {
    Connection client(target);
    const std::string with_parameters = "insert into entries values ($1, $2) returning timeline";
    client.prepare("write", with_parameters);
    for (int n = 1; !is_over_; ++n) {
        const std::string w = std::to_string(writer);
        const std::string number = std::to_string(n);
        const auto asked = Clock::now();
        const Answer answer = writer % 3 == 0   ? client.query(insert(writer, n))
                              : writer % 3 == 1 ? client.query(with_parameters, {w, number})
                                                : client.execute("write", {w, number});
        if (!client.is_ok()) return lose_client("a writer", client);
        note_write(answer, answer, asked, {writer, n});
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

void Workload::write_transactions(const Target& target, int writer) {
    Connection client(target);
    for (int n = 1; !is_over_; ++n) {
        const auto asked = Clock::now();
        Answer answer = client.query("begin");
        Answer inserted;
        if (answer.ok()) answer = inserted = client.query(insert(writer, n));
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
        note_write(answer, inserted, asked, {writer, n});
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

void Workload::read(const Target& target, int way) {
    Connection client(target);
    // Who promises itself its own writes may have to stay on a primary that is written to without
    // a pause; the others are on the standbys whenever one is fresh enough.
    if (way > 0) client.must("set pgweir.consistency = 'eventual'");
    client.prepare("read", kRead);
    while (!is_over_) {
        const auto asked = Clock::now();
        {
            std::lock_guard lock(mutex_);
            unanswered_reads_[way] = asked;
        }
        const Answer answer = way % 3 == 0   ? client.query(kRead)
                              : way % 3 == 1 ? client.query(kRead, {})
                                             : client.execute("read");
        if (!client.is_ok()) return lose_client("a reader", client);
        note_read(answer, Clock::now() - asked, way);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

void Workload::note_read(const Answer& answer, Clock::duration took, int reader) {
    std::lock_guard lock(mutex_);
    unanswered_reads_.erase(reader);
    longest_read_ = std::max(longest_read_, took);
    if (answer.ok()) {
        ++reads_;
        ++places_[answer.value()];
        return;
    }
    note_error(answer);
    ++read_errors_[answer.sqlstate];
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
                    .lost_places = lost_places_,
                    .read_errors = read_errors_,
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
    count_by_time(verdict, there);
    return verdict;
}

// Of each timeline it counts when its first answer came; what was asked after that belongs to it,
// or to a later one.
void Workload::count_by_time(Verdict& verdict, const std::set<Entry>& there) {
    std::map<int, Clock::time_point> began;
    for (const Acknowledgement& each : acknowledged_) began.emplace(each.timeline, each.answered);
    for (const Acknowledgement& each : acknowledged_) {
        const auto later = began.upper_bound(each.timeline);
        if (later != began.end() && each.asked > later->second) ++verdict.backwards;
        if (there.contains(each.entry)) continue;
        ++verdict.missing;
        verdict.first_missing = std::min(verdict.first_missing, each.answered);
        if (each.asked > began.rbegin()->second) ++verdict.missing_since;
    }
}

}  // namespace pgweir::integration
