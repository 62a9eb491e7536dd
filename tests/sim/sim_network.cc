// SPDX-License-Identifier: PostgreSQL
// Deliveries, cuts and losses of the simulated network.
#include "sim/sim_network.h"

#include <algorithm>

namespace pgweir::sim {

Socket SimNetwork::connect(Endpoint& dialer, Listener& listener, const LinkWeather& weather) {
    const auto socket = static_cast<Socket>(links_.size() * 2);
    links_.push_back(std::make_unique<Link>());
    Link& made = *links_.back();
    made.ends[0] = &dialer;
    made.listener = &listener;
    made.weather = weather;
    made.delay_us = 5 + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(
                            std::max<std::int64_t>(weather.delay_max.us, 1))));
    if (!healed_) {
        made.hanging = happens(weather.hang_one_in);
        Stream& hit = made.streams[random_.below(2)];
        if (happens(weather.reset_one_in)) hit.reset_at = random_.below(2000);
        if (happens(weather.silent_one_in)) hit.silent_at = random_.below(2000);
        if (happens(weather.drip_one_in)) hit.drip_left = random_.below(400);
    }
    ++open_links_;
    if (made.hanging) {
        transcript_.fault("net.hang", socket);
        return socket;
    }
    Duration delay = some_delay(made);
    if (!healed_ && happens(weather.slow_accept_one_in)) {
        transcript_.fault("net.slow_accept", socket);
        delay = Duration::milliseconds(static_cast<std::int64_t>(random_.below(3000)));
    }
    agenda_.after(delay, *this, Connect, socket);
    return socket;
}

Duration SimNetwork::some_delay(const Link& link) {
    const auto spread = static_cast<std::uint64_t>(link.delay_us) + 1;
    return Duration::microseconds(link.delay_us + static_cast<std::int64_t>(random_.below(spread)));
}

bool SimNetwork::is_open(Socket socket) const {
    const Link& one = *links_[socket >> 1];
    return one.state == State::Open && one.ends[socket & 1] != nullptr;
}

std::size_t SimNetwork::in_flight(Socket from) const {
    return stream(from).bytes.size();
}

void SimNetwork::establish(Socket dialer) {
    Link& one = link(dialer);
    if (one.state != State::Dialing || one.ends[0] == nullptr) return finish(one);
    Endpoint* accepted = nullptr;
    if (!healed_ && happens(one.weather.refuse_one_in)) {
        transcript_.fault("net.refuse", dialer);
    } else {
        accepted = one.listener->accept(other_end(dialer));
    }
    Endpoint* end = one.ends[0];
    if (accepted == nullptr) {
        one.ends[0] = nullptr;
        finish(one);
        end->refused(dialer);
        return;
    }
    one.ends[1] = accepted;
    one.state = State::Open;
    end->opened(dialer);
}

void SimNetwork::write(Socket from, ByteView bytes) {
    Link& one = link(from);
    if (one.state != State::Open || one.ends[from & 1] == nullptr || bytes.empty()) return;
    Stream& to = one.streams[from & 1];
    to.written += bytes.size();
    if (one.ends[(from & 1) ^ 1] == nullptr) return;  // Nobody reads any more.
    to.bytes.append(bytes);
    schedule(from);
    if (to.bytes.size() > kHighWater && !to.told_blocked) {
        agenda_.after({}, *this, Pressure, from);
    }
}

void SimNetwork::write_at_once(Socket from, ByteView bytes) {
    Link& one = link(from);
    Stream& to = stream(from);
    Endpoint* reader = one.ends[(from & 1) ^ 1];
    if (one.state != State::Open || one.ends[from & 1] == nullptr || reader == nullptr) return;
    if (!to.bytes.empty() || to.silent || to.reader_paused) return;
    to.written += bytes.size();
    to.delivered += bytes.size();
    reader->received(other_end(from), bytes);
}

void SimNetwork::schedule(Socket from) {
    Stream& to = stream(from);
    if (to.scheduled || to.reader_paused || to.silent) return;
    to.scheduled = true;
    agenda_.after(some_delay(link(from)), *this, Deliver, from);
}

std::size_t SimNetwork::portion(Link& one, Stream& from) {
    std::size_t n = std::min<std::size_t>(from.bytes.size(), kHighWater);
    if (from.drip_left > 0 && n > 0 && !healed_) {
        --from.drip_left;
        n = 1;
    } else if (n > 1 && happens(one.weather.split_one_in)) {
        n = 1 + random_.below(n - 1);
    }
    if (healed_) return n;
    if (from.reset_at != ~0ULL && from.delivered + n > from.reset_at) {
        n = from.reset_at > from.delivered
                ? static_cast<std::size_t>(from.reset_at - from.delivered)
                : 0;
    }
    if (from.silent_at != ~0ULL && from.delivered + n > from.silent_at) {
        n = from.silent_at > from.delivered
                ? static_cast<std::size_t>(from.silent_at - from.delivered)
                : 0;
    }
    return n;
}

