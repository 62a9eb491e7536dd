// SPDX-License-Identifier: PostgreSQL
// What the cases of one test program share.
#include "shared.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <random>

namespace pgweir::integration {
namespace {

std::unique_ptr<TestCluster> the_cluster;
std::unique_ptr<PgweirProcess> the_pgweir;

std::string without_words(const std::string& line) {
    for (const char* name : {"ErrorResponse ", "NoticeResponse "}) {
        if (line.rfind(name, 0) == 0) return line.substr(0, line.find(':'));
    }
    return line;
}

}  // namespace

TestCluster& cluster() {
    static bool has_failed = false;
    if (has_failed) throw HarnessError("the first attempt to start PostgreSQL has failed");
    if (!the_cluster) {
        has_failed = true;
        the_cluster = std::make_unique<TestCluster>();
        has_failed = false;
    }
    return *the_cluster;
}

PgweirProcess& shared_pgweir() {
    if (the_pgweir && !the_pgweir->process().is_running()) {
        // It died in the case before; the others are not to fail for it.
        PgweirProcess::failures() += 1;
        MESSAGE("pgweir died: ", the_pgweir->log());
        the_pgweir.reset();
    }
    if (!the_pgweir) {
        PgweirConfig config(cluster());
        config.limit("default_pool_size", 2);
        the_pgweir = std::make_unique<PgweirProcess>(config);
    }
    return *the_pgweir;
}

Target proxy_target() {
    return std::getenv("PGWEIR_TEST_DIRECT") != nullptr ? cluster().target()
                                                        : shared_pgweir().target();
}

void end_shared() {
    the_pgweir.reset();
    the_cluster.reset();
}

Transcript play(const Target& target, const Script& script, Login login, Compare compare) {
    RawClient client(target);
    if (login == Login::Done) client.login();
    script(client);
    Transcript lines = client.transcript();
    if (compare == Compare::Codes) {
        for (auto& line : lines) line = without_words(line);
    }
    return lines;
}

Transcript same_as_postgresql(const Script& script, Compare compare, Login login) {
    Transcript direct = play(cluster().target(), script, login, compare);
    Transcript through = play(proxy_target(), script, login, compare);
    CHECK_MESSAGE(through == direct, "through pgweir:", joined(through),
                  "\nPostgreSQL itself:", joined(direct));
    CHECK(serves(proxy_target()));
    return direct;
}

bool has_line(const Transcript& transcript, const std::string& beginning) {
    return count_lines(transcript, beginning) > 0;
}

std::size_t count_lines(const Transcript& transcript, const std::string& beginning) {
    std::size_t count = 0;
    for (const auto& line : transcript) count += line.rfind(beginning, 0) == 0 ? 1 : 0;
    return count;
}

std::string joined(const Transcript& transcript) {
    std::string text;
    for (const auto& line : transcript) text += "\n  " + line;
    return text;
}

bool serves(const Target& target) {
    static std::mt19937 random{7};
    std::string token = "token" + std::to_string(random());
    Connection connection(target);
    return connection.value("select '" + token + "'") == token;
}

}  // namespace pgweir::integration
