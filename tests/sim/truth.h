// SPDX-License-Identifier: PostgreSQL
// What really happened, as the nodes saw it: the checkers compare with it what clients were told.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/messages.h"
#include "sim/transcript.h"

namespace pgweir::sim {

struct ClientFacts {
    std::string database;
    std::string user;
    bool logged_in = false;
    std::uint64_t cancels_sent = 0;
    bool left = false;  // It went, or its connection was ended.
    bool may_be_cancelled() const { return cancels_sent > 0 || left; }
};

class Truth {
 public:
    explicit Truth(Transcript& transcript) : transcript_(transcript), clients_(1) {}

    // Clients are numbered from 1.
    std::uint32_t enroll(std::string database, std::string user) {
        clients_.push_back({std::move(database), std::move(user), false, 0, false});
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
    void committed(Token token) {
        if (++committed_[token.key()] > 1) {
            transcript_.violation("I17: the write " + token_text(token) + " was committed twice");
        }
    }
    bool was_executed(Token token) const { return executed_.contains(token.key()); }
    bool was_committed(Token token) const { return committed_.contains(token.key()); }

 private:
    Transcript& transcript_;
    std::vector<ClientFacts> clients_;
    std::vector<std::uint32_t> links_;
    std::unordered_map<std::uint64_t, std::uint32_t> executed_;  // Only looked up, never walked.
    std::unordered_map<std::uint64_t, std::uint32_t> committed_;
};

}  // namespace pgweir::sim
