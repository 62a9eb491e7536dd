// SPDX-License-Identifier: PostgreSQL
// What workers say to one another. Each is a Message of a Post effect.
#pragma once

#include <string>
#include <vector>

#include "pgweir/admin/command.h"
#include "pgweir/admin/show.h"
#include "pgweir/pool/pool.h"
#include "pgweir/session/effect.h"
#include "proxy/tables.h"

namespace pgweir::proxy {

// A permit was given back: whoever starves may ask again.
struct PermitFreed : Message {};

// The sender's waiters can't be served, as a limit is reached. A worker that holds an idle server
// that counts towards the limit closes it.
struct NeedServer : Message {
    pool::PoolKey key;
    pool::Scope scope = pool::Scope::ServersOfPool;  // The limit.
};

struct CancelWanted : Message {
    std::uint32_t process_id = 0;
    Bytes secret;
    ClientId requester;
};
// The cancel request of `requester` has had its effect, or has none.
struct CancelFinished : Message {
    ClientId requester;
};

// The worker that observes a cluster has seen something new.
struct ViewChanged : Message {
    std::string cluster;
    cluster::ClusterViewRef view;
};
// To that worker: the sender has no server left that could write elsewhere than on this view's
// primary.
struct WritersClosed : Message {
    std::string cluster;
    std::uint64_t version = 0;
    NodeId primary;
};
// From it: no worker has.
struct WriterChanged : Message {
    std::string cluster;
    NodeId writer;
};
// To that worker: what sessions of the sender's have lost by a failover.
struct PlacesLost : Message {
    std::string cluster;
    std::uint64_t sessions = 0;
    cluster::Position furthest;
};
// To that worker: somebody waits for a look at the node that starts now or later.
struct LookWanted : Message {
    std::string cluster;
    NodeId node;
};
struct NodeSuspected : Message {
    std::string cluster;
    NodeId node;
    cluster::Suspicion why = cluster::Suspicion::ConnectionLost;
};
// What the catalogs say of this database may have changed.
struct SchemaChanged : Message {
    std::string database;
};

// What statements were prepared for may have changed.
struct DefinitionsChanged : Message {};

struct ShowWanted : Message {
    std::uint64_t ticket = 0;
    admin::AdminCommand command;
};
struct ShowReply : Message {
    std::uint64_t ticket = 0;
    admin::ShowData data;
};

// PAUSE, RESUME, RECONNECT, KILL.
struct OrderWanted : Message {
    std::uint64_t ticket = 0;
    admin::AdminCommand command;
};
// The order is carried out (PAUSE: no server of it is leased any more).
struct OrderDone : Message {
    std::uint64_t ticket = 0;
};

}  // namespace pgweir::proxy
