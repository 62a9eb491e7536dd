// SPDX-License-Identifier: PostgreSQL
// pgweir_swarm: many runs from seeds. A run that breaks an invariant is told with its seed, the end
// of its transcript and the command that repeats it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <string>

#include "sim/swarm_run.h"

namespace {

using pgweir::sim::RunRequest;
using pgweir::sim::RunResult;
using pgweir::sim::WorldKind;

struct Request {
    RunRequest run;
    std::uint64_t first_seed = 1;
    std::uint64_t seeds = 100;
    std::uint64_t most_failures = 5;
    bool twice = false;    // Every run twice: the hashes must agree.
    bool verbose = false;  // One line for each seed.
    bool lists_misfortunes = false;
};

constexpr const char* kUsage =
    "usage: pgweir_swarm [--seed N | --seeds N [--first-seed N]] [--steps M] [--lines N]\n"
    "                    [--failures N] [--twice] [--direct] [--verbose]\n"
    "                    [--world single|cluster|failover|any]\n"
    "       less than the seed says: [--without MISFORTUNE]… [--wanderers N] [--workers N]\n"
    "       pgweir_swarm --misfortunes\n";

constexpr const char* kKinds[] = {"any", "single", "cluster", "failover"};

bool parse_kind(const std::string& word, WorldKind& kind) {
    for (std::size_t i = 0; i < std::size(kKinds); ++i) {
        if (word != kKinds[i]) continue;
        kind = static_cast<WorldKind>(i);
        return true;
    }
    return false;
}

bool parse(int count, char** words, Request& request) {
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        if (word == "--twice") {
            request.twice = true;
            continue;
        }
        if (word == "--direct") {
            request.run.direct = true;
            continue;
        }
        if (word == "--verbose") {
            request.verbose = true;
            continue;
        }
        if (word == "--misfortunes") {
            request.lists_misfortunes = true;
            continue;
        }
        if (i + 1 >= count) return false;
        if (word == "--world") {
            if (!parse_kind(words[++i], request.run.kind)) return false;
            continue;
        }
        if (word == "--without") {
            const auto known = pgweir::sim::misfortunes();
            if (std::find(known.begin(), known.end(), words[++i]) == known.end()) return false;
            request.run.without.emplace_back(words[i]);
            continue;
        }
        const std::uint64_t value = std::strtoull(words[++i], nullptr, 10);
        if (word == "--seed") {
            request.first_seed = value;
            request.seeds = 1;
        } else if (word == "--seeds") {
            request.seeds = value;
        } else if (word == "--first-seed") {
            request.first_seed = value;
        } else if (word == "--steps") {
            request.run.steps = value;
        } else if (word == "--lines") {
            request.run.lines = value;
        } else if (word == "--wanderers") {
            request.run.wanderers_max = static_cast<std::uint32_t>(value);
        } else if (word == "--workers") {
            request.run.workers_max = static_cast<std::uint32_t>(value);
        } else if (word == "--failures") {
            request.most_failures = value;
        } else {
            return false;
        }
    }
    return true;
}

std::string knobs(const RunRequest& run) {
    std::string text = " --steps " + std::to_string(run.steps) + " --world " +
                       kKinds[static_cast<std::size_t>(run.kind)];
    if (run.direct) text += " --direct";
    if (run.wanderers_max != UINT32_MAX)
        text += " --wanderers " + std::to_string(run.wanderers_max);
    if (run.workers_max != UINT32_MAX) text += " --workers " + std::to_string(run.workers_max);
    for (const std::string& name : run.without) text += " --without " + name;
    return text;
}

void tell(const Request& request, std::uint64_t seed, const RunResult& result) {
    std::printf("seed %llu broke an invariant (%s):\n", static_cast<unsigned long long>(seed),
                result.plan.c_str());
    for (const std::string& violation : result.violations) {
        std::printf("  %s\n", violation.c_str());
    }
    std::printf("%s", result.last_lines.c_str());
    std::printf("repeat: pgweir_swarm --seed %llu%s\n\n", static_cast<unsigned long long>(seed),
                knobs(request.run).c_str());
    std::fflush(stdout);
}

