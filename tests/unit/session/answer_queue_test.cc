// SPDX-License-Identifier: PostgreSQL
// First asked, first answered; and memory that follows what is owed.
#include "pgweir/session/answer_queue.h"

#include <doctest/doctest.h>

#include <deque>

#include "pgweir/base/random.h"

namespace pgweir::session {

TEST_CASE("a new queue owes nothing") {
    const AnswerQueue queue;
    CHECK(queue.empty());
    CHECK(queue.size() == 0);
}

TEST_CASE("answers come in the order of the questions") {
    AnswerQueue queue;
    queue.push(Expected::Parse, Asker::Pgweir);
    queue.push(Expected::Bind, Asker::Client);
    queue.push(Expected::Sync, Asker::Quiet);
    CHECK(queue.front().kind == Expected::Parse);
    CHECK(queue.front().asker == Asker::Pgweir);
    queue.pop();
    CHECK(queue.front().kind == Expected::Bind);
    CHECK(queue[1].kind == Expected::Sync);
    queue.pop();
    CHECK(queue.front().asker == Asker::Quiet);
    queue.pop();
    CHECK(queue.empty());
}

TEST_CASE("an entry begins empty, whatever its place held before") {
    AnswerQueue queue;
    for (int i = 0; i < 100; ++i) {
        Expectation& entry = queue.push(Expected::Close, Asker::Client);
        CHECK(entry.name.empty());
        CHECK(entry.number == 0);
        CHECK_FALSE(entry.is_duplicate);
        CHECK_FALSE(static_cast<bool>(entry.statement));
        CHECK_FALSE(static_cast<bool>(entry.previous));
        CHECK_FALSE(entry.touches_name);
        CHECK_FALSE(entry.touches_unnamed);
        entry.name = "a name that is too long to be kept without memory";
        entry.number = 5;
        entry.is_duplicate = true;
        entry.statement = entry.previous = StatementDirectory::opaque();
        queue.touch_name(entry);
        queue.touch_unnamed(entry);
        queue.pop();
    }
    CHECK(queue.names_touched() == 0);
    CHECK(queue.unnamed_touched() == 0);
}

TEST_CASE("entries that touch names are counted until they go, whichever way") {
    AnswerQueue queue;
    for (int i = 0; i < 4; ++i) queue.touch_name(queue.push(Expected::Close, Asker::Client));
    queue.touch_unnamed(queue.push(Expected::Query, Asker::Client));
    CHECK(queue.names_touched() == 4);
    CHECK(queue.unnamed_touched() == 1);
    queue.erase(1);
    CHECK(queue.names_touched() == 3);
    queue.pop();
    CHECK(queue.names_touched() == 2);
    queue.clear();
    CHECK(queue.names_touched() == 0);
    CHECK(queue.unnamed_touched() == 0);
    CHECK(queue.empty());
}

TEST_CASE("a pipeline of 10,000 keeps its order") {
    AnswerQueue queue;
    for (std::uint64_t i = 0; i < 10000; ++i) {
        queue.push(Expected::Close, Asker::Client).number = i + 1;
    }
    for (std::uint64_t i = 0; i < 10000; ++i) {
        REQUIRE(queue.front().number == i + 1);
        queue.pop();
    }
    CHECK(queue.empty());
    // Its memory is gone; the queue works as before.
    queue.push(Expected::Sync, Asker::Client);
    CHECK(queue.front().kind == Expected::Sync);
}

TEST_CASE("the queue does what a list does") {
    Random random(5);
    AnswerQueue queue;
    std::deque<std::uint64_t> model;
    std::uint64_t next = 1;
    for (int step = 0; step < 20000; ++step) {
        switch (random.below(5)) {
            case 0:
            case 1:
                queue.push(Expected::Close, Asker::Client).number = next;
                model.push_back(next++);
                break;
            case 2:
            case 3:
                if (model.empty()) break;
                REQUIRE(queue.front().number == model.front());
                queue.pop();
                model.pop_front();
                break;
            default: {
                if (model.empty()) break;
                const std::size_t at = random.below(model.size());
                queue.erase(at);
                model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
            }
        }
        REQUIRE(queue.size() == model.size());
        for (std::size_t i = 0; i < model.size(); ++i) REQUIRE(queue[i].number == model[i]);
    }
}

}  // namespace pgweir::session
