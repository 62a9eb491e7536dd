// SPDX-License-Identifier: PostgreSQL
// One server process of the simulated node.
#include <utility>

#include "sim/pg_session.h"
#include "sim/sim_postgres.h"

namespace pgweir::sim {
namespace {

constexpr std::size_t kFlushAbove = 8 * 1024;

Duration up_to(Random& random, Duration most) {
    return Duration::microseconds(
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most.us) + 1)));
}

}  // namespace

SimBackend::SimBackend(SimPostgres& node, Socket socket) : node_(node), socket_(socket) {}
SimBackend::~SimBackend() = default;

void SimBackend::received(Socket, ByteView bytes) {
    if (phase_ == Phase::Gone) return;
    input_.append(bytes);
    if (phase_ == Phase::Startup) return read_startup();
    if (phase_ == Phase::Password) return read_password();
    plan_work();
}

void SimBackend::plan_work() {
    if (planned_ || phase_ == Phase::Gone) return;
    planned_ = true;
    node_.parts_.agenda.after(up_to(node_.parts_.random, node_.options_.think_max), *this, Work);
}

void SimBackend::read_startup() {
    while (phase_ == Phase::Startup) {
        const ByteView seen = input_.unread();
        if (seen.size() < 8) return;
        const std::uint32_t length = load_u32(seen.data());
        const std::uint32_t code = load_u32(seen.data() + 4);
        if (length < 8 || length > 10000) return vanish();
        const auto packet = input_.take(length);
        if (!packet) return;
        if (code == kSslRequest || code == kGssRequest) {
            out_.push_back('N');
            flush();
        } else if (code == kCancelRequest) {
            if (packet->size() < 16) return vanish();
            process_ = load_u32(packet->data() + 8);
            secret_ = load_u32(packet->data() + 12);
            node_.parts_.transcript.note("pg.cancel", process_, socket_);
            // The signal is sent some time before the connection is closed.
            node_.parts_.agenda.after(up_to(node_.parts_.random, Duration::milliseconds(2)), *this,
                                      Cancelled);
            phase_ = Phase::LoggingIn;
        } else {
            start_session(packet->subspan(8));
        }
    }
}

void SimBackend::start_session(ByteView packet) {
    FieldCursor cursor{packet};
    while (cursor.ok) {
        std::string name(cursor.text());
        if (name.empty()) break;
        std::string value(cursor.text());
        if (name == "database") database_ = value;
        if (name == "user") user_ = value;
        startup_.emplace_back(std::move(name), std::move(value));
    }
    if (database_.empty()) database_ = user_;
    if (node_.state_ == SimPostgres::State::Starting) {
        node_.parts_.transcript.fault("node.starting_up", socket_);
        return refuse("57P03", "the database system is starting up");
    }
    if (node_.sessions() >= node_.options_.max_connections) {
        node_.parts_.transcript.fault("node.too_many", socket_);
        return refuse("53300", "sorry, too many clients already");
    }
    process_ = node_.next_process_++;
    secret_ = static_cast<std::uint32_t>(node_.parts_.random.next());
    node_.by_process_[process_] = this;
    counts_ = true;
    const auto role = node_.options_.roles.find(user_);
    if (role != node_.options_.roles.end() && role->second.password.empty()) return admit();
    MessageWriter(out_, 'R').u32(3);
    flush();
    phase_ = Phase::Password;
    read_password();
}

void SimBackend::read_password() {
    const auto frame = input_.next();
    if (!frame) {
        if (input_.broken()) vanish();
        return;
    }
    const auto role = node_.options_.roles.find(user_);
    FieldCursor cursor{frame->body};
    if (frame->tag != 'p' || role == node_.options_.roles.end() ||
        cursor.text() != role->second.password) {
        return refuse("28P01", "password authentication failed for user \"" + user_ + "\"");
    }
    admit();
}

void SimBackend::admit() {
    phase_ = Phase::LoggingIn;
    node_.parts_.agenda.after(up_to(node_.parts_.random, node_.options_.login_max), *this,
                              LoggedIn);
}

void SimBackend::logged_in() {
    if (phase_ != Phase::LoggingIn) return;
    if (!node_.options_.roles.at(user_).may_login) {
        return refuse("28000", "role \"" + user_ + "\" is not permitted to log in");
    }
    if (!node_.options_.databases.contains(database_)) {
        return refuse("3D000", "database \"" + database_ + "\" does not exist");
    }
    registers_ = &node_.parts_.truth.registers(database_);
    session_ = std::make_unique<PgSession>(user_, startup_, static_cast<const NodeData*>(this));
    if (!session_->healthy()) return refuse(session_->start_problem(), "invalid startup parameter");
    phase_ = Phase::Ready;
    MessageWriter(out_, 'R').u32(0);
    Bytes key(4);
    store_u32(key.data(), secret_);
    session_->greet(out_, process_, key);
    flush();
    plan_work();
}

