// SPDX-License-Identifier: PostgreSQL
// What the console shows of read/write splitting: nodes, shapes, and where a statement would go.
#include <algorithm>
#include <utility>

#include "proxy/core.h"
#include "proxy/words.h"

namespace pgweir::proxy {

namespace {

// Of each worker.
constexpr std::size_t kShapesMax = 100;

std::string name_of_node(const NodeAddress& address) {
    return address.host + ":" + std::to_string(address.port);
}

std::string_view role_name(cluster::Role role) {
    switch (role) {
        case cluster::Role::Primary:
            return "primary";
        case cluster::Role::Standby:
            return "standby";
        case cluster::Role::Unknown:
            break;
    }
    return "unknown";
}

bool is_lag_known(const cluster::NodeView& node) {
    return node.role == cluster::Role::Standby && node.lsn &&
           node.trouble != cluster::Trouble::LagUnknown &&
           node.trouble != cluster::Trouble::Stranger;
}

}  // namespace

// --- SHOW NODES, SHOW LAG -----------------------------------------------------------------------

std::string Core::databases_of(const ClusterEntry& entry) const {
    std::string databases;
    for (const auto& [name, database] : settings_->databases()) {
        if (cluster_key(settings_->pool_for(name, {}).nodes) != entry.key) continue;
        if (!databases.empty()) databases += ", ";
        databases += name;
    }
    return databases;
}

std::string Core::state_of(const cluster::ClusterView& view, const cluster::NodeView& node) const {
    if (node.trouble != cluster::Trouble::None) {
        std::string state(words(node.trouble));
        if (!node.detail.empty()) state += ": " + node.detail;
        return state;
    }
    const Duration age_max = settings_->cluster.evidence_age_max();
    const bool is_old = age_max && now_ - node.evidence_at > age_max;
    return is_old && !view.is_blind ? "not seen for too long" : "ok";
}

admin::NodeRow Core::node_row(const ClusterEntry& entry, std::size_t place) const {
    const cluster::NodeView& node = entry.view->nodes[place];
    const cluster::NodeView* primary = entry.view->find(entry.view->primary);
    admin::NodeRow row{.cluster = entry.key,
                       .host = node.address.host,
                       .port = node.address.port,
                       .role = std::string(role_name(node.role)),
                       .zone = node.zone,
                       .weight = node.weight,
                       .lag_bytes_max = settings_->routing.max_replica_lag_bytes().bytes,
                       .lag_time_max = settings_->routing.max_replica_lag(),
                       .state = state_of(*entry.view, node),
                       .reads = entry.stats[place].reads,
                       .writes = entry.stats[place].writes,
                       .retries = entry.stats[place].retries,
                       .outstanding = entry.loads[place].outstanding};
    if (node.timeline != 0) row.timeline = node.timeline;
    if (node.lsn) row.lsn = cluster::text(node.lsn);
    if (primary != nullptr && primary->lsn) row.primary_lsn = cluster::text(primary->lsn);
    if (is_lag_known(node)) {
        row.lag_bytes = node.lag_bytes;
        row.lag_time = node.lag_time;
    }
    if (node.round_trip) row.round_trip = node.round_trip;
    if (node.evidence_at != Instant{}) row.evidence_age = now_ - node.evidence_at;
    if (node.role_since != Instant{}) row.role_since = node.role_since;
    return row;
}

void Core::show_events(admin::ShowData& data) const {
    for (const auto& [key, entry] : clusters_) {
        const std::string databases = databases_of(*entry);
        for (const cluster::ClusterEvent& event : entry->events) {
            const cluster::NodeView* node =
                entry->view != nullptr ? entry->view->find(event.node) : nullptr;
            data.events.push_back({.databases = databases,
                                   .at = event.at,
                                   .node = node != nullptr ? text(node->address) : std::string(),
                                   .is_alarm = event.is_alarm,
                                   .text = event.text});
        }
    }
}

void Core::show_nodes(admin::ShowData& data) const {
    for (const auto& [key, entry] : clusters_) {
        // A cluster that a reload has left without a database is still observed, but nobody's.
        const std::string databases = databases_of(*entry);
        if (entry->view == nullptr || databases.empty()) continue;
        for (std::size_t place = 0; place < entry->view->nodes.size(); ++place) {
            data.nodes.push_back(node_row(*entry, place));
            data.nodes.back().databases = databases;
        }
    }
}

// --- Over HTTP ----------------------------------------------------------------------------------

void Core::show_clusters(admin::ShowData& data) const {
    for (const auto& [key, entry] : clusters_) {
        std::string databases = databases_of(*entry);
        if (entry->observed == nullptr || databases.empty()) continue;
        data.clusters.push_back({.databases = std::move(databases),
                                 .failovers = entry->counts.failovers,
                                 .lost_sessions = entry->counts.lost_sessions,
                                 .lost_bytes = entry->counts.lost_bytes,
                                 .changes = entry->counts.changes,
                                 .alarms = entry->counts.alarms});
    }
}

// Of several nodes, looks tell. Of one, its logins do, for a while: who says for ever that it can't
// be used sees to it that nobody tries again.
void Core::note_trouble(admin::DatabaseRow& row, const config::EffectivePool& config) const {
    if (config.nodes.size() > 1) {
        row.trouble = trouble_of_nodes(config);
        return;
    }
    for (const auto& [key, entry] : pools_) {
        if (key.database != row.name) continue;
        row.servers_ready += entry->pool.size() - entry->pool.opening_count();
        for (const pool::LoginGate* gate : {&entry->gate, entry->node_gate}) {
            const Instant next = gate->next_try();
            const bool is_recent =
                next.is_never() || now_ < next + settings_->timeouts.server_login_retry_max();
            if (gate->is_failing() && is_recent) {
                row.trouble = "logins to " + text(entry->address) + " fail";
            }
        }
    }
}

std::string Core::trouble_of_nodes(const config::EffectivePool& config) const {
    const auto found = clusters_.find(cluster_key(config.nodes));
    if (found == clusters_.end() || found->second->view == nullptr) {
        return "no node has been seen yet";
    }
    const cluster::ClusterView& view = *found->second->view;
    std::string trouble;
    for (const cluster::NodeView& node : view.nodes) {
        const bool is_ok = state_of(view, node) == "ok";
        if (is_ok && (view.is_blind || node.role != cluster::Role::Unknown)) return {};
        // Not what the node itself says: that is for the console.
        trouble +=
            (trouble.empty() ? "" : "; ") + text(node.address) + " is " +
            (is_ok || node.trouble == cluster::Trouble::None ? "not seen for too long"
                                                             : std::string(words(node.trouble)));
    }
    return trouble;
}

// --- SHOW ROUTES --------------------------------------------------------------------------------

void Core::show_routes(admin::ShowData& data) const {
    for (sql::ShapeCount& shape : judge_.classifier.top_shapes(kShapesMax)) {
        const sql::Verdict& verdict = shape.verdict;
        data.routes.push_back(
            {.shape = std::move(shape.shape),
             .statements = shape.statements,
             .retries = shape.retries,
             .is_read = verdict.is_read,
             .reason = verdict.is_read ? "" : std::string(sql::name_of(verdict.reason))});
    }
}

// --- EXPLAIN ROUTE ------------------------------------------------------------------------------

Result<std::string, wire::Refusal> Core::explained_database(
    const admin::AdminCommand& command) const {
    if (!command.database.empty()) {
        if (!settings_->pool_for(command.database, {}).nodes.empty()) return command.database;
        return failure(wire::Refusal{.reason = wire::RefusalReason::ConsoleUnknownDatabase,
                                     .subject = command.database});
    }
    std::vector<std::string> names;
    for (const auto& [name, database] : settings_->databases()) {
        const bool is_pattern = name == "*";
        if (!is_pattern && settings_->pool_for(name, {}).nodes.size() > 1) names.push_back(name);
    }
    if (names.size() == 1) return names.front();
    std::string which;
    for (const std::string& name : names) which += (which.empty() ? "" : ", ") + name;
    return failure(wire::Refusal{
        .reason = wire::RefusalReason::ConsoleFailed,
        .subject = "EXPLAIN ROUTE",
        .detail = (names.empty() ? "No database with several nodes is configured by name"
                                 : "Several databases have several nodes (" + which + ")") +
                  std::string(": say which by EXPLAIN ROUTE ON database statement.")});
}

// Null if it is not known here; then it is asked for, if anybody may ask.
sql::CatalogRef Core::catalog_to_explain(const std::string& database) {
    const auto found = catalogs_.find(database);
    if (found == catalogs_.end()) return nullptr;
    for (auto& [name, tenant] : tenants_) {
        if (found->second->catalog != nullptr) break;
        if (tenant->catalog == found->second.get()) want_catalog(*tenant);
    }
    return found->second->catalog;
}

namespace {

using Lines = std::vector<std::string>;

// Where what is no read by itself may run all the same, or where no node is asked; else empty.
std::string_view words_of_own(const sql::Verdict& verdict) {
    if (verdict.own != sql::OwnCommand::None) return "pgweir: answers it; no node sees it";
    if (verdict.transaction == sql::TransactionStep::Begin) {
        return "transaction: its first statement says where it runs: READ ONLY (and not "
               "SERIALIZABLE) where a read would, else on the primary";
    }
    if (verdict.transaction != sql::TransactionStep::None) {
        return "transaction: it runs where its transaction runs";
    }
    return {};
}

std::string headline(const sql::Verdict& verdict) {
    const std::string_view own = words_of_own(verdict);
    if (!own.empty()) return std::string(own);
    if (verdict.is_read) return "read: a standby may serve it";
    return "primary: no read (" + std::string(sql::name_of(verdict.reason)) + ")";
}

void explain_verdict(const sql::Explanation& explanation, Lines& lines) {
    const sql::Verdict& verdict = explanation.verdict;
    lines.push_back(headline(verdict));
    for (const std::string& word : explanation.words) lines.push_back("  because it " + word);
    lines.push_back("shape: " + explanation.shape);
    const sql::Hints& hints = verdict.hints;
    if (hints.is_wrong) lines.push_back("hint: wrong, and ignored");
    if (hints.is_wrong) return;
    if (hints.route == sql::RouteHint::Primary) lines.push_back("hint: primary");
    if (hints.route == sql::RouteHint::Replica) lines.push_back("hint: replica");
    if (hints.has_consistency) {
        lines.push_back("hint: consistency=" + std::string(words(hints.consistency)));
    }
}

// Why the database's settings overrule the statement's own verdict; empty: they don't.
std::string_view words_of_settings(const config::EffectivePool& config, bool is_split) {
    if (is_split && config.split == config::Split::Shadow) {
        return "split is shadow: everything runs on the primary";
    }
    if (config.route == config::DatabaseRoute::Replica) {
        return "route is replica: everything runs on standbys";
    }
    if (config.route == config::DatabaseRoute::Primary) {
        return "route is primary: everything runs on the primary";
    }
    if (config.split == config::Split::Off) return "split is off: everything runs on the primary";
    if (config.pool_mode == config::PoolMode::Session) {
        return "pool_mode is session: everything runs on the primary";
    }
    return {};
}

// What the statement is, and what the settings of its database make of that.
sql::Verdict explain_statement(const sql::Classifier& classifier,
                               const sql::Classifier::Question& question,
                               const config::EffectivePool& config, bool is_split,
                               admin::RouteExplanation& answer) {
    const sql::Explanation explanation = classifier.explain(question);
    explain_verdict(explanation, answer.lines);
    const std::string_view overruled = words_of_settings(config, is_split);
    if (!overruled.empty()) answer.lines.emplace_back(overruled);
    if (question.catalog != nullptr) {
        answer.knows += 2;
    } else if (is_split && !explanation.verdict.is_read) {
        answer.lines.emplace_back(
            "the catalog of the database is not known here yet: it is read when clients come");
    }
    return explanation.verdict;
}

// As it is for the session of a client that has said nothing else.
route::Request plain_request(const sql::Verdict& verdict, const config::EffectivePool& config,
                             bool is_split, Instant now) {
    const bool is_alias = config.route == config::DatabaseRoute::Replica;
    route::Request request;
    request.arrived_at = now;
    request.is_read = is_alias;
    request.hint = is_alias ? sql::RouteHint::Replica : sql::RouteHint::None;
    request.consistency = sql::Consistency::Eventual;
    if (!is_split) return request;
    const sql::Hints hints = verdict.hints.is_wrong ? sql::Hints{} : verdict.hints;
    request.is_read = (is_alias || verdict.is_read) && config.split == config::Split::On;
    if (!is_alias) request.hint = hints.route;
    request.consistency = hints.has_consistency ? hints.consistency
                                                : static_cast<sql::Consistency>(config.consistency);
    return request;
}

bool wants_primary(const route::Request& request) {
    return !request.is_read || request.hint == sql::RouteHint::Primary ||
           request.consistency == sql::Consistency::Primary;
}

std::string_view words_of_part(const cluster::ClusterView& view, const cluster::NodeView& node,
                               const route::Request& request, const route::RouteRules& rules) {
    if (view.is_blind || wants_primary(request)) {
        return node.id == view.primary ? "serves it" : "does not serve it";
    }
    if (node.role == cluster::Role::Standby) return "may serve it";
    const bool is_never = rules.primary_reads == route::PrimaryReads::Never ||
                          request.hint == sql::RouteHint::Replica;
    if (node.id != view.primary || is_never) return "does not serve it";
    return rules.primary_reads == route::PrimaryReads::Share ? "may serve it"
                                                             : "serves it if no standby can";
}

}  // namespace

void Core::explain_nodes(const ClusterEntry& entry, const config::EffectivePool& config,
                         const route::Request& request, Lines& lines) {
    const cluster::ClusterView& view = *entry.view;
    const route::RouteRules rules = route_rules_of(config);
    const auto name = [&view](NodeId id) { return name_of_node(view.find(id)->address); };
    // What is explained leaves no trace: other draws, no session.
    Random random = random_;
    cluster::Freshness nothing_seen;
    const route::Route route =
        route::decide(request, view, nothing_seen, entry.loads, rules, now_, random);
    std::string line = "now: ";
    if (route.verdict == route::Route::Verdict::Node) {
        line += name(route.node);
    } else {
        line += route.verdict == route::Route::Verdict::Wait ? "it waits" : "it fails";
        if (route.otherwise) line += "; if in vain: " + name(route.otherwise);
    }
    lines.push_back(line + " (" + std::string(route::words(route.reason)) + ")");
    for (const cluster::NodeView& node : view.nodes) {
        const std::string state = state_of(view, node);
        const std::string_view part = state == "ok" ? words_of_part(view, node, request, rules)
                                                    : std::string_view("does not serve it");
        lines.push_back("node " + name_of_node(node.address) + ", " +
                        std::string(role_name(node.role)) + ": " + state + "; " +
                        std::string(part));
    }
}

// For a session that has seen and set nothing.
admin::RouteExplanation Core::explain_route(const std::string& database,
                                            std::string_view statement) {
    const config::EffectivePool config = settings_->pool_for(database, {});
    if (config.nodes.empty()) return {};
    if (config.nodes.size() == 1) {
        return {.knows = 1,
                .lines = {"database " + database + " has one node, " +
                          name_of_node(config.nodes.front()) + ": everything runs there"}};
    }
    admin::RouteExplanation answer;
    const sql::CatalogRef catalog = catalog_to_explain(database);
    const bool is_judged = is_split(config);
    const sql::Verdict verdict =
        explain_statement(judge_.classifier, {.text = statement, .catalog = catalog.get()}, config,
                          is_judged, answer);
    const auto found = clusters_.find(cluster_key(config.nodes));
    if (found == clusters_.end() || found->second->view == nullptr) {
        answer.lines.emplace_back("no node has been seen yet");
        return answer;
    }
    ++answer.knows;
    const bool is_plain = words_of_settings(config, is_judged).empty();
    if (is_plain && !words_of_own(verdict).empty()) return answer;
    const route::Request request = plain_request(verdict, config, is_judged, now_);
    answer.lines.push_back(wants_primary(request) ? "wants: the primary"
                                                  : "wants: a standby, consistency " +
                                                        std::string(words(request.consistency)));
    explain_nodes(*found->second, config, request, answer.lines);
    return answer;
}

}  // namespace pgweir::proxy
