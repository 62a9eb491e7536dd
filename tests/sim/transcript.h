// SPDX-License-Identifier: PostgreSQL
// What happened in a run: a hash over all of it (the same seed gives the same hash) and the last
// lines, formatted only when somebody wants to read them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pgweir/base/bytes.h"
#include "sim/agenda.h"

namespace pgweir::sim {

class Transcript {
 public:
    Transcript(const Agenda& agenda, std::size_t lines) : agenda_(agenda), lines_(lines) {}

    // `what` is a string literal.
    void note(const char* what, std::uint64_t a, std::uint64_t b, ByteView bytes = {});
    // As note, and counted as covered.
    void fault(const char* what, std::uint64_t a, std::uint64_t b = 0);
    void violation(std::string text);

    std::uint64_t hash() const { return hash_; }
    const std::vector<std::string>& violations() const { return violations_; }
    // Fault kinds that were hit, and how often.
    const std::map<std::string, std::uint64_t>& faults() const { return faults_; }
    // Message kinds seen, by tag; index 0 to 127 towards nodes, 128 to 255 towards clients.
    std::array<std::uint64_t, 256>& messages() { return messages_; }
    std::string last_lines(std::size_t count) const;

 private:
    static constexpr std::size_t kSnippet = 200;
    struct Line {
        Instant when;
        const char* what = nullptr;
        std::uint64_t a = 0;
        std::uint64_t b = 0;
        std::size_t size = 0;
        std::array<Byte, kSnippet> snippet{};
    };
    void mix(std::uint64_t value);
    void mix(ByteView bytes);

    const Agenda& agenda_;
    std::vector<Line> lines_;
    std::size_t next_line_ = 0;
    std::uint64_t hash_ = 0xcbf29ce484222325ULL;
    std::vector<std::string> violations_;
    std::map<std::string, std::uint64_t> faults_;
    std::array<std::uint64_t, 256> messages_{};
};

}  // namespace pgweir::sim