void SimBackend::on_time(std::uint32_t what, std::uint64_t detail) {
    switch (static_cast<What>(what)) {
        case Work:
            planned_ = false;
            return work();
        case Wake:
            if (!asleep_ || detail != sleep_generation_) return;
            asleep_ = false;
            session_->wake();
            return work();
        case LoggedIn:
            return logged_in();
        case Cancelled:
            node_.signal(process_, secret_);
            node_.parts_.agenda.after(up_to(node_.parts_.random, Duration::milliseconds(2)), *this,
                                      EndCancel);
            return;
        case EndCancel:
            node_.parts_.network.close(socket_, CloseHow::Flush);
            phase_ = Phase::Gone;
            return;
        case Released:
            node_.by_process_.erase(process_);
            counts_ = false;
            return;
    }
}

void SimBackend::work() {
    if (phase_ != Phase::Ready || node_.frozen_ || asleep_ || stalled_) return;
    for (;;) {
        if (!session_->busy() && !take_next()) break;
        if (!run()) return;
        // Other things may happen between two messages.
        if (node_.parts_.random.one_in(8)) return plan_work();
    }
    if (input_.broken()) die("08P01", "invalid message length");
}

bool SimBackend::take_next() {
    const auto frame = input_.next();
    if (!frame) return false;
    ++node_.parts_.transcript.messages()[static_cast<Byte>(frame->tag) & 0x7f];
    note_owner(frame->body);
    session_->take(frame->tag, frame->body);
    running_tag_ = frame->tag;
    const std::string_view text = as_text(frame->body);
    is_restoring_ = frame->tag == 'Q' && text.starts_with("SELECT pg_catalog.set_config(");
    if (cancel_pending_ && session_->in_copy()) {
        session_->fail(out_, "57014", "canceling statement due to user request");
        flush();
    }
    cancel_pending_ = false;
    return true;
}

// Tokens say whose request this is: a unit that is open belongs to one client.
void SimBackend::note_owner(ByteView body) {
    const auto token = find_token(body);
    if (!token) return;
    Transcript& transcript = node_.parts_.transcript;
    ClientFacts& facts = node_.parts_.truth.client(token->client);
    const std::string story = "request " + token_text(*token) + " reached server process " +
                              std::to_string(process_) + " of " + database_ + "/" + user_;
    if (owner_is_open_ && owner_ != token->client) {
        transcript.violation("I2: " + story + " while the unit of client " +
                             std::to_string(owner_) + " was open");
    }
    if (!facts.logged_in) {
        transcript.violation("I7: " + story + " before its client was authenticated");
    } else if (facts.user != user_ || facts.database != database_) {
        transcript.violation("I7: " + story + ", its client is " + facts.database + "/" +
                             facts.user);
    }
    owner_ = token->client;
    owner_is_open_ = true;
    running_ = *token;
}

bool SimBackend::run() {
    while (session_->busy()) {
        const PgSession::Progress progress = session_->step(out_);
        collect_deeds();
        if (progress == PgSession::Progress::Closed) {
            flush();
            node_.parts_.network.close(socket_, CloseHow::Flush);
            vanish();
            return false;
        }
        if (progress == PgSession::Progress::Asleep) {
            asleep_ = true;
            node_.parts_.agenda.after(session_->sleep_time(), *this, Wake, ++sleep_generation_);
            return false;
        }
        if (out_.size() > kFlushAbove) flush();
        if (progress == PgSession::Progress::Done) break;
        if (stalled_) return false;
        if (node_.parts_.random.one_in(4)) {
            plan_work();
            return false;
        }
    }
    if (running_tag_ == 'Q' || running_tag_ == 'S' || running_tag_ == 'H' || running_tag_ == 'F' ||
        running_tag_ == 'c' || running_tag_ == 'f' || session_->skipping()) {
        if (node_.options_.notice_one_in != 0 &&
            node_.parts_.random.one_in(node_.options_.notice_one_in)) {
            flush();
            say_notice();
        }
        flush();
    }
    if (!session_->unit_open()) owner_is_open_ = false;
    return true;
}

void SimBackend::collect_deeds() {
    const Deeds deeds = session_->take_deeds();
    Truth& truth = node_.parts_.truth;
    for (const Token& token : deeds.executed) truth.executed(token);
    if (!deeds.committed.empty()) commit(deeds.committed);
    // A catalog that lies makes a function that writes look like a read.
    if (!deeds.misplaced || node_.options_.catalog_lies) return;
    if (truth.client(owner_).chooses_node || truth.client_behind(socket_ >> 1).chooses_node) return;
    node_.parts_.transcript.violation("I25: the write " + token_text(running_) +
                                      " was sent to the standby " + node_.name());
}

// All writes of a transaction become visible at one place.
void SimBackend::commit(const std::vector<Write>& writes) {
    if (node_.is_deposed()) {
        // Nobody will ever see it, and so nobody may be told of it.
        node_.parts_.transcript.note("pg.dead_commit", process_, socket_);
        return;
    }
    if (!node_.is_standby()) node_.check_first_writes(writes.front().token);
    const WalPlace place = node_.parts_.replication.append();
    for (const Write& write : writes) {
        if (write.token.client != 0) node_.parts_.truth.committed(write.token, place);
        if (write.id != kNoRegister) registers_->write(place, write);
    }
    if (node_.is_standby()) {
        node_.parts_.transcript.violation("I25: the write " + token_text(writes.front().token) +
                                          " was committed on the standby " + node_.name());
    }
}

