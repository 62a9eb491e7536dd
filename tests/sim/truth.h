// SPDX-License-Identifier: PostgreSQL
// What really happened, as the nodes saw it: the checkers compare with it what clients were told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/messages.h"
#include "sim/registers.h"
#include "sim/transcript.h"

namespace pgweir::sim {

struct ClientFacts {
    std::string database;
    std::string user;
    bool logged_in = false;
    std::uint64_t cancels_sent = 0;
    bool left = false;  // It went, or its connection was ended.
    // It says itself on which node it runs: by a direct connection, an alias, or a hint.
    bool chooses_node = false;
    bool may_be_cancelled() const { return cancels_sent > 0 || left; }
};

class Truth {
 public:
    explicit Truth(Transcript& transcript) : transcript_(transcript), clients_(1) {}

    // Clients are numbered from 1.
    std::uint32_t enroll(std::string database, std::string user) {
        ClientFacts facts;
        facts.database = std::move(database);
        facts.user = std::move(user);
        clients_.push_back(std::move(facts));
        return static_cast<std::uint32_t>(clients_.size() - 1);
    }
    ClientFacts& client(std::uint32_t number) {
        return clients_[number < clients_.size() ? number : 0];
    }

    // Whose connection a link is; 0 for nobody's.
    void set_link(std::uint32_t link, std::uint32_t number) {
        if (links_.size() <= link) links_.resize(link + 1, 0);
        links_[link] = number;
    }
    ClientFacts& client_behind(std::uint32_t link) {
        return client(link < links_.size() ? links_[link] : 0);
    }

    void executed(Token token) { ++executed_[token.key()]; }
    void committed(Token token, WalPlace place) {
        if (!committed_.try_emplace(token.key(), place).second) {
            transcript_.violation("I17: the write " + token_text(token) + " was committed twice");
        }
    }
    bool was_executed(Token token) const { return executed_.contains(token.key()); }
    bool was_committed(Token token) const { return committed_.contains(token.key()); }
    // Where in the log it was committed; 0 if it was not.
    WalPlace place_of(Token token) const {
        const auto found = committed_.find(token.key());
        return found == committed_.end() ? 0 : found->second;
    }
    // Somebody was told that what lies there is committed.
    void acknowledge(WalPlace place) { acknowledged_ = std::max(acknowledged_, place); }
    WalPlace acknowledged() const { return acknowledged_; }
    // The table of one database; it stays where it is.
    Registers& registers(const std::string& database) { return registers_[database]; }

 private:
    Transcript& transcript_;
    std::vector<ClientFacts> clients_;
    std::vector<std::uint32_t> links_;
    std::unordered_map<std::uint64_t, std::uint32_t> executed_;  // Only looked up, never walked.
    std::unordered_map<std::uint64_t, WalPlace> committed_;
    std::map<std::string, Registers> registers_;
    WalPlace acknowledged_ = 0;
};

}  // namespace pgweir::sim
