// SPDX-License-Identifier: PostgreSQL
// The entry point of every integration program. After a failure the folders with the logs stay, and
// their place is said.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <signal.h>

#include <iostream>

#include "pgweir_process.h"
#include "shared.h"

int main(int count, char** words) {
    ::signal(SIGPIPE, SIG_IGN);
    doctest::Context context(count, words);
    int result = context.run();
    pgweir::integration::end_shared();
    if (result == 0 && pgweir::integration::PgweirProcess::failures() > 0) result = 1;
    if (context.shouldExit()) return result;
    if (result != 0) {
        pgweir::integration::TemporaryFolder::keep_all();
        std::cout << "logs of PostgreSQL and pgweir are kept in the temporary folder (pgweir-*)\n";
    }
    return result;
}
