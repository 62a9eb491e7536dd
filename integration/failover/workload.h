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
    explicit Workload(const Target& target);
    Workload(const Workload&) = delete;
    Workload& operator=(const Workload&) = delete;
    ~Workload() { stop(); }

    // Each client ends its operation and asks no more; idle ones are asked whether they live.
    void stop();

    int writes() const { return writes_; }
    int reads() const { return reads_; }
    // So many more of each.
    void wait_for_writes(int more);
    void wait_for_reads(int more);
    // The first write that was acknowledged after that moment, if there was one.
    bool first_write_after(Clock::time_point moment, Clock::time_point& when);

    // --- After stop().
    struct Verdict {
        std::map<std::string, int> errors;  // By SQLSTATE.
        int acknowledged = 0;
        int missing = 0;     // Acknowledged, and not there.
        int doubled = 0;     // There more than once.
        int unexpected = 0;  // There, although the client was told that it was not (40001, 57P03).
        int lost_clients = 0;
        std::string problems;  // What must never happen, in words.
    };
    // `node` is the primary that has survived.
    Verdict judge(const Target& node);

 private:
    using Entry = std::pair<int, int>;  // Writer, number.

    void write(const Target& target, int writer);
    void write_transactions(const Target& target, int writer);
    void read(const Target& target, int way);
    void stay_idle(const Target& target);
    void note_write(const Answer& answer, Entry entry);
    void note_error(const std::string& sqlstate);
    void lose_client(const std::string& who, Connection& client);
    template <typename Act>
    void run(Act act);

    std::atomic<bool> is_over_{false};
    std::atomic<int> writes_{0};
    std::atomic<int> reads_{0};
    std::mutex mutex_;
    std::vector<Clock::time_point> acknowledged_at_;
    std::set<Entry> acknowledged_;
    std::set<Entry> refused_;
    std::map<std::string, int> errors_;
    int lost_clients_ = 0;
    std::string problems_;
    std::vector<std::thread> threads_;
};

}  // namespace pgweir::integration
