// SPDX-License-Identifier: PostgreSQL
// What several workers know, as one.
#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "pgweir/admin/show.h"

namespace pgweir::admin {
namespace {

// Rows of `other` with the key of a row in `into` are added to that one, the rest go behind.
template <typename Row, typename KeyOf, typename Add>
void merge_rows(std::vector<Row>& into, std::vector<Row>&& other, KeyOf key_of, Add add) {
    if (into.empty()) {
        into = std::move(other);
        return;
    }
    std::map<decltype(key_of(std::declval<const Row&>())), std::size_t> positions;
    for (std::size_t i = 0; i < into.size(); ++i) positions.emplace(key_of(into[i]), i);
    for (Row& row : other) {
        const auto [at, is_new] = positions.emplace(key_of(row), into.size());
        if (is_new) {
            into.push_back(std::move(row));
        } else {
            add(into[at->second], row);
        }
    }
}

template <typename Row>
void append_rows(std::vector<Row>& into, std::vector<Row>&& other) {
    into.insert(into.end(), std::make_move_iterator(other.begin()),
                std::make_move_iterator(other.end()));
}

void add_database(DatabaseRow& into, const DatabaseRow& other) {
    into.servers += other.servers;
    into.clients += other.clients;
    // A worker that has not heard of the pause yet still serves.
    into.paused = into.paused && other.paused;
    into.disabled = into.disabled || other.disabled;
    if (into.trouble.empty()) into.trouble = other.trouble;
    into.servers_ready += other.servers_ready;
}

void add_pool(PoolRow& into, const PoolRow& other) {
    into.clients_active += other.clients_active;
    into.clients_waiting += other.clients_waiting;
    into.cancels_active += other.cancels_active;
    into.cancels_waiting += other.cancels_waiting;
    into.servers_active += other.servers_active;
    into.servers_cancelling += other.servers_cancelling;
    into.servers_being_cancelled += other.servers_being_cancelled;
    into.servers_idle += other.servers_idle;
    into.servers_used += other.servers_used;
    into.servers_tested += other.servers_tested;
    into.servers_login += other.servers_login;
    into.wait_max = std::max(into.wait_max, other.wait_max);
}

void add_stats(StatsRow& into, const StatsRow& other) {
    into.total += other.total;
    into.period_start += other.period_start;
    into.period = std::max(into.period, other.period);
}

void add_user(UserRow& into, const UserRow& other) {
    into.servers += other.servers;
    into.clients += other.clients;
}

// Counts add up; the youngest evidence is shown.
void add_node(NodeRow& into, NodeRow& other) {
    const bool is_younger =
        other.evidence_age && (!into.evidence_age || *other.evidence_age < *into.evidence_age);
    if (is_younger) std::swap(into, other);
    into.reads += other.reads;
    into.writes += other.writes;
    into.retries += other.retries;
    into.outstanding += other.outstanding;
}

// What one worker has learned to be no read counts.
void add_route(RouteRow& into, RouteRow& other) {
    if (into.is_read && !other.is_read) std::swap(into, other);
    into.statements += other.statements;
    into.retries += other.retries;
}

}  // namespace

void merge(ShowData& into, ShowData&& other) {
    // Keys are copies: a view into a row would dangle when the rows move.
    merge_rows(
        into.databases, std::move(other.databases), [](const DatabaseRow& row) { return row.name; },
        add_database);
    merge_rows(
        into.pools, std::move(other.pools),
        [](const PoolRow& row) { return std::pair(row.database, row.user); }, add_pool);
    append_rows(into.clients, std::move(other.clients));
    append_rows(into.servers, std::move(other.servers));
    merge_rows(
        into.stats, std::move(other.stats), [](const StatsRow& row) { return row.database; },
        add_stats);
    merge_rows(
        into.users, std::move(other.users), [](const UserRow& row) { return row.name; }, add_user);
    merge_rows(
        into.nodes, std::move(other.nodes),
        [](const NodeRow& row) { return std::tuple(row.cluster, row.host, row.port); }, add_node);
    merge_rows(
        into.routes, std::move(other.routes), [](const RouteRow& row) { return row.shape; },
        add_route);
    append_rows(into.clusters, std::move(other.clusters));
    append_rows(into.events, std::move(other.events));
    if (into.route.knows < other.route.knows) into.route = std::move(other.route);
    if (into.config.empty()) into.config = std::move(other.config);
    into.counts.clients += other.counts.clients;
    into.counts.clients_at_login += other.counts.clients_at_login;
    into.counts.servers += other.counts.servers;
    into.paused = into.paused && other.paused;
    into.is_stopping = into.is_stopping || other.is_stopping;
    if (!into.origin_unix_us) into.origin_unix_us = other.origin_unix_us;
}

}  // namespace pgweir::admin
