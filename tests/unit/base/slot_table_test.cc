// SPDX-License-Identifier: PostgreSQL
#include "pgweir/base/slot_table.h"

#include <doctest/doctest.h>

#include <unordered_set>

using namespace pgweir;

TEST_CASE("an id tells its worker and its slot, and is never zero") {
    IdAllocator<ClientId> ids(3);
    const ClientId first = ids.allocate();
    const ClientId second = ids.allocate();
    CHECK(first);
    CHECK(first != second);
    CHECK(worker_of(first) == 3);
    CHECK(slot_of(first) == 0);
    CHECK(slot_of(second) == 1);
}

TEST_CASE("a slot is used again under another id") {
    IdAllocator<ServerId> ids(0);
    std::unordered_set<ServerId> seen;
    for (int i = 0; i < 1000; ++i) {
        const ServerId id = ids.allocate();
        CHECK(slot_of(id) == 0);
        CHECK(seen.insert(id).second);
        ids.give_back(id);
    }
}

TEST_CASE("ids of different workers differ") {
    IdAllocator<ClientId> one(1);
    IdAllocator<ClientId> two(2);
    CHECK(one.allocate() != two.allocate());
}

TEST_CASE("an object is found by its id, and not by an old id of its slot") {
    IdAllocator<ClientId> ids(0);
    SlotTable<ClientId, int> table;
    const ClientId old = ids.allocate();
    table.insert(old, std::make_unique<int>(1));
    REQUIRE(table.find(old) != nullptr);
    CHECK(*table.find(old) == 1);
    const std::unique_ptr<int> removed = table.remove(old);
    REQUIRE(removed);
    CHECK(*removed == 1);
    ids.give_back(old);

    const ClientId young = ids.allocate();
    REQUIRE(slot_of(young) == slot_of(old));
    table.insert(young, std::make_unique<int>(2));
    CHECK(table.find(old) == nullptr);
    CHECK(table.remove(old) == nullptr);
    CHECK(*table.find(young) == 2);
    CHECK(table.size() == 1);
}

TEST_CASE("the id of nothing finds nothing") {
    SlotTable<ClientId, int> table;
    CHECK(table.find(ClientId{}) == nullptr);
    IdAllocator<ClientId> ids(0);
    const ClientId id = ids.allocate();
    table.insert(id, std::make_unique<int>(1));
    table.remove(id);
    CHECK(table.find(ClientId{}) == nullptr);
    CHECK(table.find(ClientId{12345}) == nullptr);
}

TEST_CASE("addresses stay while the table grows") {
    IdAllocator<ClientId> ids(0);
    SlotTable<ClientId, int> table;
    const ClientId first = ids.allocate();
    int* address = &table.insert(first, std::make_unique<int>(0));
    for (int i = 0; i < 1000; ++i) table.insert(ids.allocate(), std::make_unique<int>(i));
    CHECK(table.find(first) == address);
}

TEST_CASE("a visit may remove what it visits") {
    IdAllocator<ClientId> ids(0);
    SlotTable<ClientId, int> table;
    for (int i = 0; i < 10; ++i) table.insert(ids.allocate(), std::make_unique<int>(i));
    int visited = 0;
    table.for_each([&](ClientId id, int& value) {
        ++visited;
        if (value % 2 == 0) table.remove(id);
    });
    CHECK(visited == 10);
    CHECK(table.size() == 5);
    int sum = 0;
    table.for_each([&](ClientId, int& value) { sum += value; });
    CHECK(sum == 1 + 3 + 5 + 7 + 9);
}
