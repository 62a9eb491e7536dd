// SPDX-License-Identifier: PostgreSQL
// What one client may see in registers: how old a value may be at the client's level of
// consistency (I26). It knows every version ever written and what the client was told so far.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/registers.h"
#include "sim/truth.h"

namespace pgweir::sim {

enum class ReadLevel : std::uint8_t {
    Eventual,  // Any version that ever was.
    Session,   // Nothing older than what the client wrote and read.
    Strong,    // Also nothing older than what anybody was told before the read was sent.
};

class ReadCheck {
 public:
    ReadCheck(Truth& truth, std::uint32_t client, ReadLevel level);

    void set_level(ReadLevel level) { level_ = level; }
    // What a read that is sent now must see at the level Strong.
    WalPlace floor_now() const { return truth_.acknowledged(); }
    // The client was told that its write is committed.
    void wrote(const Write& write);
    // It was told this value by a read that was sent when floor_now() was `floor`; a sentence if
    // that is wrong, else empty. `reader`: the token of the read, if it has one.
    std::string saw(std::uint32_t id, std::string_view value, WalPlace floor,
                    std::optional<Token> reader);

 private:
    Truth& truth_;
    const Registers& registers_;
    std::uint32_t client_;
    ReadLevel level_;
    WalPlace seen_ = 0;  // The latest place that it wrote, or saw the work of.
};

}  // namespace pgweir::sim
