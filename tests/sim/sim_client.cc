// SPDX-License-Identifier: PostgreSQL
// The simulated client's connection, login and answers; its messages are in client_messages.cc.
#include "sim/sim_client.h"

#include <algorithm>
#include <utility>

namespace pgweir::sim {
namespace {

// What a client knows of the standby that it chose to speak to.
class SomeStandby final : public NodeData {
    bool is_in_recovery() const override { return true; }
    bool catalog_lies() const override { return false; }
    WalPlace snapshot() const override { return 0; }
    std::string read(std::uint32_t id, WalPlace) const override { return unknown_value(id); }
};
const SomeStandby kSomeStandby;

}  // namespace

// One CancelRequest over its own connection.
class SimClient::CancelErrand final : public Endpoint {
 public:
    CancelErrand(SimNetwork& network, Bytes packet)
        : network_(network), packet_(std::move(packet)) {}

    void opened(Socket socket) override { network_.write(socket, packet_); }
    void refused(Socket) override { is_over_ = true; }
    void received(Socket, ByteView) override {}
    void closed(Socket, std::string_view) override { is_over_ = true; }
    bool is_over() const { return is_over_; }

 private:
    SimNetwork& network_;
    Bytes packet_;
    bool is_over_ = false;
};

SimClient::SimClient(Parts parts, ClientOptions options)
    : parts_(parts),
      options_(std::move(options)),
      number_(parts.truth.enroll(options_.database, options_.user)) {
    parts.truth.client(number_).chooses_node = options_.chooses_node;
}

SimClient::~SimClient() = default;

void SimClient::connect() {
    state_ = State::Connecting;
    waits_since_ = parts_.agenda.now();
    socket_ = parts_.network.connect(*this, parts_.listener, parts_.weather);
    parts_.truth.set_link(socket_ >> 1, number_);
}

void SimClient::opened(Socket) {
    state_ = State::LoggingIn;
    if (options_.asks_for_tls) {
        awaits_tls_answer_ = true;
        transmit(special_packet(kSslRequest));
    } else {
        send_startup();
    }
}

void SimClient::send_startup() {
    Parameters parameters{{"user", options_.user}, {"database", options_.database}};
    parameters.insert(parameters.end(), options_.startup.begin(), options_.startup.end());
    transmit(startup_packet(options_.version, parameters));
}

void SimClient::transmit(ByteView bytes) {
    if (state_ == State::Over || bytes.empty()) return;
    if (vanish_after_ && *vanish_after_ < bytes.size()) {
        parts_.network.write(socket_, bytes.first(*vanish_after_));
        parts_.agenda.after(
            Duration::microseconds(static_cast<std::int64_t>(parts_.random.below(2000))), *this,
            Vanish);
        vanish_after_ = 0;
        unchecked_ = true;
        return;
    }
    if (vanish_after_) *vanish_after_ -= bytes.size();
    parts_.network.write(socket_, bytes);
}

void SimClient::on_time(std::uint32_t, std::uint64_t) {
    vanish();
}

void SimClient::refused(Socket) {
    finish("refused");
}

void SimClient::received(Socket, ByteView bytes) {
    if (state_ == State::Over) return;
    parts_.transcript.note("client.read", number_, socket_, bytes);
    input_.append(bytes);
    if (awaits_tls_answer_) {
        const auto answer = input_.take(1);
        if (!answer) return;
        awaits_tls_answer_ = false;
        if ((*answer)[0] != 'N') verdict("the answer to SSLRequest was not N");
        send_startup();
    }
    while (const auto frame = input_.next()) {
        if (state_ == State::Over) return;
        ++parts_.transcript.messages()[(static_cast<Byte>(frame->tag) & 0x7f) + 128U];
        take_frame(frame->tag, frame->body);
    }
    if (input_.broken()) verdict("client " + std::to_string(number_) + " was sent no protocol");
}

void SimClient::take_frame(char tag, ByteView body) {
    if (tag == 'E') {
        end_sqlstate_ = std::string(error_field(body, 'C'));
        end_message_ = std::string(error_field(body, 'M'));
    }
    if (options_.keeps_answers) keep(tag, body);
    if (unchecked_) return;
    if (state_ == State::LoggingIn) return read_login(tag, body);
    verdict(check_->received(tag, body));
    waits_since_ = check_->owes() ? parts_.agenda.now() : Instant::never();
    if (!check_->owes() || tag == 'G') wake_driver();
}

void SimClient::read_login(char tag, ByteView body) {
    if (tag == 'E') {
        if (!options_.tolerance.errors.contains(end_sqlstate_)) {
            verdict("I15: the login of client " + std::to_string(number_) +
                    " was refused: " + end_sqlstate_ + " " + end_message_);
        }
        return;
    }
    if (tag == 'R') {
        FieldCursor cursor{body};
        const std::uint32_t kind = cursor.u32();
        if (kind == 3) {
            Bytes answer;
            MessageWriter(answer, 'p').text(options_.password);
            transmit(answer);
        } else if (kind == 0) {
            authenticated_ = true;
            parts_.truth.client(number_).logged_in = true;
            check_ = std::make_unique<AnswerCheck>(parts_.truth, number_, options_.user,
                                                   options_.startup, options_.level,
                                                   options_.node == 0 ? nullptr : &kSomeStandby);
            check_->tolerance() = options_.tolerance;
        } else {
            verdict("authentication request " + std::to_string(kind) + " is not expected");
        }
        return;
    }
    if (tag == 'N' || tag == 'v') return;
    if (!authenticated_) return verdict(std::string("before AuthenticationOk came ") + tag);
    if (tag == 'K') {
        FieldCursor cursor{body};
        process_ = cursor.u32();
        key_.assign(cursor.rest.begin(), cursor.rest.end());
        return;
    }
    if (!options_.is_console) verdict(check_->received(tag, body));
    if (tag != 'Z') return;
    if (options_.is_console) unchecked_ = true;
    state_ = State::Ready;
    waits_since_ = Instant::never();
    wake_driver();
}

// The story's view of the answers.
void SimClient::keep(char tag, ByteView body) {
    FieldCursor cursor{body};
    switch (tag) {
        case 'D': {
            std::vector<std::string> row(cursor.u16());
            for (std::string& value : row) value = cursor.raw(cursor.u32());
            growing_.rows.push_back(std::move(row));
            break;
        }
        case 'C':
            growing_.tags.emplace_back(cursor.text());
            break;
        case 'N':
            notices_.emplace_back(error_field(body, 'M'));
            break;
        case 'E':
            if (!growing_.sqlstate.empty()) break;
            growing_.sqlstate = end_sqlstate_;
            growing_.message = end_message_;
            break;
        case 'Z':
            if (state_ == State::LoggingIn) break;
            growing_.status = static_cast<char>(cursor.u8());
            answers_.push_back(std::exchange(growing_, {}));
            break;
        default:
            break;
    }
}

void SimClient::closed(Socket, std::string_view reason) {
    finish(reason);
}

void SimClient::finish(std::string_view reason) {
    if (state_ == State::Over) return;
    parts_.transcript.note("client.closed", number_, socket_, as_bytes(reason));
    const bool checked = !unchecked_ && !terminated_;
    state_ = State::Over;
    parts_.truth.client(number_).left = true;
    waits_since_ = Instant::never();
    if (options_.keeps_answers) answers_.push_back(std::exchange(growing_, {}));
    if (checked && check_) {
        verdict(check_->closed());
    } else if (checked && end_sqlstate_.empty() && !options_.tolerance.may_close) {
        verdict("I15: the login of client " + std::to_string(number_) + " ended without a word (" +
                std::string(reason) + ")");
    }
    wake_driver();
}

void SimClient::verdict(std::string problem) {
    if (problem.empty()) return;
    unchecked_ = true;  // What follows would only repeat it.
    parts_.transcript.violation(std::move(problem));
}

void SimClient::wake_driver() {
    if (driver_ != nullptr) parts_.agenda.after({}, *driver_, driver_what_, number_);
}

bool SimClient::is_idle() const {
    return state_ == State::Ready && !check_->owes() && !check_->in_copy();
}

void SimClient::terminate() {
    if (state_ == State::Over) return;
    Bytes bye;
    MessageWriter(bye, 'X');
    unsent_.insert(unsent_.end(), bye.begin(), bye.end());
    terminated_ = true;
    flush();
    parts_.network.close(socket_, CloseHow::Flush);
    finish("terminated");
}

void SimClient::vanish() {
    if (state_ == State::Over) return;
    parts_.transcript.fault("client.vanish", number_);
    unchecked_ = true;
    if (state_ != State::Away) parts_.network.close(socket_, CloseHow::Abort);
    finish("vanished");
}

void SimClient::cancel() {
    if (process_ != 0 || !key_.empty()) cancel_with(process_, key_);
}

void SimClient::cancel_with(std::uint32_t process, ByteView key) {
    Bytes rest(4);
    store_u32(rest.data(), process);
    rest.insert(rest.end(), key.begin(), key.end());
    const bool own =
        process == process_ && std::equal(key.begin(), key.end(), key_.begin(), key_.end());
    if (own) {
        ++parts_.truth.client(number_).cancels_sent;
        tolerance().errors.insert("57014");
    }
    parts_.transcript.note("client.cancel", number_, process);
    errands_.push_back(
        std::make_unique<CancelErrand>(parts_.network, special_packet(kCancelRequest, rest)));
    parts_.network.connect(*errands_.back(), parts_.listener, parts_.weather);
}

bool SimClient::cancels_pending() const {
    return std::any_of(errands_.begin(), errands_.end(),
                       [](const auto& errand) { return !errand->is_over(); });
}

}  // namespace pgweir::sim
