// SPDX-License-Identifier: PostgreSQL
#include "io/resolver.h"

#include <netdb.h>

#include <cstring>
#include <utility>

namespace pgweir::io {

Resolver::Resolver(uv_loop_t* loop, ResolverLimits limits) : loop_(loop), limits_(limits) {}

Resolver::~Resolver() {
    // The answers to open questions still come; nobody waits for them.
    for (auto& [host, question] : questions_) {
        question->resolver = nullptr;
        uv_cancel(reinterpret_cast<uv_req_t*>(&question->request));
    }
}

void Resolver::resolve(std::uint64_t asker, const std::string& name, Answer answer) {
    SocketAddress numeric;
    if (SocketAddress::numeric(name, 0, numeric)) return answer({numeric}, {});
    make_room();
    Host& host = hosts_[name];
    const bool is_fresh = clock_now() < host.fresh_until || host.is_overdue;
    if (!host.addresses.empty() && is_fresh) return answer(host.addresses, {});
    host.waiters.push_back({asker, std::move(answer)});
    if (!host.is_asked) ask(name, host);
    if (host.patience != nullptr || host.waiters.empty()) return;
    host.patience = make_timer(loop_, this);
    uv_timer_start(
        host.patience.get(),
        [](uv_timer_t* timer) {
            auto& self = *static_cast<Resolver*>(timer->data);
            for (auto& [late, entry] : self.hosts_) {
                if (entry.patience.get() == timer) return self.lose_patience(late);
            }
        },
        static_cast<std::uint64_t>(limits_.patience.us / 1000), 0);
}

void Resolver::forget(std::uint64_t asker) {
    for (auto& [name, host] : hosts_) {
        std::erase_if(host.waiters, [&](const Waiter& waiter) { return waiter.asker == asker; });
    }
}

void Resolver::ask(const std::string& name, Host& host) {
    auto* question = new Question{{}, this, name};
    question->request.data = question;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    const int status = uv_getaddrinfo(
        loop_, &question->request,
        [](uv_getaddrinfo_t* request, int result, addrinfo* found) {
            const std::unique_ptr<Question> done(static_cast<Question*>(request->data));
            if (done->resolver != nullptr) done->resolver->answered(done->host, result, found);
            uv_freeaddrinfo(found);
        },
        name.c_str(), nullptr, &hints);
    if (status != 0) {
        delete question;
        return tell(name, host, uv_strerror(status));
    }
    host.is_asked = true;
    questions_[name] = question;
}

void Resolver::answered(const std::string& name, int status, const addrinfo* found) {
    questions_.erase(name);
    Host& host = hosts_[name];
    host.is_asked = host.is_overdue = false;
    std::vector<SocketAddress> addresses;
    for (; found != nullptr && addresses.size() < limits_.addresses_max; found = found->ai_next) {
        if (found->ai_family != AF_INET && found->ai_family != AF_INET6) continue;
        SocketAddress address;
        address.length = found->ai_addrlen;
        std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
        addresses.push_back(address);
    }
    if (!addresses.empty()) {
        host.addresses = std::move(addresses);
        host.fresh_until = clock_now() + limits_.answer_lifetime;
    }
    tell(name, host, status != 0 ? uv_strerror(status) : "the name has no address");
}

void Resolver::lose_patience(const std::string& name) {
    hosts_[name].is_overdue = true;
    tell(name, hosts_[name], "the name could not be resolved in time");
}

void Resolver::tell(const std::string& name, Host& host, const std::string& failure) {
    host.patience.reset();
    const std::vector<Waiter> waiters = std::exchange(host.waiters, {});
    const std::vector<SocketAddress> addresses = host.addresses;
    const std::string sentence =
        addresses.empty() ? "could not resolve \"" + name + "\": " + failure : std::string();
    for (const Waiter& waiter : waiters) waiter.answer(addresses, sentence);
}

// Names come from the configuration, but a database "*" may bring any number of them over time.
void Resolver::make_room() {
    if (hosts_.size() < limits_.hosts_max) return;
    std::erase_if(hosts_, [](const auto& entry) {
        return entry.second.waiters.empty() && !entry.second.is_asked;
    });
}

}  // namespace pgweir::io
