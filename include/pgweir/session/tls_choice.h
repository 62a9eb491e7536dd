// SPDX-License-Identifier: PostgreSQL
// libpq's allow and prefer: a login that goes one way first, and the other way if the server
// refuses that one. What worked is remembered, so that later logins go that way at once.
//
//   mode     first       second, after a refusal of class 28
//   allow    in clear    with TLS
//   prefer   with TLS    in clear
#pragma once

#include "pgweir/config/tls_mode.h"
#include "pgweir/session/server_login.h"

namespace pgweir::session {

class TlsChoice {
 public:
    // What the next login does; every other mode is what it says.
    TlsMode mode_for(TlsMode configured) const;
    // A login that went as `tried` was refused. True if another should follow at once, the other
    // way: once for each refusal, so that two ways that are both refused are a refusal.
    bool goes_on(TlsMode configured, TlsMode tried, const ServerLoginFailure& failure);
    void succeeded() { has_turned_ = false; }

 private:
    bool is_second_ = false;   // Logins go the second way.
    bool has_turned_ = false;  // Since the last success, or refusal of both.
};

}  // namespace pgweir::session
