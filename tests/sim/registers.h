// SPDX-License-Identifier: PostgreSQL
// What the simulated cluster stores: for each database a table registers(id, value), every version
// of it with its place in the write-ahead log. A node that has replayed up to some place sees the
// last versions up to there, so a stale answer shows which place it came from.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/messages.h"

namespace pgweir::sim {

// A place in the log, in bytes. PostgreSQL's own type is left to the core under test.
using WalPlace = std::uint64_t;

// The rows of the table: 0 to 15. They are there from the beginning, with an empty value.
constexpr std::uint32_t kRegisters = 16;
constexpr std::uint32_t kNoRegister = 0xffffffffU;

// What one statement writes: a row of some table, or a register.
struct Write {
    Token token{};
    std::uint32_t id = kNoRegister;
    std::string value{};
};

class Registers {
 public:
    struct Version {
        WalPlace place = 0;
        Token token{};
        std::string value{};
    };
    Registers();

    // REQUIRES: `write.id` is a register; places grow.
    void write(WalPlace place, const Write& write);
    // The last version up to `place`. REQUIRES: id < kRegisters.
    const Version& at(std::uint32_t id, WalPlace place) const;
    // The version that holds this value; null if none ever did. Values of tokens are found at once.
    const Version* find(std::uint32_t id, std::string_view value) const;

 private:
    std::array<std::vector<Version>, kRegisters> versions_;
    std::map<Token, std::pair<std::uint32_t, std::size_t>> by_token_;
};

// What a session sees of the node that it runs on.
class NodeData {
 public:
    NodeData() = default;
    NodeData(const NodeData&) = delete;
    NodeData& operator=(const NodeData&) = delete;
    virtual ~NodeData() = default;
    virtual bool is_in_recovery() const = 0;
    // Whether its catalog calls a function harmless that writes.
    virtual bool catalog_lies() const = 0;
    virtual WalPlace snapshot() const = 0;
    // REQUIRES: id < kRegisters.
    virtual std::string read(std::uint32_t id, WalPlace snapshot) const = 0;
};

// The stand-in for a register's value where nobody knows it: in the model of a client.
std::string unknown_value(std::uint32_t id);
// The register that it stands for; kNoRegister if it is no stand-in.
std::uint32_t register_meant_by(std::string_view value);

}  // namespace pgweir::sim
