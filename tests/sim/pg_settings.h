// SPDX-License-Identifier: PostgreSQL
// The run-time parameters of one simulated session: transactional, some of them reported to the
// client (ParameterStatus).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pgweir/base/bytes.h"
#include "sim/messages.h"

namespace pgweir::sim {

enum class SettingVerdict : std::uint8_t { Ok, Unknown, Invalid, ReadOnly };

class PgSettings {
 public:
    static constexpr std::size_t kCount = 19;
    using Values = std::array<std::string, kCount>;

    PgSettings();

    // A value of the startup packet: what RESET goes back to.
    SettingVerdict start_with(std::string_view name, std::string_view value);
    SettingVerdict set(std::string_view name, std::string_view value);
    SettingVerdict set_local(std::string_view name, std::string_view value);
    SettingVerdict reset(std::string_view name);
    void reset_all();
    std::optional<std::string> show(std::string_view name) const;
    // The node's word, not the session's: no transaction undoes it.
    void set_hot_standby(bool is_standby);
    bool defaults_to_read_only() const;

    void begin_transaction() { at_start_ = session_; }
    void commit() { now_ = session_; }
    void roll_back() { now_ = session_ = at_start_; }

    struct Savepoint {
        Values now;
        Values session;
    };
    Savepoint savepoint() const { return {now_, session_}; }
    void roll_back_to(const Savepoint& savepoint) {
        now_ = savepoint.now;
        session_ = savepoint.session;
    }

    // ParameterStatus for every reported value that the client does not know yet.
    void report(Bytes& out);
    // The first reported parameter of which a client that was told `told` has a wrong idea; empty
    // if there is none.
    std::string_view told_wrong(const Values& told) const;

    // As the table spells it; `name` itself if there is none.
    static std::string_view proper_name(std::string_view name);
    static std::optional<std::size_t> find(std::string_view name);

 private:
    static std::optional<std::string> canonical(std::size_t index, std::string_view value);

    Values defaults_;
    Values now_;      // In effect, SET LOCAL included.
    Values session_;  // What a commit leaves.
    Values at_start_;
    Values told_;
    bool told_anything_ = false;
};

}  // namespace pgweir::sim
