// SPDX-License-Identifier: PostgreSQL
// Queries of pgweir's own on servers of the pools: auth_query, and the catalogs.
#include <utility>

#include "proxy/core.h"

namespace pgweir::proxy {

namespace {
// After a reading that failed.
constexpr Duration kCatalogRetry = Duration::seconds(2);
}  // namespace

Errand* Core::find_errand(ClientId id) {
    if ((id.value & kErrandBit) == 0) return nullptr;
    auto found = errands_.find(id.value);
    return found == errands_.end() ? nullptr : found->second.get();
}

// A server of the tenant's for it, now or when its turn comes. False: there is none to wait for.
bool Core::run_errand(Errand& errand, Tenant& tenant) {
    PoolEntry* entry = pool_of(tenant);
    if (entry == nullptr) return false;
    if (const auto server = entry->pool.acquire()) {
        errand_granted(errand, *servers_.find(*server));
        return true;
    }
    errand.waits_in = entry;
    errand.ticket = entry->pool.wait(errand.id(), now_);
    open_servers(*entry);
    arm(*entry);
    return true;
}

void Core::errand_granted(Errand& errand, Server& server) {
    errand.waits_in = nullptr;
    server.phase = Server::Phase::Leased;
    server.errand = errand.id();
    // No client's settings reach a query of pgweir's own.
    const session::ParametersRef& base = server.pool->tenant.base;
    const std::string difference =
        session::settings_difference(*server.session->parameters(), *base);
    if (!difference.empty()) {
        server.session->send_query(difference, session::Asker::Settings, *effects_);
        server.session->set_parameters(base);
        errand.settings_go_first();
    }
    errand.ask(*server.session, *effects_);
}

// The server is ready again, or lost (null).
void Core::errand_ended(Errand& errand, Server* server, const std::string& failure) {
    if (server != nullptr) {
        server->errand = ClientId{};
        park(*server);
    }
    auto found = errands_.find(errand.id().value);
    const std::unique_ptr<Errand> record = std::move(found->second);
    errands_.erase(found);
    const std::string why = failure.empty() ? record->error() : failure;
    if (auto* lookup = dynamic_cast<UserLookup*>(record.get())) {
        why.empty() ? user_found(*lookup) : user_lookup_failed(*lookup, why);
    } else if (auto* reading = dynamic_cast<CatalogRead*>(record.get())) {
        catalog_read(*reading, why);
    }
}

void Core::look_up_user(Client& client, auth::AuthMethod method) {
    client.phase = Client::Phase::UserLookup;
    client.lookup_method = method;
    const std::string database(client.login->startup().database());
    const std::string user(client.login->startup().user());
    for (auto& [id, errand] : errands_) {
        auto* lookup = dynamic_cast<UserLookup*>(errand.get());
        if (lookup == nullptr || lookup->database() != database || lookup->user() != user) continue;
        return lookup->askers.push_back(client.id);
    }
    const config::EffectivePool config = settings_->pool_for(database, user);
    const std::string& lookup_database =
        config.auth_database.empty() ? database : config.auth_database;
    const ClientId id = new_errand_id();
    auto record = std::make_unique<UserLookup>(id, database, user, config.auth_query);
    record->askers.push_back(client.id);
    UserLookup& lookup = *record;
    errands_.emplace(id.value, std::move(record));
    Tenant& tenant = tenant_of(lookup_database, config.auth_user);
    if (tenant.config.nodes.empty()) {
        return errand_ended(lookup, nullptr, "there is no database \"" + lookup_database + "\"");
    }
    if (!run_errand(lookup, tenant)) wait_for_view(*tenant.cluster, id);
}

// --- Catalogs -----------------------------------------------------------------------------------

// Reads the catalogs of the tenant's database, as it, unless that is under way.
void Core::want_catalog(Tenant& tenant) {
    CatalogEntry& entry = *tenant.catalog;
    if (entry.reading || now_ < entry.try_at) return;
    const ClientId id = new_errand_id();
    errands_.emplace(id.value, std::make_unique<CatalogRead>(id, tenant.database));
    entry.reading = id;
    entry.try_at = now_ + kCatalogRetry;
    if (!run_errand(*errands_[id.value], tenant)) {
        errands_.erase(id.value);
        entry.reading = ClientId{};
    }
}

void Core::catalog_read(CatalogRead& reading, const std::string& failure) {
    CatalogEntry& entry = *catalogs_[reading.database()];
    entry.reading = ClientId{};
    if (!failure.empty()) {
        log(LogLevel::Warning, "the catalog of database " + reading.database() +
                                   " could not be read (reads go to the primary): " + failure);
        return;
    }
    if (reading.is_outdated) {
        entry.try_at = now_;
        return;
    }
    entry.try_at = now_ + settings_->routing.catalog_interval();
    // Numbers of one worker are never another's.
    const std::uint64_t generation = ++last_catalog_ * pool::kWorkersMax + parts_.worker + 1;
    spread_catalog(reading.database(),
                   std::make_shared<const sql::Catalog>(generation, reading.take_rows()));
}

void Core::definitions_changed() {
    statements_.begin_epoch();
    for (WorkerIndex worker = 0; worker < parts_.workers; ++worker) {
        if (worker != parts_.worker) post(worker, std::make_unique<DefinitionsChanged>());
    }
}

// This worker's own client changed something.
void Core::schema_changed(const std::string& database) {
    spread_catalog(database, nullptr);
    for (WorkerIndex worker = 0; worker < parts_.workers; ++worker) {
        if (worker == parts_.worker) continue;
        auto changed = std::make_unique<SchemaChanged>();
        changed->database = database;
        post(worker, std::move(changed));
    }
}

// Null: what was known may be wrong by now.
void Core::spread_catalog(const std::string& database, const sql::CatalogRef& catalog) {
    CatalogEntry& entry = *catalogs_[database];
    entry.catalog = catalog;
    if (catalog == nullptr) {
        entry.try_at = now_;
        if (Errand* reading = find_errand(entry.reading)) {
            static_cast<CatalogRead*>(reading)->is_outdated = true;
        }
    }
    for (auto& [name, tenant] : tenants_) {
        if (tenant->catalog == &entry) tenant->rules.split.catalog = catalog;
    }
}

// --- auth_query ---------------------------------------------------------------------------------

void Core::user_found(UserLookup& lookup) {
    std::optional<auth::Secret> secret;
    if (lookup.secret()) {
        auto parsed = auth::parse_secret(*lookup.secret());
        if (parsed) secret = *parsed;
    }
    users_.learn(lookup.database(), lookup.user(), secret, now_);
    for (ClientId id : lookup.askers) {
        Client* client = clients_.find(id);
        if (client == nullptr || client->phase != Client::Phase::UserLookup) continue;
        decide_with_secret(*client, client->lookup_method, secret);
    }
}

void Core::user_lookup_failed(UserLookup& lookup, const std::string& why) {
    log(LogLevel::Warning, "auth_query for user \"" + lookup.user() + "\" failed: " + why);
    for (ClientId id : lookup.askers) {
        Client* client = clients_.find(id);
        if (client == nullptr || client->phase != Client::Phase::UserLookup) continue;
        refuse(*client, {.reason = wire::RefusalReason::UserLookupFailed});
    }
}

}  // namespace pgweir::proxy
