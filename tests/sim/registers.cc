// SPDX-License-Identifier: PostgreSQL
// Versions of registers, by place.
#include "sim/registers.h"

#include <algorithm>

namespace pgweir::sim {

Registers::Registers() {
    for (std::vector<Version>& versions : versions_) versions.emplace_back();
}

void Registers::write(WalPlace place, const Write& write) {
    std::vector<Version>& versions = versions_[write.id];
    if (write.token.client != 0) by_token_[write.token] = {write.id, versions.size()};
    versions.push_back({place, write.token, write.value});
}

const Registers::Version& Registers::at(std::uint32_t id, WalPlace place) const {
    const std::vector<Version>& versions = versions_[id];
    const auto after =
        std::upper_bound(versions.begin(), versions.end(), place,
                         [](WalPlace wanted, const Version& one) { return wanted < one.place; });
    return *std::prev(after);
}

const Registers::Version* Registers::find(std::uint32_t id, std::string_view value) const {
    const std::vector<Version>& versions = versions_[id];
    if (const auto token = find_token(as_bytes(value))) {
        const auto found = by_token_.find(*token);
        if (found == by_token_.end() || found->second.first != id) return nullptr;
        const Version& version = versions[found->second.second];
        return version.value == value ? &version : nullptr;
    }
    const auto found = std::find_if(versions.rbegin(), versions.rend(),
                                    [&](const Version& one) { return one.value == value; });
    return found == versions.rend() ? nullptr : &*found;
}

std::string unknown_value(std::uint32_t id) {
    return "\x01" + std::to_string(id);
}

std::uint32_t register_meant_by(std::string_view value) {
    if (value.size() < 2 || value.front() != '\x01') return kNoRegister;
    std::uint32_t id = 0;
    for (const char digit : value.substr(1)) id = id * 10 + static_cast<std::uint32_t>(digit - '0');
    return id;
}

}  // namespace pgweir::sim
