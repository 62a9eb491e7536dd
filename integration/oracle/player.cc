// SPDX-License-Identifier: PostgreSQL
#include "player.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "answer_words.h"
#include "connection.h"
#include "raw_client.h"

namespace pgweir::integration::oracle {
namespace {

// More than this is not sent byte by byte.
constexpr std::size_t kBytewiseMax = 3000;
// An answer that nobody asked for would be there by then; usually none is, and no time is lost to
// find more.
constexpr std::chrono::milliseconds kNothing{20};

class Player {
 public:
    Player(const Conversation& conversation, const Listener& listener)
        : conversation_(conversation), listener_(listener) {}

    Transcript play() {
        try {
            for (const Step& step : conversation_.steps) take(step);
        } catch (const HarnessError& problem) {
            // It waits for what never comes: a difference like any other.
            const std::string text = problem.what();
            lines_.push_back("stuck: " + text.substr(0, text.find(';')));
        }
        return lines_;
    }

 private:
    struct Client {
        std::unique_ptr<RawClient> socket;
        std::string unsent;
        bool ends_unit = true;  // The last message sent is one that ReadyForQuery answers.
        bool is_idle = true;    // The last one heard is ReadyForQuery, outside a transaction.
        bool has_ended = false;
    };

    Client& client(char name) {
        Client& client = clients_[name];
        if (client.socket) return client;
        client.socket = std::make_unique<RawClient>(listener_.target);
        if (!conversation_.is_bare) client.socket->login(conversation_.login);
        return client;
    }

    void take(const Step& step) {
        Client& speaker = client(step.client);
        switch (step.kind) {
            case Step::Kind::Say:
                speaker.unsent += step.bytes;
                speaker.ends_unit =
                    step.last_type == 'Q' || step.last_type == 'S' || step.last_type == 'F';
                return;
            case Step::Kind::Hear:
                send(speaker);
                for (const auto& type : step.awaits) hear(step.client, speaker, type);
                return;
            case Step::Kind::Act:
                send(speaker);
                return act(step, speaker);
        }
    }

    void send(Client& client) {
        if (client.unsent.empty()) return;
        if (client.is_idle && listener_.before_unit && !conversation_.has_two_clients() &&
            !conversation_.is_bare) {
            listener_.before_unit();
        }
        if (listener_.is_bytewise && client.unsent.size() <= kBytewiseMax) {
            client.socket->send_bytewise(client.unsent);
        } else {
            client.socket->send(client.unsent);
        }
        client.unsent.clear();
        client.is_idle = false;
    }

    void hear(char name, Client& client, const std::string& what) {
        if (what == "nothing") {
            if (client.socket->has_something(kNothing)) return;
            return note(name, "nothing");
        }
        if (what == "byte") {
            return note(name, std::string("byte ") + client.socket->read_byte());
        }
        while (!client.has_ended) {
            const auto message = client.socket->read();
            if (!message) {
                client.has_ended = true;
                return note(name, "closed");
            }
            note(name, line_of(*message));
            client.is_idle = message->type == 'Z' && message->body == "I" && client.ends_unit;
            if (what.size() == 1 && message->type == what[0]) return;
        }
    }

    void act(const Step& step, Client& client) {
        if (step.action == "close") return client.socket->close();
        if (step.action == "reset") return client.socket->close(RawClient::End::Reset);
        if (step.action == "shut") return client.socket->shut_down_sending();
        if (step.action == "wait locked") return wait_for("wait_event_type = 'Lock'");
        if (step.action == "wait asleep") return wait_for("wait_event = 'PgSleep'");
        if (step.action == "cancel") {
            RawClient messenger(listener_.target);
            messenger.send(cancel_request(client.socket->process(), client.socket->key()));
            messenger.read_to_end();
            return;
        }
        throw HarnessError("no such action: " + step.action);
    }

    // Which server a client has is not told in every mode; one waiting server is enough.
    void wait_for(const std::string& condition) {
        std::vector<Connection> observers;
        for (const Target& target : listener_.observers) observers.emplace_back(target);
        const std::string question = "select count(*) from pg_stat_activity where " + condition;
        wait_until(condition, [&] {
            return std::any_of(observers.begin(), observers.end(), [&](Connection& observer) {
                return observer.value(question) != "0";
            });
        });
    }

    void note(char name, const std::string& line) {
        lines_.push_back(conversation_.has_two_clients() ? std::string(1, name) + " " + line
                                                         : line);
    }

    const Conversation& conversation_;
    const Listener& listener_;
    std::map<char, Client> clients_;
    Transcript lines_;
};

// Rule "login order": the parameters of a login come in no order that matters.
void sort_login_parameters(Transcript& lines) {
    auto is_parameter = [](const std::string& line) { return line.starts_with("S "); };
    const auto begin = std::find(lines.begin(), lines.end(), "R 0");
    if (begin == lines.end()) return;
    const auto end = std::find_if_not(begin + 1, lines.end(), is_parameter);
    std::sort(begin + 1, end);
}

}  // namespace

Transcript play(const Conversation& conversation, const Listener& listener) {
    Transcript lines = Player(conversation, listener).play();
    if (conversation.is_bare) sort_login_parameters(lines);
    return lines;
}

}  // namespace pgweir::integration::oracle
