// SPDX-License-Identifier: PostgreSQL
// What the cases of failover share: three nodes, one pgweir in front of them, and the story of one
// failover under load.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "trio.h"
#include "workload.h"

namespace pgweir::integration {

// Each case leaves them whole.
Trio& trio();
PgweirProcess& proxy();
Target application();

// PGWEIR_LONG is set.
bool runs_long();
// Once, or so many times in the long form.
void repeat(int long_times, const std::function<void()>& act);

struct Outcome {
    Workload::Verdict verdict;
    // From the moment at which the promoted node took writes to the first one through pgweir.
    double notice_ms = 0;

    int errors() const;
};

// When the node takes its first write over a connection of our own.
Clock::time_point wait_for_writes_on(Node& node);
// From then on, how long until the first write of the workload on that node's timeline.
double wait_for_notice(Workload& load, Node& node, Clock::time_point accepted);

using Act = std::function<void(Node& old_primary)>;
// The old primary is broken, the furthest standby promoted; `meanwhile` follows, with the workload
// still running.
Outcome fail_over(const Act& break_it, const Act& meanwhile = nullptr,
                  const Target& target = application());

std::string told(const Workload::Verdict& verdict);
// What holds for every failover of which no acknowledged write may be lost.
void check(const Outcome& outcome, double notice_ms_max = 2000);
// What holds for every workload: nobody was cut off, nothing came twice or from a given-up node.
void check_honest(const Workload::Verdict& verdict);

// The half and the 99th hundredth of some outcomes.
struct Spread {
    double p50 = 0;
    double p99 = 0;
};
Spread spread_of(std::vector<double> values);
// In the long form it tells how the outcomes of one kind of failover spread.
void tell_spread(const std::vector<Outcome>& outcomes);

std::string entries_on(Node& node);
// What the console says to a command: "" when all is well.
std::string console(const std::string& command);

}  // namespace pgweir::integration
