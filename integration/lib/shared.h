// SPDX-License-Identifier: PostgreSQL
// What the cases of one test program share, made at first use; and the comparison that most of them
// make: what a client hears through pgweir is what it hears from PostgreSQL.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "connection.h"
#include "pgweir_process.h"
#include "raw_client.h"

namespace pgweir::integration {

TestCluster& cluster();
// In front of that cluster: transaction mode, pool_size = 2.
PgweirProcess& shared_pgweir();
// Where that pgweir listens. PGWEIR_TEST_DIRECT=1 makes it PostgreSQL itself: that tests the cases.
Target proxy_target();
// Ends both; the test program's main does it.
void end_shared();

using Transcript = std::vector<std::string>;
using Script = std::function<void(RawClient&)>;

// What is compared of an error: all that the client sees, or severity and SQLSTATE (where pgweir
// itself is the one who says it).
enum class Compare { Words, Codes };
enum class Login { Done, NotYet };

Transcript play(const Target& target, const Script& script, Login login = Login::Done,
                Compare compare = Compare::Words);

// Plays the script to PostgreSQL directly, then through the shared pgweir, and checks that both
// transcripts are one; then that pgweir still serves a neighbour. Returns PostgreSQL's transcript.
Transcript same_as_postgresql(const Script& script, Compare compare = Compare::Words,
                              Login login = Login::Done);

// True if a line begins so.
bool has_line(const Transcript& transcript, const std::string& beginning);
std::size_t count_lines(const Transcript& transcript, const std::string& beginning);
std::string joined(const Transcript& transcript);

// A new client is served, and gets the answer to its own question.
bool serves(const Target& target);

}  // namespace pgweir::integration
