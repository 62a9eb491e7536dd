// SPDX-License-Identifier: PostgreSQL
// One client and one server with nothing but their sessions between them. A conversation is a list
// of who says what; what comes out on both sides must not depend on where the bytes are cut.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgweir/session/client_session.h"
#include "pgweir/session/server_session.h"
#include "support/told.h"

namespace pgweir::session {

using testing::Said;
using testing::Speaker;

struct Turn {
    Speaker who;
    Said bytes;
};

class Conversation {
 public:
    explicit Conversation(SessionRules rules = {},
                          StatementDirectory::HashFunction hash = statement_hash,
                          const ParameterSet& of_client = {}, const ParameterSet& of_server = {})
        : rules_(rules),
          statements_(std::uint64_t{1} << 24, 1, hash),
          client(ClientId{1}, rules_, statements_, parameters_, parameters_.intern(of_client)),
          server(ServerId{1}, facts(of_server), parameters_) {}

    void says(Speaker who, ByteView bytes) {
        if (who == Speaker::Client) {
            client_says(bytes);
        } else {
            server_says(bytes);
        }
    }
    void client_says(ByteView bytes) {
        if (is_over()) return;
        if (client.input().empty()) {
            const std::size_t used = pump(bytes, Source::Event);
            client.input().append(bytes.subspan(used));
        } else {
            client.input().append(bytes);
            pump_held();
        }
        collect();
    }
    void server_says(ByteView bytes) {
        ServerNews news = server.on_bytes(bytes, is_leased_ ? &client : nullptr, effects_);
        collect();
        queries += news.queries;
        transactions += news.transactions;
        if (news.definitions_changed) statements_.begin_epoch();
        if (violation.empty()) violation = news.violation;
        closes_client = closes_client || news.closes_client;
        if (news.refused_unit) {
            refused = news.refusal_sqlstate;
            client.take_back(server, Replay::From::Front);
            is_leased_ = false;
            return;
        }
        if (!violation.empty()) return;
        if (is_leased_ && server.is_ready()) {
            client.end_lease();
            is_leased_ = false;
        }
        if (!client.input().empty()) pump_held();
        collect();
    }
    // The client's server is lost.
    bool lose_server() {
        const bool can_go_on = client.server_lost(server, "app/u on n:1", effects_);
        collect();
        is_leased_ = false;
        return can_go_on;
    }
    // Another client uses the server meanwhile; returns what it hears.
    std::string lend_server_to(ClientSession& other, const Said& bytes, const Said& answer) {
        Bytes ours = std::exchange(to_client, {});
        other.begin_lease(server, effects_);
        const Step step = other.consume(bytes, Source::Event, &server, effects_);
        CHECK(step.consumed == bytes.size());
        collect();
        server.on_bytes(answer, &other, effects_);
        collect();
        REQUIRE(server.is_ready());
        other.end_lease();
        return testing::told(Speaker::Server, std::exchange(to_client, std::move(ours)));
    }

    std::string heard() { return testing::told(Speaker::Server, std::exchange(to_client, {})); }
    std::string asked() { return testing::told(Speaker::Client, std::exchange(to_server, {})); }
    bool is_leased() const { return is_leased_; }
    bool is_over() const { return refusal.has_value() || is_terminated; }

 private:
    ServerFacts facts(const ParameterSet& of_server) {
        return {.parameters = parameters_.intern(of_server),
                .process_id = 1,
                .cancel_secret = {},
                .has_key = false};
    }
    std::size_t pump(ByteView bytes, Source source) {
        std::size_t used = 0;
        for (;;) {
            Step step = client.consume(bytes.subspan(used), source, is_leased_ ? &server : nullptr,
                                       effects_);
            used += step.consumed;
            switch (step.need) {
                case Need::More:
                    return used;
                case Need::Lease:
                    client.wait();
                    is_leased_ = true;
                    client.begin_lease(server, effects_);
                    break;
                case Need::Own:
                    used += client.answer_own(bytes.subspan(used), own_answer,
                                              is_leased_ ? &server : nullptr, effects_);
                    break;
                case Need::Terminate:
                    is_terminated = true;
                    return used;
                case Need::Close:
                    refusal = std::move(*step.refusal);
                    return used;
            }
        }
    }
    void pump_held() {
        const std::size_t used = pump(client.input().view(), Source::Held);
        collect();
        client.input().consume(used);
    }
    void collect() {
        for (const Effect& effect : effects_.all()) {
            if (const auto* send = std::get_if<SendToClient>(&effect)) {
                to_client.insert(to_client.end(), send->bytes.begin(), send->bytes.end());
            } else if (const auto* ask = std::get_if<SendToServer>(&effect)) {
                to_server.insert(to_server.end(), ask->bytes.begin(), ask->bytes.end());
            }
        }
        effects_.clear();
    }

    SessionRules rules_;
    StatementDirectory statements_;
    ParameterDirectory parameters_;
    EffectList effects_;
    bool is_leased_ = false;

 public:
    ClientSession client;
    ServerSession server;
    Bytes to_client;
    Bytes to_server;
    std::uint32_t queries = 0;
    std::uint32_t transactions = 0;
    std::string violation;
    std::string refused;  // The SQLSTATE with which a standby refused a unit.
    std::optional<wire::Refusal> refusal;
    LocalAnswer own_answer{.tag = "SET"};  // To what is pgweir's own.
    bool is_terminated = false;
    bool closes_client = false;

    StatementDirectory& statements() { return statements_; }
    ParameterDirectory& parameters() { return parameters_; }
    EffectList& effects() { return effects_; }
    const SessionRules& rules() const { return rules_; }
};

// What came of a whole conversation.
struct Outcome {
    Bytes to_client;
    Bytes to_server;
    std::string violation;
    bool is_leased = false;
    bool is_over = false;
    std::size_t statements = 0;
    bool operator==(const Outcome&) const = default;
};

// `cut_turn` is said in two pieces, cut at `cut_at`.
inline Outcome run(const std::vector<Turn>& turns, const SessionRules& rules,
                   StatementDirectory::HashFunction hash, std::size_t cut_turn,
                   std::size_t cut_at) {
    Conversation talk(rules, hash);
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const ByteView bytes = turns[i].bytes;
        if (i == cut_turn) {
            // Memory of its own size, so that the address sanitizer sees a read behind its end.
            const Bytes head(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut_at));
            const Bytes tail(bytes.begin() + static_cast<std::ptrdiff_t>(cut_at), bytes.end());
            talk.says(turns[i].who, head);
            talk.says(turns[i].who, tail);
        } else {
            talk.says(turns[i].who, bytes);
        }
    }
    return {talk.to_client,   talk.to_server, talk.violation,
            talk.is_leased(), talk.is_over(), talk.client.statement_count()};
}

}  // namespace pgweir::session
