// SPDX-License-Identifier: PostgreSQL
// SET, RESET and SHOW of parameters that are pgweir's own: they never reach a server.
#include <utility>

#include "proxy/core.h"
#include "proxy/words.h"

namespace pgweir::proxy {

namespace {

std::optional<sql::Consistency> consistency_of(std::string_view text) {
    if (text == "eventual") return sql::Consistency::Eventual;
    if (text == "session") return sql::Consistency::Session;
    if (text == "strong") return sql::Consistency::Strong;
    if (text == "primary") return sql::Consistency::Primary;
    return std::nullopt;
}

wire::Refusal invalid_value(std::string_view name, std::string_view value,
                            std::string_view wanted) {
    return {.reason = wire::RefusalReason::OwnParameterInvalid,
            .subject = "pgweir." + std::string(name),
            .value = std::string(value),
            .detail = std::string(wanted)};
}

}  // namespace

// The bytes that are done with; 0: the answer has to wait.
std::size_t Core::carry_out_own(Client& client, ByteView bytes) {
    const sql::OwnSetting setting = client.session->own_command(bytes);
    auto answer = answer_of(client, setting);
    if (!answer) return 0;
    Server* server = client.server ? servers_.find(client.server) : nullptr;
    client.routed_at = Instant{};
    return client.session->answer_own(
        bytes, std::move(*answer), server != nullptr ? server->session.get() : nullptr, *effects_);
}

std::optional<session::LocalAnswer> Core::answer_of(Client& client,
                                                    const sql::OwnSetting& setting) {
    session::LocalAnswer answer;
    if (setting.command != sql::OwnCommand::Show) {
        answer.tag = setting.command == sql::OwnCommand::Set ? "SET" : "RESET";
        if (setting.is_local) {
            answer.error = wire::Refusal{.reason = wire::RefusalReason::OwnParameterLocal,
                                         .subject = "pgweir." + setting.name};
        } else {
            answer.error = set_own(client, setting.name, setting.value);
        }
        return answer;
    }
    answer.tag = "SHOW";
    answer.column = "pgweir." + setting.name;
    const session::RouteWish& wish = client.session->wish();
    if (setting.name == "consistency") {
        const sql::Consistency level =
            wish.has_consistency ? wish.consistency : client.tenant->rules.split.consistency;
        answer.value = words(level);
    } else if (setting.name == "route") {
        answer.value = words(wish.route);
    } else if (setting.name == "token") {
        ClusterEntry& cluster = *client.tenant->cluster;
        if (client.routed_at == Instant{}) client.routed_at = now_;
        const auto token =
            cluster.view != nullptr ? client.freshness.token(*cluster.view) : std::nullopt;
        if (!token) {
            if (const NodeId missing = client.freshness.wants_sample_of()) {
                want_look(cluster, missing);
            }
            wait_for_node(client, route::Reason::NoSample, NodeId{});
            return std::nullopt;
        }
        answer.value = *token;
    } else {
        answer.error = wire::Refusal{.reason = wire::RefusalReason::OwnParameterUnknown,
                                     .subject = "pgweir." + setting.name};
    }
    return answer;
}

// What the client wants of routing; a refusal if the value is none.
std::optional<wire::Refusal> Core::wish_of(session::RouteWish& wish, std::string_view name,
                                           std::string_view value) {
    if (name == "consistency") {
        const auto level = consistency_of(value);
        if (!level && !value.empty()) {
            return invalid_value(name, value, "eventual, session, strong or primary");
        }
        wish.has_consistency = level.has_value();
        if (level) wish.consistency = *level;
        return std::nullopt;
    }
    if (name == "route") {
        if (value.empty() || value == "auto") {
            wish.route = sql::RouteHint::None;
        } else if (value == "primary") {
            wish.route = sql::RouteHint::Primary;
        } else if (value == "replica") {
            wish.route = sql::RouteHint::Replica;
        } else {
            return invalid_value(name, value, "auto, primary or replica");
        }
        return std::nullopt;
    }
    return wire::Refusal{.reason = wire::RefusalReason::OwnParameterUnknown,
                         .subject = "pgweir." + std::string(name)};
}

std::optional<wire::Refusal> Core::set_own(Client& client, const std::string& name,
                                           const std::string& value) {
    if (name != "token") return wish_of(client.session->wish(), name, value);
    if (value.empty()) {
        client.freshness.reset();
        return std::nullopt;
    }
    const cluster::ClusterViewRef& view = client.tenant->cluster->view;
    if (view == nullptr) return invalid_value(name, value, "set once the nodes have been seen");
    switch (client.freshness.set_token(value, *view)) {
        case cluster::TokenAnswer::Accepted:
            return std::nullopt;
        case cluster::TokenAnswer::Malformed:
            return invalid_value(name, value, "what SHOW pgweir.token said");
        case cluster::TokenAnswer::OtherCluster:
            return invalid_value(name, value, "a token of this cluster; it is another one's");
    }
    return std::nullopt;
}

}  // namespace pgweir::proxy
