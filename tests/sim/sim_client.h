// SPDX-License-Identifier: PostgreSQL
// A simulated client: connects, logs in, sends what it is told to send, and checks every answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/base/random.h"
#include "sim/agenda.h"
#include "sim/answer_check.h"
#include "sim/sim_network.h"
#include "sim/transcript.h"
#include "sim/truth.h"

namespace pgweir::sim {

struct ClientOptions {
    std::string database = "app";
    std::string user = "alice";
    std::string password;
    Parameters startup;  // Beyond user and database.
    std::uint32_t version = kProtocol3;
    bool asks_for_tls = false;
    bool keeps_answers = false;           // For stories; the swarm only checks.
    bool is_console = false;              // Answers come from pgweir itself: no model knows them.
    ReadLevel level = ReadLevel::Strong;  // What it may rely on in reads of registers.
    std::uint32_t node = 0;               // Of a direct connection: to which node.
    // It says itself on which node it runs; nobody is to blame for a write on a standby.
    bool chooses_node = false;
    Tolerance tolerance;
};

// One answered request, as a story reads it.
struct Answer {
    std::vector<std::vector<std::string>> rows;
    std::vector<std::string> tags;
    std::string sqlstate;  // Of the first error.
    std::string message;
    char status = 0;  // Of ReadyForQuery; 0 if the connection ended.

    std::string value() const { return rows.empty() ? std::string{} : rows.front().front(); }
};

class SimClient final : public Endpoint, public Actor {
 public:
    struct Parts {
        Agenda& agenda;
        Random& random;
        SimNetwork& network;
        Transcript& transcript;
        Truth& truth;
        Listener& listener;
        LinkWeather weather;
    };
    SimClient(Parts parts, ClientOptions options);
    ~SimClient() override;

    enum class State : std::uint8_t { Away, Connecting, LoggingIn, Ready, Over };

    void connect();
    // Somebody to wake when an answer is complete, a frame was flushed, or the connection ended.
    void set_driver(Actor* driver, std::uint32_t what) {
        driver_ = driver;
        driver_what_ = what;
    }

    // Messages; they are sent at flush().
    SimClient& query(std::string_view sql);
    SimClient& parse(std::string_view name, std::string_view sql,
                     const std::vector<std::uint32_t>& types = {});
    SimClient& bind(std::string_view portal, std::string_view statement,
                    const std::vector<std::string>& arguments = {});
    SimClient& describe(char kind, std::string_view name);
    SimClient& execute(std::string_view portal, std::uint32_t most_rows = 0);
    SimClient& close_named(char kind, std::string_view name);
    SimClient& sync();
    SimClient& flush_message();
    SimClient& function_call(std::string_view first, std::string_view second);
    SimClient& copy_data(std::string_view row);
    SimClient& copy_done();
    SimClient& copy_fail(std::string_view why);
    SimClient& raw(ByteView bytes);  // Unchecked: what follows is not compared any more.
    void flush();

    void terminate();
    void vanish();  // At once, without a word.
    // The connection is cut when this many more bytes have been sent.
    void vanish_after(std::size_t bytes) { vanish_after_ = bytes; }
    void cancel();
    void cancel_with(std::uint32_t process, ByteView key);
    void stop_reading() { parts_.network.pause(socket_); }
    void read_on() { parts_.network.resume(socket_); }

    Token next_token() { return {number_, ++requests_}; }
    std::string token() { return token_text(next_token()); }
    std::uint32_t number() const { return number_; }
    const ClientOptions& options() const { return options_; }
    State state() const { return state_; }
    bool is_over() const { return state_ == State::Over; }
    // Ready, and nobody owes it anything.
    bool is_idle() const;
    bool owes_answers() const { return check_ && check_->owes(); }
    AnswerCheck* check() { return check_.get(); }
    Tolerance& tolerance() { return check_ ? check_->tolerance() : options_.tolerance; }
    Socket socket() const { return socket_; }
    const std::string& end_sqlstate() const { return end_sqlstate_; }
    const std::string& end_message() const { return end_message_; }
    Instant waits_since() const { return waits_since_; }
    bool cancels_pending() const;
    std::vector<Answer>& answers() { return answers_; }
    std::vector<std::string>& notices() { return notices_; }
    std::uint32_t process() const { return process_; }

    void opened(Socket socket) override;
    void refused(Socket socket) override;
    void received(Socket socket, ByteView bytes) override;
    void closed(Socket socket, std::string_view reason) override;
    void on_time(std::uint32_t what, std::uint64_t detail) override;

 private:
    class CancelErrand;
    enum What : std::uint32_t { Vanish };

    SimClient& add(char tag, const Bytes& body);
    void transmit(ByteView bytes);
    void send_startup();
    void read_login(char tag, ByteView body);
    void take_frame(char tag, ByteView body);
    void keep(char tag, ByteView body);
    void verdict(std::string problem);
    void finish(std::string_view reason);
    void wake_driver();

    Parts parts_;
    ClientOptions options_;
    std::uint32_t number_;
    std::uint32_t requests_ = 0;
    State state_ = State::Away;
    Socket socket_ = kNoSocket;
    FrameCutter input_;
    Bytes unsent_;
    std::unique_ptr<AnswerCheck> check_;
    std::optional<std::size_t> vanish_after_;
    bool awaits_tls_answer_ = false;
    bool authenticated_ = false;
    bool unchecked_ = false;
    bool terminated_ = false;
    std::uint32_t process_ = 0;
    Bytes key_;
    std::string end_sqlstate_;
    std::string end_message_;
    Instant waits_since_ = Instant::never();
    Actor* driver_ = nullptr;
    std::uint32_t driver_what_ = 0;
    std::vector<std::unique_ptr<CancelErrand>> errands_;
    std::vector<Answer> answers_;
    std::vector<std::string> notices_;
    Answer growing_;
};

}  // namespace pgweir::sim
