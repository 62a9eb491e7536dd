// SPDX-License-Identifier: PostgreSQL
// Writers, writers of transactions, readers and idle clients that never reconnect by themselves.
// Every operation is recorded; afterwards the table tells what became of each.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "connection.h"

namespace pgweir::integration {

using Clock = std::chrono::steady_clock;

class Workload {
 public:
    // Workloads that write into one table begin with different numbers of writers.
    explicit Workload(const Target& target, int first_writer = 0);
    Workload(const Workload&) = delete;
    Workload& operator=(const Workload&) = delete;
    ~Workload() { stop(); }

    // Each client ends its operation and asks no more; idle ones are asked whether they live.
    void stop();

    int writes() const { return writes_; }
    int reads() const { return reads_; }
    int reads_on(const std::string& node);
    // So many more of each.
    void wait_for_writes(int more);
    void wait_for_reads(int more);
    void wait_for_reads_on(const std::string& node, int more);
    // The first write on that timeline that was acknowledged after that moment, if there was one.
    bool first_write_after(Clock::time_point moment, int timeline, Clock::time_point& when);
    // The longest that a client has waited for the answer to a read since the last call; reads that
    // are not answered yet count as long as they wait.
    std::chrono::milliseconds take_longest_read();

    // --- After stop().
    struct Verdict {
        std::map<std::string, int> errors;       // Of all, by SQLSTATE; but for
        int lost_places = 0;                     // "What this session has seen may have been lost".
        std::map<std::string, int> read_errors;  // Of reads in autocommit.
        int acknowledged = 0;
        int missing = 0;                                             // Acknowledged, and not there.
        Clock::time_point first_missing = Clock::time_point::max();  // When it was acknowledged.
        // Of these, who asked after the surviving timeline had acknowledged a write already.
        int missing_since = 0;
        // Acknowledged by a timeline after a later one had acknowledged what was asked before.
        int backwards = 0;
        int doubled = 0;     // There more than once.
        int unexpected = 0;  // There, although the client was told that it was not (40001, 57P03).
        int lost_clients = 0;
        std::string problems;  // What must never happen, in words.
    };
    // `node` is the primary that has survived.
    Verdict judge(const Target& node);

 private:
    using Entry = std::pair<int, int>;  // Writer, number.
    struct Acknowledgement {
        Clock::time_point asked;
        Clock::time_point answered;
        int timeline = 0;
        Entry entry;
    };

    void write(const Target& target, int writer);
    void write_transactions(const Target& target, int writer);
    void read(const Target& target, int way);
    void stay_idle(const Target& target);
    void note_write(const Answer& answer, const Answer& inserted, Clock::time_point asked,
                    Entry entry);
    void count_by_time(Verdict& verdict, const std::set<Entry>& there);
    void note_read(const Answer& answer, Clock::duration took, int reader);
    void note_error(const Answer& answer);
    void lose_client(const std::string& who, Connection& client);
    template <typename Act>
    void run(Act act);

    std::atomic<bool> is_over_{false};
    std::atomic<int> writes_{0};
    std::atomic<int> reads_{0};
    std::mutex mutex_;
    std::vector<Acknowledgement> acknowledged_;  // In the order of their answers.
    std::set<Entry> refused_;
    std::map<std::string, int> errors_;
    int lost_places_ = 0;
    std::map<std::string, int> read_errors_;
    std::map<std::string, int> places_;                  // Of reads.
    std::map<int, Clock::time_point> unanswered_reads_;  // By reader.
    Clock::duration longest_read_{0};
    int lost_clients_ = 0;
    std::string problems_;
    std::vector<std::thread> threads_;
};

}  // namespace pgweir::integration
