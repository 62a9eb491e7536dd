// SPDX-License-Identifier: PostgreSQL
// Tenants and pools: who gets a server, when one is opened, when one is closed.
#include <algorithm>
#include <utility>

#include "proxy/core.h"
#include "proxy/words.h"

namespace pgweir::proxy {

namespace {

constexpr Duration kRetryPause = Duration::milliseconds(10);
// A server of another worker that could make room may become idle without anybody's asking again.
constexpr Duration kAskAgain = Duration::seconds(1);

std::string_view option_of(pool::Scope scope) {
    switch (scope) {
        case pool::Scope::ServersInAll:
            return "max_server_connections";
        case pool::Scope::ServersOfNode:
            return "max_node_connections";
        case pool::Scope::ServersOfDatabase:
            return "max_db_connections";
        case pool::Scope::ServersOfUser:
            return "max_user_connections";
        default:
            return "pool_size";
    }
}

// Whether servers of pool `other` count towards the limit that pool `key` has reached.
bool counts_towards(const pool::PoolKey& other, const pool::PoolKey& key, pool::Scope scope) {
    switch (scope) {
        case pool::Scope::ServersInAll:
            return true;
        case pool::Scope::ServersOfNode:
            return other.node == key.node;
        case pool::Scope::ServersOfDatabase:
            return other.database == key.database;
        case pool::Scope::ServersOfUser:
            return other.user == key.user;
        default:
            return other == key;
    }
}

}  // namespace

Tenant& Core::tenant_of(const std::string& database, const std::string& user) {
    auto& tenant = tenants_[{database, user}];
    if (tenant == nullptr) {
        tenant = std::make_unique<Tenant>();
        tenant->database = database;
        tenant->user = user;
        configure(*tenant);
        if (stats_deadline_.is_never()) note_stats();
    }
    return *tenant;
}

void Core::configure(Tenant& tenant) {
    tenant.pool = nullptr;
    tenant.catalog = nullptr;
    tenant.config = settings_->pool_for(tenant.database, tenant.user);
    tenant.rules = {.carries_statements = tenant.config.pool_mode != config::PoolMode::Session,
                    .forbids_transactions = tenant.config.pool_mode == config::PoolMode::Statement,
                    .server_statements_max = settings_->limits.max_prepared_statements(),
                    .client_statements_max = settings_->limits.max_client_prepared_statements(),
                    .message_bytes_max = settings_->limits.max_message_size().bytes,
                    .buffered_bytes_max = settings_->limits.max_buffered_message().bytes,
                    .split = {}};
    configure_cluster(tenant);
    const config::EffectivePool& config = tenant.config;
    tenant.has_client_timeouts = config.query_timeout || config.transaction_timeout ||
                                 config.idle_transaction_timeout || config.client_idle_timeout;
    // A user whose password we know from the settings needs no login of a client to open servers.
    if (const config::UserSettings* user = settings_->find_user(tenant.config.server_user)) {
        if (std::holds_alternative<std::monostate>(tenant.secret) && !user->password().empty()) {
            auto secret = auth::parse_secret(user->password());
            if (secret && std::holds_alternative<auth::PlainPassword>(*secret)) {
                tenant.secret = std::get<auth::PlainPassword>(*secret);
            }
        }
    }
}

PoolEntry* Core::pool_of(Tenant& tenant) {
    if (tenant.cluster != nullptr) return primary_pool(tenant);
    if (tenant.pool != nullptr) return tenant.pool;
    if (tenant.config.nodes.empty()) return nullptr;
    return tenant.pool = &pool_on(tenant, tenant.config.nodes.front());
}

PoolEntry& Core::pool_on(Tenant& tenant, const cluster::NodeView& node) {
    for (const auto& [id, entry] : tenant.node_pools) {
        if (id == node.id) return *entry;
    }
    PoolEntry& entry = pool_on(tenant, node.address);
    entry.node = node.id;
    take_standing(entry, node);
    tenant.node_pools.emplace_back(node.id, &entry);
    return entry;
}

PoolEntry& Core::pool_on(Tenant& tenant, const NodeAddress& node) {
    pool::PoolKey key{tenant.database, tenant.user, text(node)};
    auto found = pools_.find(key);
    if (found != pools_.end()) return *found->second;
    const auto& timeouts = settings_->timeouts;
    const PoolId id{++last_pool_};
    auto entry = std::make_unique<PoolEntry>(
        tenant, node, id, key, parts_.limits.wait_board(key.text()), parts_.worker,
        pool::LoginGate(timeouts.server_login_retry(), timeouts.server_login_retry_max()));
    entry->node_gate = &gate_of(entry->address);
    if (paused_.contains(tenant.database) || paused_.contains("")) entry->pool.pause();
    pools_by_id_[id.value] = entry.get();
    return *pools_.emplace(std::move(key), std::move(entry)).first->second;
}

pool::LoginGate& Core::gate_of(const NodeAddress& address) {
    const auto& timeouts = settings_->timeouts;
    return gates_
        .try_emplace(text(address), timeouts.server_login_retry(),
                     timeouts.server_login_retry_max())
        .first->second;
}

// --- Opening ----------------------------------------------------------------------------------

void Core::open_servers(PoolEntry& entry) {
    // Refused a permit: nothing changes until one is given back (retry_starving).
    if (life_ == Life::Stopped || life_ == Life::Ending || entry.is_starving) return;
    if (entry.is_shut) return;
    if (now_ < entry.yields_until) return arm(entry);
    std::size_t wanted = entry.pool.servers_wanted(pool_size_min(entry));
    pool::LoginGate& node_gate = *entry.node_gate;
    while (wanted > 0 && node_gate.may_try(now_) && entry.gate.may_try(now_)) {
        auto permit = permit_for(entry);
        if (!permit) break;
        entry.pool.opening();
        node_gate.tried();
        entry.gate.tried();
        open_server(entry, std::move(*permit));
        --wanted;
    }
    if (wanted > 0) arm(entry);
}

std::size_t Core::pool_size_min(const PoolEntry& entry) const {
    const Tenant& tenant = entry.tenant;
    const bool is_kept = tenant.clients > 0 || tenant.config.user_is_fixed;
    if (!is_kept || life_ != Life::Running || entry.is_shut) return 0;
    config::Count warm = 0;
    if (entry.is_warm) warm = std::min(settings_->cluster.warm_servers(), tenant.config.pool_size);
    return std::max(tenant.config.min_pool_size, warm);
}

std::optional<pool::Permit> Core::permit_for(PoolEntry& entry) {
    const config::EffectivePool& config = entry.tenant.config;
    const pool::PoolKey& key = entry.pool.key();
    const std::string pool_name = key.text();
    std::uint64_t pool_size = config.pool_size;
    if (const pool::Waiter* first = entry.pool.line().front();
        first != nullptr && config.reserve_pool_size > 0 && config.reserve_pool_timeout &&
        now_ - first->since >= config.reserve_pool_timeout) {
        pool_size += config.reserve_pool_size;
    }
    const std::array<pool::Claim, 5> claims = {
        {{pool::Scope::ServersOfPool, pool_name, pool_size},
         {pool::Scope::ServersOfDatabase, key.database, config.max_db_connections},
         {pool::Scope::ServersOfUser, key.user, config.max_user_connections},
         {pool::Scope::ServersOfNode, key.node, settings_->limits.max_node_connections()},
         {pool::Scope::ServersInAll, {}, settings_->limits.max_server_connections()}}};
    // Evicted servers count until they have gone: the permit comes with a later event.
    std::size_t refused_by = 0;
    if (auto permit = parts_.limits.acquire(claims, refused_by)) {
        entry.is_starving = false;
        return permit;
    }
    const pool::Scope scope = claims[refused_by].scope;
    entry.full_option = option_of(scope);
    entry.full_limit = claims[refused_by].limit;
    // A server that nobody waits for is not worth another's.
    if (entry.pool.waiting() == 0) return std::nullopt;
    const bool was_starving = entry.is_starving;
    entry.is_starving = true;
    parts_.limits.mark_starving(parts_.worker);
    if (scope != pool::Scope::ServersOfPool && !was_starving) make_room(key, scope, &entry);
    if (parts_.workers > 1 && !was_starving) ask_for_server(entry, scope);
    // Another worker may have given a permit back between the refusal and the mark.
    if (auto permit = parts_.limits.acquire(claims, refused_by)) {
        entry.is_starving = false;
        return permit;
    }
    return std::nullopt;
}

void Core::make_room(const pool::PoolKey& key, pool::Scope scope, const PoolEntry* except) {
    if (evict_idle(key, scope, except)) return;
    const std::pair<pool::PoolKey, pool::Scope> need{key, scope};
    if (std::find(unmet_needs_.begin(), unmet_needs_.end(), need) == unmet_needs_.end()) {
        unmet_needs_.push_back(need);
    }
}

// A server of the pool `key` would be idle now, and somebody waits for such a one to go.
bool Core::is_needed_elsewhere(const pool::PoolKey& key) {
    auto found = std::find_if(unmet_needs_.begin(), unmet_needs_.end(), [&key](const auto& need) {
        return counts_towards(key, need.first, need.second);
    });
    if (found == unmet_needs_.end()) return false;
    unmet_needs_.erase(found);
    return true;
}

bool Core::evict_idle(const pool::PoolKey& key, pool::Scope scope, const PoolEntry* except) {
    PoolEntry* longest = nullptr;
    for (auto& [other_key, other] : pools_) {
        if (other.get() == except || other->pool.idle().empty()) continue;
        if (!counts_towards(other_key, key, scope)) continue;
        if (longest == nullptr ||
            other->pool.idle().front().since < longest->pool.idle().front().since) {
            longest = other.get();
        }
    }
    if (longest == nullptr) return false;
    const ServerId id = longest->pool.take_idle();
    close_server(*servers_.find(id), "it makes room for another pool");
    // Whoever needs it comes first.
    longest->yields_until = now_ + kYieldTime;
    return true;
}

void Core::permit_freed() {
    is_retry_wanted_ = true;
    if (parts_.workers == 1 || !parts_.limits.anyone_starves()) return;
    const std::uint64_t starving = parts_.limits.take_starving();
    for (WorkerIndex worker = 0; worker < parts_.workers; ++worker) {
        if (worker == parts_.worker || (starving & (std::uint64_t{1} << worker)) == 0) continue;
        post(worker, std::make_unique<PermitFreed>());
    }
}

void Core::retry_starving() {
    for (auto& [key, entry] : pools_) {
        entry->is_starving = false;
        if (entry->pool.waiting() > 0) open_servers(*entry);
    }
}

// --- Granting ---------------------------------------------------------------------------------

void Core::grant(const pool::Grant& granted) {
    Server& server = *servers_.find(granted.server);
    if (Errand* errand = find_errand(granted.client)) return errand_granted(*errand, server);
    Client& client = *clients_.find(granted.client);
    client.is_waiting = false;
    client.waits_in = nullptr;
    if (!may_serve(client, server)) return decline(client, server);
    begin_lease(client, server, granted.waited_since);
    if (client.phase == Client::Phase::Greeting) return try_parameters(client, server);
    to_pump_.push_back(client.id);
}

// --- Time -------------------------------------------------------------------------------------

Instant Core::pool_deadline(PoolEntry& entry) {
    const config::EffectivePool& config = entry.tenant.config;
    Instant deadline = Instant::never();
    if (const pool::Waiter* first = entry.pool.line().front()) {
        deadline = deadline_after(first->since, config.query_wait_timeout);
        // The first that was not told yet may stand behind one that was.
        entry.pool.line().for_each([&](const pool::Waiter& waiter) {
            if (waiter.was_notified) return;
            deadline = std::min(deadline, deadline_after(waiter.since, config.query_wait_notify));
        });
        if (config.reserve_pool_size > 0 && config.reserve_pool_timeout) {
            const Instant reserve = first->since + config.reserve_pool_timeout;
            if (reserve > now_) deadline = std::min(deadline, reserve);
        }
        deadline = std::min({deadline, entry.node_gate->next_try(), entry.gate.next_try()});
        if (entry.is_starving && parts_.workers > 1) {
            deadline = std::min(deadline, now_ + kAskAgain);
        }
        if (entry.yields_until > now_) deadline = std::min(deadline, entry.yields_until);
    } else if (entry.pool.servers_wanted(pool_size_min(entry)) > 0) {
        deadline = std::min(entry.node_gate->next_try(), entry.gate.next_try());
    }
    if (!entry.pool.idle().empty()) {
        const pool::Pool::Idle& oldest = entry.pool.idle().front();
        deadline = std::min(deadline, deadline_after(oldest.since, config.server_idle_timeout));
        for (const pool::Pool::Idle& idle : entry.pool.idle()) {
            deadline = std::min(deadline, servers_.find(idle.server)->expires);
        }
    }
    return deadline;
}

// As for clients: only an earlier deadline sets the timer.
void Core::arm(PoolEntry& entry) {
    Instant deadline = pool_deadline(entry);
    // What is due now and could not be done is tried again in a while, not at once.
    if (deadline <= now_) deadline = now_ + kRetryPause;
    if (deadline >= entry.timer) return;
    entry.timer = deadline;
    pool_timers_.set(entry.pool.id().value, deadline);
}

void Core::pool_timer(PoolEntry& entry) {
    entry.timer = Instant::never();
    notify_and_refuse(entry);
    close_idle(entry);
    const bool may_have_room = entry.tenant.config.reserve_pool_size > 0 || parts_.workers > 1;
    if (entry.is_starving && may_have_room) entry.is_starving = false;
    open_servers(entry);
    if (entry.timer.is_never()) {
        Instant deadline = pool_deadline(entry);
        if (deadline.is_never()) return;
        if (deadline <= now_) deadline = now_ + kRetryPause;
        entry.timer = deadline;
        pool_timers_.set(entry.pool.id().value, deadline);
    }
}

void Core::close_idle(PoolEntry& entry) {
    const config::EffectivePool& config = entry.tenant.config;
    std::vector<ServerId> ending;
    const std::size_t kept = std::max<std::size_t>(config.min_pool_size, pool_size_min(entry));
    std::size_t size = entry.pool.size();
    for (const pool::Pool::Idle& idle : entry.pool.idle()) {
        const Server& server = *servers_.find(idle.server);
        const bool is_unused = config.server_idle_timeout &&
                               now_ - idle.since >= config.server_idle_timeout && size > kept;
        if (!is_unused && now_ < server.expires) continue;
        ending.push_back(idle.server);
        --size;
    }
    for (ServerId id : ending) {
        entry.pool.lost_idle(id);
        close_server(*servers_.find(id), "server_idle_timeout or server_lifetime");
    }
}

void Core::notify_and_refuse(PoolEntry& entry) {
    const config::EffectivePool& config = entry.tenant.config;
    std::vector<ClientId> late;
    std::vector<ClientId> told;
    entry.pool.line().for_each([&](pool::Waiter& waiter) {
        const Duration waited = now_ - waiter.since;
        if (config.query_wait_timeout && waited >= config.query_wait_timeout) {
            late.push_back(waiter.client);
        } else if (config.query_wait_notify && waited >= config.query_wait_notify &&
                   !waiter.was_notified) {
            waiter.was_notified = true;
            told.push_back(waiter.client);
        }
    });
    for (ClientId id : told) {
        Client* client = clients_.find(id);
        if (client == nullptr || client->phase != Client::Phase::Session) continue;
        Bytes out;
        wire::append(out, {.reason = wire::RefusalReason::QueryWaitNotice,
                           .subject = entry.pool.key().text(),
                           .option = entry.full_option,
                           .value = std::to_string(entry.full_limit)});
        send(id, out);
    }
    if (late.empty()) return;
    const wire::Refusal refusal = wait_timeout_refusal(entry);
    for (ClientId id : late) refuse_waiter(entry, id, refusal);
}

wire::Refusal Core::wait_timeout_refusal(PoolEntry& entry) const {
    wire::Refusal refusal{.reason = wire::RefusalReason::QueryWaitTimeout,
                          .subject = entry.pool.key().text(),
                          .limit = text(entry.tenant.config.query_wait_timeout),
                          .detail = entry.last_failure};
    if (entry.pool.is_paused()) {
        return {.reason = wire::RefusalReason::Paused,
                .subject = entry.tenant.database,
                .limit = text(entry.tenant.config.query_wait_timeout)};
    }
    if (entry.last_failure.empty() && entry.full_limit > 0) {
        refusal.option = entry.full_option;
        refusal.value = std::to_string(entry.full_limit);
    }
    return refusal;
}

wire::Refusal Core::trouble_refusal(PoolEntry& entry) const {
    return {.reason = wire::RefusalReason::ServerLoginFailed,
            .subject = entry.pool.key().text(),
            .detail = entry.trouble.message,
            .sqlstate = entry.trouble.sqlstate};
}

void Core::refuse_waiter(PoolEntry& entry, ClientId id, const wire::Refusal& refusal) {
    if (Errand* errand = find_errand(id)) {
        entry.pool.leave(errand->ticket);
        errand->waits_in = nullptr;
        return errand_ended(*errand, nullptr, wire::describe(refusal).message);
    }
    if (Client* client = clients_.find(id)) refuse_waiting(*client, refusal);
}

void Core::refuse_waiting(Client& client, const wire::Refusal& refusal) {
    leave_line(client);
    client.routed_at = Instant{};
    client.has_waited_enough = false;
    if (client.session == nullptr) return refuse(client, refusal);
    if (settings_->general.log_pooler_errors()) {
        log(LogLevel::Warning, "client " + client.host + ":" + std::to_string(client.port) + ": " +
                                   wire::describe(refusal).message);
    }
    client.ready_at = now_;
    client.session->refuse_unit(refusal, *effects_);
    to_pump_.push_back(client.id);
}

void Core::fail_waiters(PoolEntry& entry, const wire::Refusal& refusal) {
    std::vector<ClientId> waiting;
    entry.pool.line().for_each(
        [&](const pool::Waiter& waiter) { waiting.push_back(waiter.client); });
    for (ClientId id : waiting) refuse_waiter(entry, id, refusal);
}

}  // namespace pgweir::proxy
