// SPDX-License-Identifier: PostgreSQL
// What one server may be spared of: copies of the units in flight on it, so that they can run again
// on another node, and the beginning of their answer, held back until the first row or a successful
// end. As long as nothing of an answer was passed on, the client can't know where it ran.
//
// Only whole units outside of a transaction are copied, and only while all that is in flight are
// such units, of one kind: what is taken back is always everything from one unit on.
//
//   Kind::Reads     on a standby, where nothing can have been written; on the primary, of what is
//                   known to write nothing. They run again if the server is lost, or if a standby
//                   refuses them.
//   Kind::Refusals  on the primary: they may have had an effect, unless the node says that it is
//                   none any more (25006). They run again in that case only.
//
// Lives with the server, as servers are few: an idle client pays nothing for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgweir/base/byte_queue.h"
#include "pgweir/session/statements.h"

namespace pgweir::session {

class Replay {
 public:
    // Copies in flight take no more than this; a longer unit is not copied.
    static constexpr std::size_t kCopyBytesMax = 64 * 1024;
    // An answer whose beginning is longer is passed on.
    static constexpr std::size_t kHeldBytesMax = 64 * 1024;

    enum class Kind : std::uint8_t { Reads, Refusals };

    // A unit in flight can be taken back: it and those behind it.
    bool is_active() const { return first_ < sizes_.size(); }
    // Nothing of the front unit's answer has been passed on.
    bool holds() const { return holds_; }
    bool has_room(std::size_t unit_bytes) const {
        return copies_.size() + unit_bytes <= kCopyBytesMax;
    }

    bool survives_loss() const { return is_active() && kind_ == Kind::Reads; }
    Kind kind() const { return kind_; }

    // A unit is sent. REQUIRES: everything in flight was added, and is of this kind.
    void add(ByteView unit, Kind kind);
    // Something that may have an effect is sent behind reads on the primary: from now on none of
    // them outlives a loss. REQUIRES: is_active().
    void weaken() { kind_ = Kind::Refusals; }
    // It was not sent after all. REQUIRES: it was added last, and nothing has come since.
    void remove_last();
    // ReadyForQuery of the front unit: its copy goes, the next answer is held.
    void unit_ended();
    // A part of the front unit's answer is passed on: it can't be taken back any more.
    void pass_on() { holds_ = false; }
    // Something else is sent behind the units: none can be taken back any more.
    void forget();

    // The answer's beginning that outlives the event it came with.
    void hold(ByteView bytes) { held_.append(bytes); }
    ByteView held() const { return held_.view(); }
    void drop_held() { held_.size() > kKeptBytes ? held_.clear() : held_.rewind(); }

    // What a client's name meant before a message of the front unit changed it; in order. An empty
    // name is the unnamed statement.
    struct Change {
        std::string name;
        StatementRef before;
    };
    void note_change(std::string name, StatementRef before) {
        changes_.push_back({std::move(name), std::move(before)});
    }
    const std::vector<Change>& changes() const { return changes_; }

    // The copies of the units that are taken back. REQUIRES: is_active(). Without the front one if
    // that has been passed on.
    enum class From : std::uint8_t { Front, Second };
    ByteView copies(From from) const;

 private:
    static constexpr std::size_t kKeptBytes = 4096;

    ByteQueue copies_;
    std::vector<std::uint32_t> sizes_;
    std::size_t first_ = 0;  // In `sizes_`.
    ByteQueue held_;
    std::vector<Change> changes_;
    bool holds_ = false;
    Kind kind_ = Kind::Reads;
};

}  // namespace pgweir::session
