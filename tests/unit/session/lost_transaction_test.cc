// SPDX-License-Identifier: PostgreSQL
// A transaction whose server is gone behaves as one that has failed.
#include "pgweir/session/lost_transaction.h"

#include <doctest/doctest.h>

#include "support/told.h"

namespace pgweir::session {

namespace {

using testing::Said;
namespace client = testing::client;

struct Lost {
    LostTransaction lost;
    explicit Lost(LostTransaction::EndsAt ends_at = LostTransaction::EndsAt::Rollback)
        : lost(ends_at) {}

    std::string says(const Said& messages) {
        Bytes out;
        ByteView rest = messages;
        while (!rest.empty()) {
            const std::size_t size = 1 + load_u32(rest.data() + 1);
            lost.answer(rest[0], rest.subspan(5, size - 5), out);
            rest = rest.subspan(size);
        }
        return testing::told(testing::Speaker::Server, out);
    }
};

}  // namespace

TEST_CASE("every statement fails with 25P02 until the client ends the transaction") {
    Lost lost;
    CHECK(lost.says(client::query("SELECT 1")) == "E(ERROR,25P02) Z(E)");
    CHECK(lost.says(client::query("INSERT INTO t VALUES (1)")) == "E(ERROR,25P02) Z(E)");
    CHECK_FALSE(lost.lost.is_over());
    CHECK(lost.says(client::query("ROLLBACK")) == "C(ROLLBACK) Z(I)");
    CHECK(lost.lost.is_over());
}

TEST_CASE("COMMIT of a lost transaction is answered ROLLBACK") {
    Lost lost;
    CHECK(lost.says(client::query("COMMIT")) == "C(ROLLBACK) Z(I)");
    CHECK(lost.lost.is_over());
}

TEST_CASE("the first statement hears why, before anything else") {
    Lost lost;
    lost.lost.announce(testing::server::error("40001"));
    CHECK(lost.says(client::query("SELECT 1")) == "E(ERROR,40001) Z(E)");
    CHECK(lost.says(client::query("SELECT 1")) == "E(ERROR,25P02) Z(E)");
}

TEST_CASE("a batch fails once, and is skipped up to its Sync") {
    Lost lost;
    CHECK(lost.says(client::parse("", "SELECT 1") + client::bind("") + client::execute() +
                    client::sync()) == "E(ERROR,25P02) Z(E)");
    CHECK_FALSE(lost.lost.is_over());
}

TEST_CASE("ROLLBACK by the extended protocol ends it at its Sync") {
    Lost lost;
    CHECK(lost.says(client::parse("", "ROLLBACK") + client::bind("") + client::execute()) ==
          "1 2 C(ROLLBACK)");
    CHECK_FALSE(lost.lost.is_over());
    CHECK(lost.says(client::sync()) == "Z(I)");
    CHECK(lost.lost.is_over());
}

TEST_CASE("Close is answered, Flush and stray COPY messages are not") {
    Lost lost;
    CHECK(lost.says(client::close("a")) == "3");
    CHECK(lost.says(client::flush() + client::copy_data("x") + client::copy_done()).empty());
}

TEST_CASE("a batch that was lost outside of a block ends at its Sync") {
    Lost lost(LostTransaction::EndsAt::Sync);
    lost.lost.announce(testing::server::error("08007"));
    CHECK(lost.says(client::bind("a") + client::execute()) == "E(ERROR,08007)");
    CHECK(lost.says(client::sync()) == "Z(I)");
    CHECK(lost.lost.is_over());
}

TEST_CASE("a COMMIT is not answered as done to a client that has not heard of the loss") {
    Lost lost;
    lost.lost.announce(testing::server::error("40001"));
    CHECK(lost.says(client::query("COMMIT")) == "E(ERROR,40001) Z(I)");
    CHECK(lost.lost.is_over());
    Lost extended;
    extended.lost.announce(testing::server::error("40001"));
    CHECK(extended.says(client::parse("", "COMMIT") + client::bind("") + client::execute() +
                        client::sync()) == "1 2 E(ERROR,40001) Z(I)");
    CHECK(extended.lost.is_over());
}

TEST_CASE("what ends a transaction is told from what does not") {
    struct Row {
        const char* text;
        TransactionEnd end;
    };
    for (const Row& row : {Row{"ROLLBACK", TransactionEnd::Rollback},
                           {"rollback;", TransactionEnd::Rollback},
                           {"  ABORT", TransactionEnd::Rollback},
                           {"END", TransactionEnd::Commit},
                           {"commit", TransactionEnd::Commit},
                           {"/* x */ ROLLBACK", TransactionEnd::Rollback},
                           {"-- x\nROLLBACK", TransactionEnd::Rollback},
                           {"ROLLBACK WORK", TransactionEnd::Rollback},
                           {"ROLLBACK TRANSACTION", TransactionEnd::Rollback},
                           {"COMMIT AND CHAIN", TransactionEnd::Commit},
                           {";;ROLLBACK", TransactionEnd::Rollback},
                           {"", TransactionEnd::None},
                           {"SELECT 1", TransactionEnd::None},
                           {"ROLLBACK TO a", TransactionEnd::None},
                           {"ROLLBACK TO SAVEPOINT a", TransactionEnd::None},
                           {"ROLLBACK WORK TO a", TransactionEnd::None},
                           {"ROLLBACK PREPARED 'x'", TransactionEnd::None},
                           {"COMMIT PREPARED 'x'", TransactionEnd::None},
                           {"/* ROLLBACK", TransactionEnd::None},
                           {"-- ROLLBACK", TransactionEnd::None},
                           {"ROLLBACKS", TransactionEnd::None},
                           {"BEGIN", TransactionEnd::None}}) {
        CAPTURE(row.text);
        CHECK((transaction_end(row.text) == row.end));
    }
}

}  // namespace pgweir::session
