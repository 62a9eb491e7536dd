// SPDX-License-Identifier: PostgreSQL
// What a wanderer does with registers: every way in which a driver reads and writes, so that each
// kind of unit meets nodes that are behind.
#include "sim/wanderer.h"

namespace pgweir::sim {
namespace {

constexpr std::string_view kReadByNumber = "SELECT $1::text, value FROM registers WHERE id = $2";

}  // namespace

void Wanderer::registers() {
    switch (below(16)) {
        case 0:
        case 1:
        case 2:
        case 3:
            return read_register();
        case 4:
        case 5:
        case 6:
            return write_register();
        case 7:
        case 8:
            return read_register_prepared();
        case 9:
        case 10:
            return pipelined_registers();
        case 11:
            return plan_.transactions ? register_transaction() : read_register();
        case 12:
        case 13:
            return plan_.transactions ? read_only_transaction() : read_register();
        case 14:
            return register_script();
        default:
            return plan_.sneaks ? sneak() : read_register();
    }
}

void Wanderer::read_register() {
    const std::string where = " FROM registers WHERE id = " + some_register();
    switch (below(6)) {
        case 0:
            client_->query("SELECT value" + where + mark());
            break;
        case 1:
            client_->query("SELECT '" + tok() + "', value" + where + " FOR UPDATE");
            break;
        case 2:
            client_->query("SELECT '" + tok() + "', pg_sleep(0.00" + std::to_string(1 + below(9)) +
                           "), value" + where);
            break;
        case 3:
            client_->parse("", "SELECT '" + tok() + "', value" + where).bind("", "");
            if (chance(2)) client_->describe('P', "");
            client_->execute("").sync();
            break;
        default:
            client_->query("SELECT '" + tok() + "', value" + where);
            break;
    }
}

void Wanderer::write_register() {
    if (chance(2)) {
        client_->query("UPDATE registers SET value = '" + tok() +
                       "' WHERE id = " + some_register());
        return;
    }
    client_->parse("", "UPDATE registers SET value = $1 WHERE id = $2");
    client_->bind("", "", {tok(), some_register()}).execute("").sync();
}

// Parsed once, then bound in units of their own: on whatever node they come to.
void Wanderer::read_register_prepared() {
    if (!reads_prepared_) {
        reads_prepared_ = true;
        client_->parse("by_number", kReadByNumber);
        if (chance(2)) client_->sync();
    }
    client_->bind("", "by_number", {tok(), some_register()}).execute("").sync();
}

void Wanderer::pipelined_registers() {
    for (std::uint64_t left = 2 + below(4); left > 0; --left) {
        if (chance(3))
            write_register();
        else if (chance(2))
            read_register_prepared();
        else
            read_register();
    }
}

void Wanderer::register_transaction() {
    client_->query((chance(4) ? "BEGIN READ WRITE" : "BEGIN") + mark());
    statement_end();
    for (std::uint64_t left = 1 + below(4); left > 0; --left) {
        if (chance(2))
            write_register();
        else
            read_register();
        statement_end();
    }
    client_->query((chance(3) ? "ROLLBACK" : "COMMIT") + mark());
}

void Wanderer::read_only_transaction() {
    constexpr std::string_view kBegins[] = {"BEGIN READ ONLY", "START TRANSACTION READ ONLY",
                                            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                                            "BEGIN"};
    const std::uint64_t which = below(std::size(kBegins));
    client_->query(std::string(kBegins[which]) + mark());
    if (which == 3) client_->query("SET TRANSACTION READ ONLY" + mark());
    statement_end();
    for (std::uint64_t left = 1 + below(4); left > 0; --left) {
        if (chance(12))
            write_register();  // Refused everywhere.
        else if (plan_.names_in_blocks && chance(3))
            read_register_prepared();
        else
            read_register();
        statement_end();
    }
    client_->query((chance(4) ? "ROLLBACK" : "COMMIT") + mark());
}

void Wanderer::register_script() {
    const std::string id = some_register();
    std::string script = "SELECT '" + tok() + "', value FROM registers WHERE id = " + id;
    if (chance(2)) script += "; UPDATE registers SET value = '" + tok() + "' WHERE id = " + id;
    script += "; SELECT '" + tok() + "', value FROM registers WHERE id = " + id;
    client_->query(script);
}

void Wanderer::sneak() {
    client_->query("SELECT sneaky_write(" + some_register() + ", '" + tok() + "')");
}

}  // namespace pgweir::sim
