// SPDX-License-Identifier: PostgreSQL
// When a wanderer acts; what it does is in wanderer_actions.cc.
#include "sim/wanderer.h"

namespace pgweir::sim {

Wanderer::Wanderer(World& world, WandererPlan plan)
    : world_(world), plan_(std::move(plan)), sessions_left_(plan_.sessions) {}

void Wanderer::start(Duration after) {
    plan(after);
}

void Wanderer::plan(Duration after) {
    waiting_ = false;
    world_.agenda().after(after, *this, Go, ++generation_);
}

void Wanderer::on_time(std::uint32_t what, std::uint64_t detail) {
    switch (static_cast<What>(what)) {
        case Go:
            if (detail == generation_) go();
            return;
        case Told:
            if (client_ == nullptr || detail != client_->number() || done_) return;
            if (waiting_) plan(Duration::microseconds(static_cast<std::int64_t>(below(20))));
            return;
        case ReadOn:
            if (client_ != nullptr && !client_->is_over()) client_->read_on();
            return;
    }
}

void Wanderer::begin_session() {
    if (sessions_left_ == 0) {
        done_ = true;
        return;
    }
    --sessions_left_;
    actions_left_ = 1 + static_cast<std::uint32_t>(below(plan_.actions));
    prepared_.clear();
    names_ = 0;
    open_batch_ = 0;
    bind_later_ = copying_ = reads_prepared_ = false;
    client_ = &world_.add_client(plan_.client);
    client_->set_driver(this, Told);
    if (plan_.vanishes && !healed_ && chance(3)) client_->vanish_after(below(1500));
    client_->connect();
    waiting_ = true;
}

void Wanderer::go() {
    if (client_ == nullptr || client_->is_over()) {
        // What was committed must not have been called failed.
        return begin_session();
    }
    if (client_->state() != SimClient::State::Ready) {
        waiting_ = true;
        return;
    }
    if (go_on()) return;
    if (actions_left_ == 0) return end_session();
    --actions_left_;
    act();
    client_->flush();
    if (client_->is_over()) return plan({});
    if (open_batch_ == 0 && !copying_ && chance(plan_.pipeline_one_in)) {
        return plan(Duration::microseconds(static_cast<std::int64_t>(below(200))));
    }
    waiting_ = client_->owes_answers();
    if (!waiting_) {
        plan(Duration::microseconds(
            static_cast<std::int64_t>(below(static_cast<std::uint64_t>(plan_.pause_max.us) + 1))));
    }
}

// Goes on when what is owed has come; at once if nothing is (after an error).
void Wanderer::await() {
    waiting_ = client_->owes_answers();
    if (!waiting_) plan(Duration::microseconds(static_cast<std::int64_t>(1 + below(50))));
}

// Something that was begun and needs an answer before its next part.
bool Wanderer::go_on() {
    if (!copying_ && open_batch_ == 0) return false;
    if (client_->owes_answers()) {
        waiting_ = true;
        return true;
    }
    if (copying_) {
        copying_ = false;
        if (!client_->check()->in_copy()) return false;  // It was refused.
        const std::string row = tok() + "\n";
        for (std::uint64_t rows = below(40); rows > 0; --rows) client_->copy_data(row);
        if (chance(6))
            client_->copy_fail("on purpose");
        else
            client_->copy_done();
    } else if (--open_batch_ == 0) {
        client_->sync();
    } else {
        client_->bind("", "", {tok()}).execute("").flush_message();
    }
    client_->flush();
    await();
    return true;
}

void Wanderer::end_session() {
    if (client_->owes_answers()) {
        waiting_ = true;
        return;
    }
    if (client_->check()->status() != 'I' && chance(2)) {
        client_->query("ROLLBACK" + mark()).flush();
        return await();
    }
    if (plan_.vanishes && !healed_ && chance(4))
        client_->vanish();
    else
        client_->terminate();
    plan(Duration::microseconds(static_cast<std::int64_t>(below(3000))));
}

void Wanderer::heal() {
    healed_ = true;
    plan_.vanishes = plan_.is_hostile = plan_.stops_reading = false;
    sessions_left_ = 0;
    if (done_) return;
    if (client_ == nullptr) {
        done_ = true;
        return;
    }
    actions_left_ = std::min<std::uint32_t>(actions_left_, 3);
    if (!client_->is_over()) client_->read_on();
    if (!waiting_) plan({});
}

void Wanderer::act() {
    if (plan_.is_hostile && chance(5)) return misbehave();
    if (plan_.stops_reading && chance(6)) {
        world_.transcript().fault("client.stops_reading", client_->number());
        client_->stop_reading();
        world_.agenda().after(Duration::milliseconds(static_cast<std::int64_t>(below(4000))), *this,
                              ReadOn);
        return big_result();
    }
    if (plan_.cancels && chance(6)) {
        sleep();
        client_->flush();
        client_->cancel();
        return;
    }
    if (bind_later_) return parse_now_bind_later();
    if (plan_.registers && !chance(3)) return registers();
    switch (below(24)) {
        case 0:
        case 1:
        case 2:
            return select();
        case 3:
            return several_statements();
        case 4:
        case 5:
            return insert();
        case 6:
        case 7:
        case 8:
            return plan_.transactions ? transaction() : select();
        case 9:
        case 10:
            return unnamed_extended();
        case 11:
        case 12:
        case 13:
            return named_extended();
        case 14:
            return parse_now_bind_later();
        case 15:
            return pipeline();
        case 16:
            return setting();
        case 17:
            return copy_out();
        case 18:
            return copy_in();
        case 19:
            return call_function();
        case 20:
            return chance(3) ? big_result() : sleep();
        case 21:
            return portal();
        case 22:
            return flushed_batch();
        default:
            return chance(2) ? failing() : odds_and_ends();
    }
}

void Wanderer::misbehave() {
    Transcript& transcript = world_.transcript();
    transcript.fault("client.hostile", client_->number());
    Bytes garbage(1 + below(60));
    world_.random().fill(garbage);
    switch (below(4)) {
        case 0:  // Noise.
            break;
        case 1:  // A length that can't be.
            garbage = {'Q', 0, 0, 0, static_cast<Byte>(below(4))};
            break;
        case 2:  // Half a frame, and then nothing.
            garbage = {'Q', 0, 0, 1, 0, 'S', 'E', 'L'};
            break;
        default:  // A huge one, begun.
            garbage = {'B', 0x3f, 0xff, 0xff, 0xfe, 1};
            break;
    }
    client_->raw(garbage).flush();
    if (chance(3)) {
        client_->cancel_with(static_cast<std::uint32_t>(below(5000)), as_bytes("abcd"));
    }
    client_->vanish_after(0);
    client_->raw(as_bytes("x")).flush();
}

}  // namespace pgweir::sim