void SimBackend::flush() {
    if (out_.empty()) return;
    node_.parts_.transcript.note("pg.write", process_, socket_, out_);
    node_.parts_.network.write(socket_, out_);
    out_.clear();
    answered_until_ = node_.parts_.network.written(socket_);
}

// Out of the blue: it is no part of an answer.
void SimBackend::say_notice() {
    const std::uint64_t answered = answered_until_;
    write_error(out_, 'N', "NOTICE", "00000", "a word from the server");
    flush();
    notice_from_ = answered;
    notice_until_ = std::exchange(answered_until_, answered);
}

// Half of a notice was read.
bool SimBackend::is_in_notice() const {
    const std::uint64_t read = node_.parts_.network.delivered(socket_);
    return read > notice_from_ && read < notice_until_;
}

bool SimBackend::is_quiet() const {
    const SimNetwork& network = node_.parts_.network;
    return phase_ == Phase::Ready && !session_->busy() && !session_->unit_open() &&
           input_.empty() && network.in_flight(other_end(socket_)) == 0 && out_.empty() &&
           network.delivered(socket_) >= answered_until_ && !is_in_notice();
}

void SimBackend::cancel_now() {
    if (phase_ != Phase::Ready) return;
    if (session_->in_copy() && !session_->busy()) {
        cancel_pending_ = true;
        return;
    }
    if (!session_->busy() || session_->is_finishing()) return;  // An idle session ignores it.
    Transcript& transcript = node_.parts_.transcript;
    transcript.fault("cancel.hit", process_, running_.client);
    if (running_.client != 0 && !node_.parts_.truth.client(running_.client).may_be_cancelled()) {
        transcript.violation("I12: request " + token_text(running_) +
                             " was cancelled, and its client never asked for that");
    }
    if (is_restoring_) {
        transcript.violation("I12: a cancel request hit the restoration of settings");
    }
    end_statement("57014", "canceling statement due to user request");
}

void SimBackend::end_statement(std::string_view sqlstate, std::string_view message) {
    asleep_ = false;
    session_->fail(out_, sqlstate, message);
    collect_deeds();
    flush();
    if (!session_->unit_open()) owner_is_open_ = false;
    plan_work();
}

bool SimBackend::in_block() const {
    return phase_ == Phase::Ready && session_->in_block();
}

// ProcessInterrupts() of PostgreSQL: a statement is cancelled; who only keeps a snapshot goes.
bool SimBackend::conflict_now() {
    if (phase_ != Phase::Ready || session_->is_finishing()) return false;
    Transcript& transcript = node_.parts_.transcript;
    if (session_->busy()) {
        transcript.fault("conflict.statement", process_, running_.client);
        end_statement("40001", "canceling statement due to conflict with recovery");
        return true;
    }
    if (!session_->in_block() || session_->in_copy()) return false;
    transcript.fault("conflict.session", process_, owner_);
    die("40001", "terminating connection due to conflict with recovery");
    return true;
}

void SimBackend::refuse(std::string_view sqlstate, std::string_view message) {
    write_error(out_, 'E', "FATAL", sqlstate, message);
    flush();
    node_.parts_.network.close(socket_, CloseHow::Flush);
    vanish();
}

void SimBackend::die(std::string_view sqlstate, std::string_view message) {
    out_.clear();  // What was not sent yet is lost with the process.
    refuse(sqlstate, message);
}

void SimBackend::vanish() {
    if (phase_ == Phase::Gone) return;
    phase_ = Phase::Gone;
    asleep_ = false;
    node_.parts_.network.close(socket_, CloseHow::Flush);
    if (process_ == 0 || !counts_) return;
    // The process needs a moment to go; until then it counts towards max_connections.
    node_.parts_.agenda.after(up_to(node_.parts_.random, Duration::milliseconds(1)), *this,
                              Released);
}

void SimBackend::closed(Socket, std::string_view) {
    vanish();
}

void SimBackend::blocked(Socket) {
    stalled_ = true;
}

void SimBackend::drained(Socket) {
    stalled_ = false;
    plan_work();
}

void SimBackend::say_something() {
    switch (node_.parts_.random.below(4)) {
        case 0:
            MessageWriter(out_, 'Z').u8('I');
            break;
        case 1:
            MessageWriter(out_, 'D').u16(0);
            break;
        case 2:
            MessageWriter(out_, '~').u32(7);
            break;
        default:
            write_error(out_, 'E', "ERROR", "XX000", "out of the blue");
            break;
    }
    // A request that crosses it could not tell it from its answer.
    const Bytes said = std::exchange(out_, {});
    node_.parts_.transcript.note("pg.babble", process_, socket_, said);
    node_.parts_.network.write_at_once(socket_, said);
}

}  // namespace pgweir::sim
