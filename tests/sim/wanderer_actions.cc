// SPDX-License-Identifier: PostgreSQL
// The things that a wanderer does. Every statement carries a token, be it in a comment.
#include "sim/wanderer.h"

namespace pgweir::sim {
namespace {

// Texts that clients share, so that prepared statements of several clients meet.
constexpr std::string_view kShared[] = {
    "SELECT $1::text",
    "SELECT $1::text, 'shared'",
    "SELECT $1::text, $2::text",
    "INSERT INTO t VALUES ($1)",
};

}  // namespace

void Wanderer::select() {
    if (chance(3)) {
        client_->query("SELECT '" + tok() + "', 'b' AS b");
    } else {
        client_->query("SELECT '" + tok() + "' FROM generate_series(1, " +
                       std::to_string(below(5)) + ")");
    }
}

void Wanderer::several_statements() {
    std::string script = "SELECT '" + tok() + "'; INSERT INTO t VALUES ('" + tok() + "')";
    if (chance(3)) script += "; SELECT '" + tok() + "'::int";
    if (plan_.transactions && chance(3)) script += "; BEGIN; SELECT '" + tok() + "'; COMMIT";
    if (chance(3)) script += "; SELECT '" + tok() + "';";
    client_->query(script);
}

void Wanderer::insert() {
    if (chance(2)) {
        client_->query("INSERT INTO t VALUES ('" + tok() + "')");
    } else {
        client_->parse("", "INSERT INTO t VALUES ($1)", {25}).bind("", "", {tok()}).execute("");
        client_->sync();
    }
}

void Wanderer::statement_end() {
    if (chance(2)) client_->flush();
}

void Wanderer::transaction() {
    client_->query("BEGIN" + mark());
    statement_end();
    for (std::uint64_t left = below(4); left > 0; --left) {
        switch (below(7)) {
            case 0:
                client_->query("SELECT '" + tok() + "'::int");
                break;
            case 1:
                client_->query("SAVEPOINT s" + mark());
                break;
            case 2:
                client_->query("ROLLBACK TO SAVEPOINT s" + mark());
                break;
            case 3:
                client_->query("SET LOCAL work_mem = '" + std::to_string(below(9)) + "MB'" +
                               mark());
                break;
            case 4:
                unnamed_extended();
                break;
            default:
                client_->query("INSERT INTO t VALUES ('" + tok() + "')");
                break;
        }
        statement_end();
    }
    if (plan_.settings && chance(4)) {
        client_->query("SET application_name TO 'in-" + tok() + "'");
    }
    client_->query((chance(3) ? "ROLLBACK" : "COMMIT") + mark());
}

void Wanderer::unnamed_extended() {
    const std::uint64_t which = below(3);
    const std::string statement = chance(4) ? "SELECT '" + tok() + "', $1" : "SELECT $1::text";
    client_->parse("", statement,
                   which == 0 ? std::vector<std::uint32_t>{}
                              : std::vector<std::uint32_t>{which == 1 ? 25U : 1043U});
    if (chance(2)) client_->describe('S', "");
    client_->bind("", "", {tok()});
    if (chance(2)) client_->describe('P', "");
    client_->execute("").sync();
}

void Wanderer::named_extended() {
    if (!prepared_.empty() && chance(8)) {
        client_->close_named('S', prepared_.back().name).sync();
        prepared_.pop_back();
        return;
    }
    if (prepared_.empty() || chance(3)) {
        const std::uint64_t which = below(std::size(kShared));
        Prepared made{"s" + std::to_string(++names_), which == 2 ? 2U : 1U, which == 3};
        std::string text(kShared[which]);
        if (chance(4)) text += " /* " + std::to_string(below(3)) + " */";
        client_->parse(made.name, text,
                       chance(2) ? std::vector<std::uint32_t>{}
                                 : std::vector<std::uint32_t>{chance(2) ? 25U : 1043U});
        if (chance(2)) client_->describe('S', made.name);
        if (chance(2)) client_->sync();
        prepared_.push_back(std::move(made));
        if (chance(10)) client_->parse(prepared_.back().name, "SELECT 'twice'");
    }
    const Prepared& chosen = prepared_[below(prepared_.size())];
    std::vector<std::string> arguments;
    for (std::uint32_t i = 0; i < chosen.arguments; ++i) arguments.push_back(tok());
    client_->bind("", chosen.name, arguments).execute("").sync();
}

// The unnamed statement outlives its batch: Parse and Sync, then Bind in another unit.
void Wanderer::parse_now_bind_later() {
    if (!bind_later_) {
        client_->parse("", "SELECT '" + tok() + "', $1").sync();
        bind_later_ = true;
        return;
    }
    bind_later_ = false;
    client_->bind("", "", {tok()}).execute("").sync();
}

void Wanderer::pipeline() {
    for (std::uint64_t left = 1 + below(plan_.depth_max); left > 0; --left) {
        switch (below(6)) {
            case 0:
                client_->bind("", "none" + std::to_string(below(9))).execute("").sync();
                break;
            case 1:
                insert();
                break;
            case 2:
                client_->query("SELECT '" + tok() + "'");
                break;
            case 3:
                named_extended();
                break;
            default:
                unnamed_extended();
                break;
        }
    }
}

void Wanderer::setting() {
    const std::string own = std::to_string(client_->number());
    if (!plan_.settings) return select();
    switch (below(plan_.forgets_all ? 10U : 8U)) {
        case 0:
        case 1:
            client_->query("SET application_name TO 'app-" + own + "'" + mark());
            break;
        case 2:
            client_->query("SET TimeZone = 'Etc/GMT+" + own + "'" + mark());
            break;
        case 3:
            client_->query("SET DateStyle = 'German'" + mark());
            break;
        case 4:
            client_->query("SELECT set_config('IntervalStyle', 'iso_8601', false)" + mark());
            break;
        case 5:
            client_->query("SET client_encoding TO 'LATIN1'" + mark());
            break;
        case 6:
            if (plan_.unreported_settings) {
                client_->query("SET search_path = 'path-" + own + "'" + mark());
            }
            break;
        case 8:
            client_->query("DISCARD ALL" + mark());
            prepared_.clear();
            reads_prepared_ = false;
            break;
        case 9:
            client_->query("RESET application_name" + mark());
            break;
        default:
            client_->query("SET TimeZone = 'nowhere'" + mark());
            break;
    }
    statement_end();
    constexpr std::string_view kShown[] = {"application_name", "TimeZone", "DateStyle",
                                           "IntervalStyle", "client_encoding"};
    client_->query("SHOW " + std::string(kShown[below(5)]) + mark());
    if (plan_.unreported_settings) client_->query("SHOW search_path" + mark());
}

void Wanderer::copy_out() {
    const std::string text = "COPY (SELECT '" + tok() + "' FROM generate_series(1, " +
                             std::to_string(1 + below(150)) + ")) TO STDOUT";
    if (chance(2)) {
        client_->query(text);
    } else {
        client_->parse("", text).bind("", "").execute("").sync();
    }
}

void Wanderer::copy_in() {
    if (chance(2)) {
        client_->query("COPY t FROM STDIN" + mark());
        copying_ = true;
        return;
    }
    // Nothing forbids to send the data at once.
    const std::string row = tok() + "\n";
    client_->query("COPY t FROM STDIN" + mark());
    for (std::uint64_t rows = below(20); rows > 0; --rows) client_->copy_data(row);
    client_->copy_done();
}

void Wanderer::call_function() {
    client_->function_call(tok(), "!");
}

void Wanderer::big_result() {
    client_->query("SELECT repeat('" + tok() + "', 40) FROM generate_series(1, " +
                   std::to_string(200 + below(1500)) + ")");
}

void Wanderer::sleep() {
    client_->query("SELECT pg_sleep(0.0" + std::to_string(1 + below(8)) + "), '" + tok() + "'");
}

void Wanderer::portal() {
    client_->parse("", "SELECT '" + tok() + "' FROM generate_series(1, 7)");
    client_->bind("p", "").describe('P', "p").execute("p", 3).execute("p", 3);
    if (chance(2)) client_->execute("p", 0);
    if (chance(2)) client_->close_named('P', "p");
    client_->sync();
}

void Wanderer::flushed_batch() {
    client_->parse("", "SELECT $1::text", {25}).describe('S', "").flush_message();
    open_batch_ = 1 + static_cast<std::uint32_t>(below(4));
}

void Wanderer::failing() {
    switch (below(5)) {
        case 0:
            client_->query("SELECT '" + tok() + "'::int");
            break;
        case 1:
            client_->query("SELECT current_setting('pgweir." + tok() + "')");
            break;
        case 2:
            client_->query("SELEKT '" + tok() + "'");
            break;
        case 3:
            client_->parse("", "SELECT 'a' 'b' 'c'" + mark()).bind("", "").execute("").sync();
            break;
        default:  // After the error everything is skipped up to Sync.
            client_->bind("", "nothing").execute("").query("SELECT '" + tok() + "'");
            client_->parse("", "SELECT 'x'").sync();
            break;
    }
}

void Wanderer::odds_and_ends() {
    switch (below(6)) {
        case 0:
            client_->query("");
            break;
        case 1:
            client_->sync().sync().sync();
            break;
        case 2:
            client_->query("DO $$BEGIN RAISE NOTICE '" + tok() + "'; END$$");
            break;
        case 3:  // Both run, and there is one ReadyForQuery.
            client_->parse("", "SELECT $1::text", {25}).bind("", "", {tok()}).execute("");
            client_->query("SELECT '" + tok() + "'");
            break;
        case 4:
            client_->describe('S', "missing" + std::to_string(below(3))).sync();
            break;
        default:
            client_->close_named('S', "never").close_named('P', "never").sync();
            break;
    }
}

}  // namespace pgweir::sim
