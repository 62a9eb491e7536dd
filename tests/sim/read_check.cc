// SPDX-License-Identifier: PostgreSQL
// Versions that a client saw against versions that it had to see.
#include "sim/read_check.h"

#include <algorithm>

namespace pgweir::sim {

ReadCheck::ReadCheck(Truth& truth, std::uint32_t client, ReadLevel level)
    : truth_(truth),
      registers_(truth.registers(truth.client(client).database)),
      client_(client),
      level_(level) {}

void ReadCheck::wrote(const Write& write) {
    const WalPlace place = truth_.place_of(write.token);
    truth_.acknowledge(place);
    seen_ = std::max(seen_, place);
}

std::string ReadCheck::saw(std::uint32_t id, std::string_view value, WalPlace floor,
                           std::optional<Token> reader) {
    const std::string story = "client " + std::to_string(client_) + " was told that register " +
                              std::to_string(id) + " is '" + std::string(value) + "'";
    const Registers::Version* version = registers_.find(id, value);
    if (version == nullptr) return "I20: " + story + ", which nobody ever committed";
    if (reader && version->token.client == client_ && version->token.request > reader->request) {
        return "I20: " + story + " by the read " + token_text(*reader) + " that was sent before it";
    }
    WalPlace needed = 0;
    if (level_ >= ReadLevel::Session) needed = seen_;
    if (level_ >= ReadLevel::Strong) needed = std::max(needed, floor);
    const Registers::Version& oldest = registers_.at(id, needed);
    if (version->place < oldest.place) {
        return "I26: " + story + " of place " + std::to_string(version->place) +
               ", and it had to see '" + oldest.value + "' of place " +
               std::to_string(oldest.place);
    }
    seen_ = std::max(seen_, version->place);
    return {};
}

}  // namespace pgweir::sim
