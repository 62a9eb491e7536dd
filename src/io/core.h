// SPDX-License-Identifier: PostgreSQL
// What a worker drives: the core of one worker as the edge sees it. Tests put a script in its
// place.
#pragma once

#include "pgweir/base/instant.h"
#include "pgweir/proxy/event.h"
#include "pgweir/session/effect.h"

namespace pgweir::io {

class Core {
 public:
    Core() = default;
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    virtual ~Core() = default;

    // As proxy::Proxy.
    virtual void handle(Event&& event, Instant now, EffectList& effects) = 0;
    virtual Instant next_deadline() = 0;
};

}  // namespace pgweir::io