void SimNetwork::deliver(Socket from) {
    Link& one = link(from);
    Stream& to = stream(from);
    to.scheduled = false;
    if (one.state != State::Open || to.reader_paused || to.silent) return;
    Endpoint* reader = one.ends[(from & 1) ^ 1];
    if (reader == nullptr) return to.bytes.clear();
    const std::size_t n = portion(one, to);
    if (n == 0 && !to.bytes.empty()) {
        if (to.delivered >= to.silent_at) {
            transcript_.fault("net.silent", from);
            to.silent = true;
            return;
        }
        transcript_.fault("net.reset", from);
        return reset(from);
    }
    const ByteView view = to.bytes.view().first(n);
    portion_.assign(view.begin(), view.end());
    to.bytes.consume(n);
    to.delivered += n;
    watch_pressure(from);
    if (!to.bytes.empty()) {
        schedule(from);
    } else if (to.finishing) {
        agenda_.after(some_delay(one), *this, End, from);
    }
    if (n > 0) reader->received(other_end(from), portion_);
}

void SimNetwork::watch_pressure(Socket from) {
    Stream& to = stream(from);
    if (to.told_blocked && to.bytes.size() < kLowWater) agenda_.after({}, *this, Pressure, from);
}

void SimNetwork::on_time(std::uint32_t what, std::uint64_t detail) {
    const auto socket = static_cast<Socket>(detail);
    switch (static_cast<What>(what)) {
        case Connect:
            return establish(socket);
        case Deliver:
            return deliver(socket);
        case End:
            return end(socket);
        case Linger:
            return reset(socket);
        case Pressure: {
            Link& one = link(socket);
            Stream& to = stream(socket);
            Endpoint* writer = one.ends[socket & 1];
            if (one.state != State::Open || writer == nullptr) return;
            if (!to.told_blocked && to.bytes.size() > kHighWater) {
                to.told_blocked = true;
                writer->blocked(socket);
            } else if (to.told_blocked && to.bytes.size() < kLowWater) {
                to.told_blocked = false;
                writer->drained(socket);
            }
            return;
        }
    }
}

// The reader learns that the writer is gone.
void SimNetwork::end(Socket from) {
    Link& one = link(from);
    Endpoint* reader = one.ends[(from & 1) ^ 1];
    if (reader == nullptr || one.state != State::Open) return;
    Stream& to = stream(from);
    // An end of file comes after what was sent; a reader that does not read does not see it.
    if (!to.bytes.empty() || to.silent) return;
    one.ends[(from & 1) ^ 1] = nullptr;
    finish(one);
    reader->closed(other_end(from), "end of file");
}

void SimNetwork::close(Socket from, CloseHow how) {
    Link& one = link(from);
    if (one.ends[from & 1] == nullptr) return;
    one.ends[from & 1] = nullptr;
    if (one.state == State::Dialing) {
        if (one.hanging) finish(one);
        return;  // establish() finds nobody there.
    }
    if (one.ends[(from & 1) ^ 1] == nullptr) return finish(one);
    stream(other_end(from)).bytes.clear();  // Nobody reads that any more.
    Stream& mine = stream(from);
    mine.finishing = true;
    if (how == CloseHow::Abort && !mine.bytes.empty() && random_.one_in(2)) mine.bytes.clear();
    agenda_.after(kLinger, *this, Linger, from);
    watch_pressure(other_end(from));
    if (mine.bytes.empty()) {
        agenda_.after(some_delay(one), *this, End, from);
    } else {
        schedule(from);
    }
}

void SimNetwork::reset(Socket either) {
    Link& one = link(either);
    if (one.state != State::Open) return;
    finish(one);
    for (std::uint32_t side = 0; side < 2; ++side) {
        Endpoint* end = one.ends[side];
        if (end == nullptr) continue;
        one.ends[side] = nullptr;
        end->closed((either & ~1U) | side, "connection reset by peer");
    }
}

void SimNetwork::finish(Link& one) {
    if (one.state == State::Closed) return;
    one.state = State::Closed;
    one.streams[0].bytes.clear();
    one.streams[1].bytes.clear();
    --open_links_;
}

void SimNetwork::pause(Socket reader) {
    stream(other_end(reader)).reader_paused = true;
}

void SimNetwork::resume(Socket reader) {
    Stream& from = stream(other_end(reader));
    if (!from.reader_paused) return;
    from.reader_paused = false;
    if (!from.bytes.empty() || from.finishing) schedule(other_end(reader));
}

void SimNetwork::heal() {
    healed_ = true;
    for (std::size_t i = 0; i < links_.size(); ++i) {
        Link& one = *links_[i];
        const auto dialer = static_cast<Socket>(i * 2);
        if (one.state == State::Dialing && one.hanging) {
            agenda_.after(some_delay(one), *this, Connect, dialer);
        }
        if (one.state == State::Open && (one.streams[0].silent || one.streams[1].silent)) {
            reset(dialer);
        }
    }
}

}  // namespace pgweir::sim
