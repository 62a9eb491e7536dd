// SPDX-License-Identifier: PostgreSQL
#include "pgweir/base/byte_queue.h"

#include <doctest/doctest.h>

#include <deque>
#include <utility>

#include "pgweir/base/random.h"

using namespace pgweir;

TEST_CASE("bytes leave a queue in the order in which they came") {
    ByteQueue queue;
    CHECK(queue.empty());
    queue.append(as_bytes("hello "));
    queue.append(as_bytes("world"));
    CHECK(as_text(queue.view()) == "hello world");
    queue.consume(6);
    CHECK(as_text(queue.view()) == "world");
    queue.append(as_bytes("!"));
    CHECK(as_text(queue.view()) == "world!");
    CHECK(queue.size() == 6);
}

TEST_CASE("an empty queue holds no memory") {
    ByteQueue queue;
    CHECK(queue.capacity() == 0);
    queue.append({});
    CHECK(queue.capacity() == 0);
    queue.append(Bytes(100000, 7));
    CHECK(queue.capacity() >= 100000);
    queue.consume(99999);
    CHECK(queue.capacity() > 0);
    queue.consume(1);
    CHECK(queue.capacity() == 0);
    queue.append(as_bytes("x"));
    queue.clear();
    CHECK(queue.empty());
    CHECK(queue.capacity() == 0);
}

TEST_CASE("a moved queue takes its bytes along and leaves an empty one behind") {
    ByteQueue from;
    from.append(as_bytes("abc"));
    ByteQueue to(std::move(from));
    CHECK(as_text(to.view()) == "abc");
    CHECK(from.empty());
    CHECK(from.capacity() == 0);
    from.append(as_bytes("new"));
    to = std::move(from);
    CHECK(as_text(to.view()) == "new");
}

TEST_CASE("memory follows what waits, not what has passed through") {
    ByteQueue queue;
    queue.append(Bytes(100, 1));
    for (int i = 0; i < 10000; ++i) {
        queue.append(Bytes(100, 2));
        queue.consume(100);
    }
    CHECK(queue.size() == 100);
    CHECK(queue.capacity() <= 2048);
}

TEST_CASE("a queue does what a deque does, whatever the order of calls") {
    Random random(1);
    ByteQueue queue;
    std::deque<Byte> model;
    Byte next = 0;
    for (int step = 0; step < 5000; ++step) {
        if (random.below(2) == 0) {
            Bytes bytes(random.below(700));
            for (Byte& byte : bytes) byte = next++;
            queue.append(bytes);
            model.insert(model.end(), bytes.begin(), bytes.end());
        } else {
            const std::size_t n = random.below(queue.size() + 1);
            if (n > 0) queue.consume(n);
            model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(n));
        }
        REQUIRE(queue.size() == model.size());
        const ByteView view = queue.view();
        REQUIRE(std::equal(view.begin(), view.end(), model.begin(), model.end()));
    }
}
