// SPDX-License-Identifier: PostgreSQL
// Streams over real sockets: bytes, watermarks, pauses, ends.
#include "io/stream.h"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include "helpers.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

struct Fixture {
    Loop loop;
    StreamShared shared{loop.get()};
    RecordingOwner owner;
    SocketPair pair = make_pair();

    Stream* open(Side side = Side::Client) {
        Stream* stream = Stream::open(shared, owner, side, 7, std::move(pair.ours));
        REQUIRE(stream != nullptr);
        return stream;
    }
    bool until(const std::function<bool()>& done) { return run_until(loop, done); }
};

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>('a' + (i * 31 + i / 251) % 26);
    return text;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a stream hands over what arrives and writes what it is given") {
    Stream* stream = open();
    say(pair.theirs, "hello");
    CHECK(until([&] { return owner.received == "hello"; }));
    stream->send(as_bytes("answer"));
    CHECK(hear(pair.theirs) == "answer");
    stream->close();
}

TEST_CASE_FIXTURE(Fixture, "neighbouring pieces arrive in order, few or many, small or large") {
    Stream* stream = open();
    const std::string large = pattern(20'000);
    std::vector<ByteView> pieces = {as_bytes("one "), as_bytes("two "), as_bytes("three ")};
    stream->send(pieces);
    CHECK(hear(pair.theirs) == "one two three ");
    pieces.push_back(as_bytes(large));
    stream->send(pieces);
    CHECK(hear(pair.theirs) == "one two three " + large);
    const std::vector<ByteView> many(200, as_bytes("xy"));
    stream->send(many);
    CHECK(hear(pair.theirs) == [] {
        std::string text;
        for (int i = 0; i < 200; ++i) text += "xy";
        return text;
    }());
    stream->close();
}

TEST_CASE_FIXTURE(Fixture,
                  "what the kernel does not take waits, blocks over the high watermark and "
                  "drains below the low one") {
    Stream* stream = open();
    const std::string text = pattern(2'000'000);
    stream->send(as_bytes(text));
    CHECK(stream->waiting_bytes() > shared.high_watermark);
    CHECK(owner.blocked == 1);
    stream->send(as_bytes("the end"));
    CHECK(owner.blocked == 1);
    std::string heard;
    CHECK(until([&] {
        CHECK((owner.drained == 0 || stream->waiting_bytes() < shared.low_watermark));
        heard += hear(pair.theirs);
        return heard.size() == text.size() + 7;
    }));
    CHECK(heard == text + "the end");
    CHECK(until([&] { return owner.drained == 1; }));
    CHECK(stream->waiting_bytes() == 0);
    stream->close();
}

TEST_CASE_FIXTURE(Fixture, "a paused stream reads nothing until it is resumed") {
    Stream* stream = open();
    stream->pause();
    say(pair.theirs, "later");
    run_for(loop, Duration::milliseconds(30));
    CHECK(owner.received.empty());
    stream->resume();
    CHECK(until([&] { return owner.received == "later"; }));
    stream->close();
}

TEST_CASE_FIXTURE(Fixture, "the end of the other side is told once, after its last bytes") {
    open();
    say(pair.theirs, "bye");
    pair.theirs.reset();
    CHECK(until([&] { return owner.closed == 1; }));
    CHECK(owner.received == "bye");
    CHECK(owner.reason == "connection closed by the other side");
    run_for(loop, Duration::milliseconds(10));
    CHECK(owner.closed == 1);
}

TEST_CASE_FIXTURE(Fixture, "half an end is an end") {
    open();
    ::shutdown(pair.theirs.get(), SHUT_WR);
    CHECK(until([&] { return owner.closed == 1; }));
}

TEST_CASE_FIXTURE(Fixture, "last words are read even if nothing can be written any more") {
    Stream* stream = open(Side::Server);
    say(pair.theirs, "FATAL: shutting down");
    pair.theirs.reset();
    stream->send(as_bytes("into the void"));
    stream->send(as_bytes("and again"));
    CHECK(owner.closed == 0);
    CHECK(until([&] { return owner.closed == 1; }));
    CHECK(owner.received == "FATAL: shutting down");
}

TEST_CASE_FIXTURE(Fixture, "a client that is not being read is still noticed to be gone") {
    Stream* stream = open();
    stream->pause();
    pair.theirs.reset();
    stream->send(as_bytes("into the void"));
    CHECK(until([&] { return owner.closed == 1; }));
}

TEST_CASE_FIXTURE(Fixture, "finishing lets everything out first, then ends in order") {
    Stream* stream = open();
    const std::string text = pattern(1'000'000);
    stream->send(as_bytes(text));
    stream->finish();
    CHECK(owner.finished == 0);
    std::string heard;
    CHECK(until([&] {
        heard += hear(pair.theirs);
        return heard.size() == text.size();
    }));
    CHECK(heard == text);
    CHECK(until([&] { return is_closed(pair.theirs); }));
    CHECK(owner.finished == 0);
    say(pair.theirs, "what a client says now is not heard");
    pair.theirs.reset();
    CHECK(until([&] { return owner.finished == 1; }));
    CHECK(owner.received.empty());
    CHECK(owner.closed == 0);
}

TEST_CASE_FIXTURE(Fixture, "a client that said goodbye itself is let go of at once") {
    Stream* stream = open();
    owner.when_bytes = [](Stream& from) { from.finish(); };
    (void)stream;
    say(pair.theirs, "X");
    CHECK(until([&] { return owner.finished == 1; }));
    CHECK(is_closed(pair.theirs));
}

TEST_CASE_FIXTURE(Fixture, "a server is let go of when the kernel has taken the last message") {
    Stream* stream = open(Side::Server);
    stream->send(as_bytes("X"));
    stream->finish();
    CHECK(owner.finished == 1);
    run_for(loop, Duration::milliseconds(1));
    CHECK(hear(pair.theirs) == "X");
    CHECK(is_closed(pair.theirs));
}

TEST_CASE_FIXTURE(Fixture, "a stream may be closed from within what it tells") {
    open();
    owner.when_bytes = [](Stream& from) { from.close(); };
    say(pair.theirs, "anything");
    CHECK(until([&] { return is_closed(pair.theirs); }));
    CHECK(owner.closed == 0);
    CHECK(owner.finished == 0);
}

TEST_CASE("a reset TCP connection is told as closed") {
    Loop loop;
    StreamShared shared{loop.get()};
    RecordingOwner owner;
    const UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof(address);
    REQUIRE(::bind(listening.get(), generic, length) == 0);
    REQUIRE(::listen(listening.get(), 1) == 0);
    REQUIRE(::getsockname(listening.get(), generic, &length) == 0);
    UniqueFd theirs(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(theirs.get(), generic, length) == 0);
    UniqueFd ours(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    Stream* stream = Stream::open(shared, owner, Side::Client, 1, std::move(ours));

    SUBCASE("while it is read") {}
    SUBCASE("while it is written only") {
        stream->pause();
    }
    const std::string text(10'000'000, 'x');
    stream->send(as_bytes(text));
    const linger at_once{1, 0};
    ::setsockopt(theirs.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    theirs.reset();
    CHECK(run_until(loop, [&] { return owner.closed == 1; }));
    CHECK(owner.drained == 0);
}
