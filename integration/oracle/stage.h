// SPDX-License-Identifier: PostgreSQL
// The listeners of the oracle: one PostgreSQL with a standby, and pgweir in front of it in each of
// its modes. The stage sets the tables up and keeps the servers of one conversation from the next.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connection.h"
#include "pgweir_process.h"
#include "player.h"
#include "raw_client.h"
#include "test_standby.h"

namespace pgweir::integration::oracle {

enum class Mode {
    Session,
    Transaction,
    Statement,
    Moved,     // Transaction mode, and every unit runs on another server than the one before.
    Bytewise,  // Transaction mode, and every byte comes alone.
    Split,     // Transaction mode, and reads go to the standby.
};

std::string name_of(Mode mode);
bool makes_sense(const Conversation& conversation, Mode mode);

// Before each unit of the client takes the server that it had, so that it gets the other one; says
// there what should trouble nobody.
class Stirrer {
 public:
    explicit Stirrer(const Target& target);
    void stir();

 private:
    void take_server(RawClient& client);

    RawClient one_;
    RawClient two_;
    bool one_holds_ = true;
};

class Stage {
 public:
    Stage();

    Transcript play_directly(const Conversation& conversation);
    Transcript play(const Conversation& conversation, Mode mode);
    // A new client of that mode is served, and gets the answer to its own question.
    bool serves(Mode mode);
    // Ends all pgweirs: PgweirProcess::failures() tells of those that do not end well.
    void end();

 private:
    struct Scene {
        std::unique_ptr<PgweirProcess> pgweir;
        std::unique_ptr<Stirrer> stirrer;
    };
    void set_tables_up(const Conversation& conversation);
    PgweirConfig config(Mode mode) const;
    Scene& scene(Mode mode);
    Target target(Mode mode);

    TestCluster cluster_;
    TestStandby& standby_;
    std::unique_ptr<Connection> owner_;
    Scene scenes_[6];
};

}  // namespace pgweir::integration::oracle
