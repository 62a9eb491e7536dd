// SPDX-License-Identifier: PostgreSQL
// The options of databases with several nodes: where reads go, how nodes are observed, and what
// happens when the primary is another one.
#pragma once

#include <string>

#include "pgweir/config/option.h"

namespace pgweir::config {

struct RoutingSettings : OptionGroup {
    RoutingSettings() : OptionGroup("routing") {}

    Option<Split> split{
        this,
        {.name = "split",
         .fallback = Split::On,
         .doc =
             "Reads of databases with several nodes go to standbys: on, off, or shadow "
             "(everything goes to the primary, and SHOW ROUTES tells what splitting would do)."}};
    Option<ReadConsistency> consistency{
        this,
        {.name = "consistency",
         .fallback = ReadConsistency::Session,
         .doc = "What a read has to see: eventual (any standby within the bounds of lag), session "
                "(what its session wrote and read), strong (what anybody committed) or primary."}};
    Option<ReadsOnPrimary> reads_on_primary{
        this,
        {.name = "reads_on_primary",
         .fallback = ReadsOnPrimary::Fallback,
         .doc = "Whether the primary serves reads: never, fallback (where no standby can) or "
                "share."}};
    Option<Duration> max_replica_lag{
        this,
        {.name = "max_replica_lag",
         .fallback = Duration::seconds(10),
         .doc = "A standby further behind gets no reads; 0 means no limit."}};
    Option<ByteSize> max_replica_lag_bytes{
        this,
        {.name = "max_replica_lag_bytes",
         .fallback = mib(64),
         .doc = "A standby further behind gets no reads; 0 means no limit."}};
    Option<Duration> replica_wait{
        this,
        {.name = "replica_wait",
         .doc = "How long a read waits for a standby to become fresh enough before it goes to the "
                "primary."}};
    Option<std::string> zone{
        this,
        {.name = "zone", .doc = "Where this process runs; nodes of the same zone are preferred."}};
    Option<Duration> slow_start{
        this,
        {.name = "slow_start",
         .fallback = Duration::seconds(5),
         .doc = "A standby that comes back gets its full share of reads after this time."}};
    Option<ByteSize> shapes_memory{
        this,
        {.name = "shapes_memory",
         .fallback = mib(4),
         .min = kib(64),
         .doc = "Memory for what is known of statements, for each worker."}};
    Option<Duration> catalog_interval{
        this,
        {.name = "catalog_interval",
         .fallback = Duration::seconds(60),
         .min = Duration::seconds(1),
         .doc =
             "How often the primary is asked which functions and relations are no reads; changes "
             "made through pgweir are noticed at once."}};
    Option<Count> retry_budget{
        this,
        {.name = "retry_budget",
         .fallback = 20,
         .max = 100,
         .doc = "Reads that may run again elsewhere after a standby refused or lost them, in "
                "percent of all reads (and ten a second)."}};
};

struct ClusterSettings : OptionGroup {
    ClusterSettings() : OptionGroup("cluster") {}

    Option<std::string> monitor_user{
        this,
        {.name = "monitor_user",
         .doc = "As whom nodes are observed; empty means the user of the database's section, or "
                "auth_user. Needs no privilege but to connect."}};
    Option<std::string> monitor_password{
        this, {.name = "monitor_password", .secret = true, .doc = "The password of monitor_user."}};
    Option<std::string> monitor_dbname{
        this,
        {.name = "monitor_dbname",
         .doc = "The database to which pgweir connects to observe a node; empty means the one "
                "that is observed for."}};
    Option<Duration> probe_interval{
        this,
        {.name = "probe_interval",
         .fallback = Duration::seconds(1),
         .min = Duration::milliseconds(10),
         .doc = "How often each node is looked at while all is quiet."}};
    Option<Duration> probe_interval_suspicious{
        this,
        {.name = "probe_interval_suspicious",
         .fallback = Duration::milliseconds(20),
         .min = Duration::milliseconds(1),
         .doc = "How often, after the first sign that something is wrong."}};
    Option<Duration> probe_timeout{this,
                                   {.name = "probe_timeout",
                                    .fallback = Duration::seconds(1),
                                    .min = Duration::milliseconds(10),
                                    .doc = "A look at a node that takes longer has failed."}};
    Option<Duration> evidence_age_max{
        this,
        {.name = "evidence_age_max",
         .fallback = Duration::seconds(5),
         .min = Duration::milliseconds(100),
         .doc = "What was seen of a node longer ago counts for nothing."}};
    Option<Duration> failover_timeout{
        this,
        {.name = "failover_timeout",
         .fallback = Duration::seconds(60),
         .doc = "How long a statement of which nothing was sent yet waits while there is no "
                "primary; 0 means no limit."}};
    Option<Count> max_failover_waiters{
        this,
        {.name = "max_failover_waiters",
         .fallback = 10000,
         .min = 1,
         .doc = "Clients that may wait for a primary, for each worker; more get an error at "
                "once."}};
    Option<Duration> drain_timeout{
        this,
        {.name = "drain_timeout",
         .fallback = Duration::seconds(30),
         .doc = "How long transactions may go on on a node that DRAIN or SWITCHOVER empties; then "
                "their servers are closed. 0 means no limit."}};
    Option<Duration> switchover_timeout{
        this,
        {.name = "switchover_timeout",
         .fallback = Duration::seconds(45),
         .min = Duration::seconds(1),
         .doc = "If no other node has become the primary so long after SWITCHOVER, the old one "
                "gets its work back."}};
    Option<Count> warm_servers{
        this,
        {.name = "warm_servers",
         .fallback = 1,
         .doc = "Servers that each pool with clients keeps open on each standby, so that they can "
                "write the moment it is promoted."}};
    Option<std::string> on_primary_lost{
        this,
        {.name = "on_primary_lost",
         .doc = "A command for the shell, once each time the primary is lost: to alarm somebody, "
                "or to promote a standby. It finds PGWEIR_DATABASES, PGWEIR_PRIMARY (the lost one) "
                "and PGWEIR_STANDBYS (host:port, the furthest first) in its environment."}};
    Option<Duration> on_primary_lost_delay{
        this,
        {.name = "on_primary_lost_delay",
         .fallback = Duration::seconds(5),
         .doc = "How long there must have been no primary before that."}};
};

}  // namespace pgweir::config
