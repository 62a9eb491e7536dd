// SPDX-License-Identifier: PostgreSQL
// Words for scenarios: a world in which the reader follows two or three named clients.
#pragma once

#include <string>
#include <string_view>

#include "sim/world.h"

namespace pgweir::sim {

class Story {
 public:
    explicit Story(WorldOptions options) : world_(std::move(options)) {}

    World& world() { return world_; }
    SimPostgres& node() { return world_.node(); }

    // A client that has logged in, or has failed to.
    SimClient& client(std::string_view user, ClientOptions options = {}) {
        SimClient& made = arriving(user, std::move(options));
        world_.run_until([&] { return made.state() >= SimClient::State::Ready; },
                         Duration::seconds(200));
        return made;
    }
    // A client that is still on its way.
    SimClient& arriving(std::string_view user, ClientOptions options = {}) {
        options.user = std::string(user);
        options.keeps_answers = true;
        SimClient& made = world_.add_client(std::move(options));
        made.connect();
        return made;
    }
    // One simple query and its answer.
    Answer ask(SimClient& client, std::string_view sql) {
        const std::size_t before = client.answers().size();
        client.query(sql).flush();
        return answer(client, before);
    }
    // What was sent so far is answered; the last answer.
    Answer answer(SimClient& client) {
        world_.run_until([&] { return client.is_idle() || client.is_over(); },
                         Duration::seconds(200));
        return client.answers().empty() ? Answer{} : client.answers().back();
    }
    void pass(Duration time) { world_.run_for(time); }
    // Empty if every checker is content.
    std::string complaints() {
        std::string all;
        for (const std::string& one : world_.transcript().violations()) all += one + "\n";
        if (!all.empty()) all += world_.transcript().last_lines(60);
        return all;
    }

 private:
    Answer answer(SimClient& client, std::size_t before) {
        world_.run_until([&] { return client.answers().size() > before || client.is_over(); },
                         Duration::seconds(200));
        return client.answers().size() > before ? client.answers().back() : Answer{};
    }

    World world_;
};

}  // namespace pgweir::sim
