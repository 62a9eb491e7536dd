// SPDX-License-Identifier: PostgreSQL
// auth_query: the secrets of users whom the settings do not name.
#include <utility>

#include "proxy/core.h"

namespace pgweir::proxy {

namespace {
// Ids of lookups stand in the pools' lines beside those of clients, and are told by this bit.
constexpr std::uint64_t kLookupBit = std::uint64_t{1} << 63;
}  // namespace

UserLookup* Core::find_lookup(ClientId id) {
    if ((id.value & kLookupBit) == 0) return nullptr;
    auto found = lookups_.find(id.value);
    return found == lookups_.end() ? nullptr : found->second.get();
}

void Core::look_up_user(Client& client, auth::AuthMethod method) {
    client.phase = Client::Phase::UserLookup;
    client.lookup_method = method;
    const std::string database(client.login->startup().database());
    const std::string user(client.login->startup().user());
    for (auto& [id, lookup] : lookups_) {
        if (lookup->database() != database || lookup->user() != user) continue;
        return lookup->askers.push_back(client.id);
    }
    const config::EffectivePool config = settings_->pool_for(database, user);
    const std::string& lookup_database =
        config.auth_database.empty() ? database : config.auth_database;
    const ClientId id{kLookupBit | ++last_lookup_};
    auto record = std::make_unique<UserLookup>(id, database, user, config.auth_query);
    record->askers.push_back(client.id);
    UserLookup& lookup = *lookups_.emplace(id.value, std::move(record)).first->second;

    PoolEntry* entry = pool_of(tenant_of(lookup_database, config.auth_user));
    if (entry == nullptr) {
        return lookup_failed(lookup, "there is no database \"" + lookup_database + "\"");
    }
    if (const auto server = entry->pool.acquire()) {
        return lookup_granted(lookup, *servers_.find(*server));
    }
    lookup.waits_in = entry;
    lookup.ticket = entry->pool.wait(id, now_);
    open_servers(*entry);
    arm(*entry);
}

void Core::lookup_granted(UserLookup& lookup, Server& server) {
    lookup.waits_in = nullptr;
    lookup.server = server.id;
    server.phase = Server::Phase::Leased;
    server.lookup_for = lookup.id();
    // No client's settings reach a query of pgweir's own.
    const session::ParametersRef& base = server.pool->tenant.base;
    const std::string difference =
        session::settings_difference(*server.session->parameters(), *base);
    if (!difference.empty()) {
        server.session->send_query(difference, session::Asker::Settings, *effects_);
        server.session->set_parameters(base);
    }
    lookup.ask(*server.session, *effects_);
}

void Core::lookup_ended(UserLookup& lookup, Server* server) {
    if (server != nullptr) {
        server->lookup_for = ClientId{};
        park(*server);
    }
    if (lookup.has_failed()) return lookup_failed(lookup, lookup.error());
    std::optional<auth::Secret> secret;
    if (lookup.secret()) {
        auto parsed = auth::parse_secret(*lookup.secret());
        if (parsed) secret = *parsed;
    }
    users_.learn(lookup.database(), lookup.user(), secret, now_);
    const std::vector<ClientId> askers = std::move(lookup.askers);
    lookups_.erase(lookup.id().value);
    for (ClientId id : askers) {
        Client* client = clients_.find(id);
        if (client == nullptr || client->phase != Client::Phase::UserLookup) continue;
        decide_with_secret(*client, client->lookup_method, secret);
    }
}

void Core::lookup_failed(UserLookup& lookup, const std::string& why) {
    log(LogLevel::Warning, "auth_query for user \"" + lookup.user() + "\" failed: " + why);
    const std::vector<ClientId> askers = std::move(lookup.askers);
    lookups_.erase(lookup.id().value);
    for (ClientId id : askers) {
        Client* client = clients_.find(id);
        if (client == nullptr || client->phase != Client::Phase::UserLookup) continue;
        refuse(*client, {.reason = wire::RefusalReason::UserLookupFailed});
    }
}

}  // namespace pgweir::proxy
