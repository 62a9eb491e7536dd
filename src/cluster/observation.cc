// SPDX-License-Identifier: PostgreSQL
#include "pgweir/cluster/observation.h"

namespace pgweir::cluster {

namespace {
// access/xlog_internal.h: SizeOfXLogShortPHD and SizeOfXLogLongPHD, with 8-byte alignment.
constexpr std::uint64_t kPageHeader = 24;
constexpr std::uint64_t kSegmentHeader = 40;
// The smallest segment that initdb makes (--wal-segsize=1): every segment begins at a multiple.
constexpr std::uint64_t kSegmentMin = 1U << 20;
}  // namespace

Lsn Observation::reached() const {
    if (in_recovery || wal_block_size == 0) return lsn;
    if (lsn.value % wal_block_size == kPageHeader) return Lsn{lsn.value - kPageHeader};
    if (lsn.value % kSegmentMin == kSegmentHeader) return Lsn{lsn.value - kSegmentHeader};
    return lsn;
}

}  // namespace pgweir::cluster
