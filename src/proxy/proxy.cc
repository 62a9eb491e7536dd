// SPDX-License-Identifier: PostgreSQL
#include "pgweir/proxy/proxy.h"

#include <utility>

#include "proxy/core.h"

namespace pgweir::proxy {

struct Proxy::Impl {
    Impl(ProxyParts parts, Instant now) : core(std::move(parts), now) {}
    Core core;
};

Proxy::Proxy(ProxyParts parts, Instant now)
    : impl_(std::make_unique<Impl>(std::move(parts), now)) {}

Proxy::~Proxy() = default;

void Proxy::handle(Event&& event, Instant now, EffectList& effects) {
    impl_->core.handle(event, now, effects);
}

Instant Proxy::next_deadline() {
    return impl_->core.next_deadline();
}

}  // namespace pgweir::proxy
