// SPDX-License-Identifier: PostgreSQL
// What one look at a node saw, and how a look is ordered. Looks go over connections of their own,
// outside of the pools; io/prober makes them, with libpq.
#pragma once

#include <cstdint>
#include <string>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/cluster/lsn.h"

namespace pgweir::cluster {

// Which connection a look goes over.
enum class ProbeOver : std::uint8_t {
    Open,  // The one that is kept open; it is opened if there is none.
    New,   // A new one: an old session may go on while the postmaster is frozen.
};

struct Observation {
    Instant started_at;  // Before the question left; if it never left, when the look was ordered.
    Instant ended_at;    // When the answer was complete, or failed.
    ProbeOver over = ProbeOver::Open;
    // Empty: the node answered. Else what went wrong, and PostgreSQL's SQLSTATE if it gave one.
    std::string failure;
    std::string sqlstate;

    bool in_recovery = false;          // pg_is_in_recovery()
    std::uint64_t system_id = 0;       // pg_control_system(); 0 if it was not asked or not told.
    std::uint32_t timeline = 0;        // On a primary that of pg_walfile_name(): the control file
                                       // lags after a promotion. On a standby the one it receives,
                                       // or that of its last restart point; 0 if unknown. The
                                       // former is wanted: what lags keeps the standby out of
                                       // use after a promotion, and until that promotion is seen
                                       // here, its LSN is taken for one of the old timeline.
    Lsn lsn;                           // pg_current_wal_insert_lsn() or pg_last_wal_replay_lsn().
    std::int64_t started_unix_us = 0;  // pg_postmaster_start_time(): tells incarnations apart.

    // Of a primary, if it can be told (the last line of its timeline's history file): where the
    // history of `timeline` left its parent's, and which that is. Else empty; a bound is used.
    Position timeline_began_at = {};
    // Of a primary: pg_last_wal_replay_lsn(), where its recovery has ended; null if it began
    // without one. If it was a standby in this life, its timeline left the other one exactly here.
    Lsn recovery_ended_at = {};
    // Of a primary with synchronous standbys: the furthest that one of them has written. Whatever
    // the primary has acknowledged lies before it. Null: there are none, or nobody knows.
    Lsn acknowledged = {};
    std::uint32_t wal_block_size = 8192;  // SHOW wal_block_size; see reached().

    bool answered() const { return failure.empty(); }
    // `lsn`, comparable between nodes: on a primary whose last record ends with a page of the log,
    // pg_current_wal_insert_lsn() lies behind the next page's header (24 bytes, 40 in the first of
    // a segment), where no standby ever arrives before the next record: pg_last_wal_replay_lsn()
    // is the page's end. pg_switch_wal() leaves every idle primary like that.
    Lsn reached() const;
};

}  // namespace pgweir::cluster