// Of many runs.
struct Totals {
    RunResult all;
    std::uint64_t clusters = 0;
    std::uint64_t singles = 0;
};

void tell_coverage(const Totals& totals) {
    const RunResult& all = totals.all;
    std::printf("worlds: single:%llu cluster:%llu sessions:%llu simulated_s:%llu cancels:%llu\n",
                static_cast<unsigned long long>(totals.singles),
                static_cast<unsigned long long>(totals.clusters),
                static_cast<unsigned long long>(all.sessions),
                static_cast<unsigned long long>(all.simulated.us / 1'000'000),
                static_cast<unsigned long long>(all.cancels));
    std::printf("messages to nodes:  ");
    for (std::size_t tag = 0; tag < 128; ++tag) {
        if (all.messages[tag] > 0) {
            std::printf(" %c:%llu", static_cast<char>(tag),
                        static_cast<unsigned long long>(all.messages[tag]));
        }
    }
    std::printf("\nmessages to clients:");
    for (std::size_t tag = 128; tag < 256; ++tag) {
        if (all.messages[tag] > 0) {
            std::printf(" %c:%llu", static_cast<char>(tag - 128),
                        static_cast<unsigned long long>(all.messages[tag]));
        }
    }
    std::printf("\nfaults:");
    for (const auto& [name, count] : all.faults) {
        std::printf(" %s:%llu", name.c_str(), static_cast<unsigned long long>(count));
    }
    std::printf("\nturns in clusters: %llu on primaries, %llu on standbys\n",
                static_cast<unsigned long long>(all.turns_on_primary),
                static_cast<unsigned long long>(all.turns_on_standbys));
}

void add(Totals& totals, const RunResult& one) {
    ++(one.is_cluster ? totals.clusters : totals.singles);
    RunResult& all = totals.all;
    all.sessions += one.sessions;
    all.cancels += one.cancels;
    all.simulated = all.simulated + one.simulated;
    all.events += one.events;
    all.hash = all.hash * 31 + one.hash;
    for (std::size_t i = 0; i < all.messages.size(); ++i) all.messages[i] += one.messages[i];
    for (const auto& [name, count] : one.faults) all.faults[name] += count;
    all.turns_on_primary += one.turns_on_primary;
    all.turns_on_standbys += one.turns_on_standbys;
}

int run(const Request& request) {
    Totals totals;
    const RunResult& all = totals.all;
    std::uint64_t failures = 0;
    std::uint64_t run = 0;
    const auto start = std::chrono::steady_clock::now();
    for (; run < request.seeds && failures < request.most_failures; ++run) {
        RunRequest one = request.run;
        one.seed = request.first_seed + run;
        // An assertion in the core ends the process: the last line then names the seed.
        if (request.verbose) {
            std::printf("seed %llu\n", static_cast<unsigned long long>(one.seed));
            std::fflush(stdout);
        }
        RunResult result = run_swarm(one);
        if (request.twice && run_swarm(one).hash != result.hash) {
            result.violations.push_back("I37: a second run of this seed went another way");
        }
        add(totals, result);
        if (result.violations.empty()) continue;
        ++failures;
        tell(request, one.seed, result);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    tell_coverage(totals);
    const double busy = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    std::printf("%.1f s, %.0f events/s (%.0f in a second of its core), trace hash %016llx\n",
                took.count(), static_cast<double>(all.events) / took.count(),
                static_cast<double>(all.events) / busy, static_cast<unsigned long long>(all.hash));
    std::printf("pgweir_swarm: %llu seeds, %llu events, %llu violations\n",
                static_cast<unsigned long long>(run), static_cast<unsigned long long>(all.events),
                static_cast<unsigned long long>(failures));
    return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
    Request request;
    if (!parse(count, words, request)) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    if (request.lists_misfortunes) {
        for (const std::string& name : pgweir::sim::misfortunes()) std::puts(name.c_str());
        return 0;
    }
    try {
        return run(request);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "pgweir_swarm: %s\n", problem.what());
        return 2;
    }
}
