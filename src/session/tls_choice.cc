// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/tls_choice.h"

namespace pgweir::session {

TlsMode TlsChoice::mode_for(TlsMode configured) const {
    switch (configured) {
        case TlsMode::Allow:
            return is_second_ ? TlsMode::Require : TlsMode::Disable;
        case TlsMode::Prefer:
            return is_second_ ? TlsMode::Disable : TlsMode::Prefer;
        default:
            return configured;
    }
}

// 28000 is what PostgreSQL says where pg_hba.conf has no line for the connection as it came. A
// wrong password (28P01) would be as wrong the other way.
bool TlsChoice::goes_on(TlsMode configured, TlsMode tried, const ServerLoginFailure& failure) {
    if (configured != TlsMode::Allow && configured != TlsMode::Prefer) return false;
    if (!failure.is_from_server || failure.sqlstate != "28000") return false;
    // It was under way when another one turned.
    if (tried != mode_for(configured)) return true;
    // "prefer" that was told 'N' went in clear already.
    if (tried == TlsMode::Prefer && !failure.was_tls) return false;
    is_second_ = !is_second_;
    has_turned_ = !has_turned_;
    return has_turned_;
}

}  // namespace pgweir::session
