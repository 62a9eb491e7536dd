// SPDX-License-Identifier: PostgreSQL
// Clients until their session begins.
#include <algorithm>
#include <utility>

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"
#include "proxy/core.h"

namespace pgweir::proxy {

auth::HbaRules Core::compile_hba(const config::Settings& settings) const {
    if (settings.hba.empty()) return auth::HbaRules::everybody(settings.general.auth_type());
    auto compiled = auth::HbaRules::compile(settings.hba);
    // Rules are checked when they are read; one that slips through lets nobody in.
    return compiled ? std::move(*compiled) : auth::HbaRules();
}

std::shared_ptr<const auth::UserList> Core::build_users(const config::Settings& settings) {
    auto users = std::make_shared<auth::UserList>();
    if (!settings.auth_file_text.empty()) {
        if (auto listed = auth::parse_userlist(settings.auth_file_text)) users->add_all(*listed);
    }
    for (const auto& [name, user] : settings.users()) {
        // Without a password a user is known, and gets in where none is asked for.
        if (user.password().empty()) {
            users->add(name, auth::PlainPassword{});
            continue;
        }
        if (auto secret = auth::parse_secret(user.password())) users->add(name, *secret);
    }
    return users;
}

void Core::client_opened(ClientOpened& event) {
    auto record = std::make_unique<Client>();
    record->id = event.client;
    record->is_unix = event.address.is_unix;
    record->host = event.address.host;
    record->port = event.address.port;
    record->connected_at = record->request_at = record->ready_at = now_;
    const bool offers_tls =
        settings_->tls.client_tls_sslmode() != TlsMode::Disable && !event.address.is_unix;
    record->login = std::make_unique<session::ClientLogin>(
        event.client, std::move(event.address),
        offers_tls ? session::ClientLogin::TlsOffer::Yes : session::ClientLogin::TlsOffer::No);
    Client& client = clients_.insert(event.client, std::move(record));

    const auto& limits = settings_->limits;
    const std::array<pool::Claim, 2> claims = {
        {{pool::Scope::LoginsInAll, {}, limits.max_login_clients()},
         {pool::Scope::LoginsOfAddress, client.host,
          client.is_unix ? 0 : limits.max_login_clients_per_address()}}};
    std::size_t refused_by = 0;
    auto permit = parts_.limits.acquire(claims, refused_by);
    if (!permit) {
        if (refused_by == 0) {
            return refuse(client, {.reason = wire::RefusalReason::TooManyLogins,
                                   .limit = std::to_string(limits.max_login_clients())});
        }
        return refuse(client, {.reason = wire::RefusalReason::TooManyAddressClients,
                               .subject = client.host,
                               .limit = std::to_string(limits.max_login_clients_per_address())});
    }
    client.permit = std::move(*permit);
    client.timer = now_ + settings_->timeouts.client_login_timeout();
    client_timers_.set(client.id.value, client.timer);
}

void Core::login_bytes(Client& client, ByteView bytes) {
    take_step(client, client.login->on_bytes(bytes, *effects_));
}

void Core::take_step(Client& client, session::ClientLogin::Step step) {
    using Step = session::ClientLogin::Step;
    switch (step) {
        case Step::More:
            return;
        case Step::Cancel:
            return cancel_requested(client);
        case Step::Started:
            return decide(client);
        case Step::Authenticated:
            return admit(client);
        case Step::Refused: {
            if (!client.login->log_text().empty()) {
                log(LogLevel::Warning, "client " + client.host + ": " + client.login->log_text());
            }
            return refuse(client, client.login->refusal());
        }
        case Step::Closed:
            return close_client(client, CloseMode::Abort, "malformed startup packet");
    }
}

void Core::refuse(Client& client, wire::Refusal refusal) {
    refusal.moment = wire::RefusalMoment::Login;
    dismiss(client, std::move(refusal));
}

void Core::decide(Client& client) {
    const session::ClientLogin& login = *client.login;
    const wire::StartupMessage& startup = login.startup();
    if (life_ != Life::Running) {
        return refuse(client, {.reason = wire::RefusalReason::NotAccepting});
    }
    const TlsMode mode = settings_->tls.client_tls_sslmode();
    const bool needs_tls =
        mode == TlsMode::Require || mode == TlsMode::VerifyCa || mode == TlsMode::VerifyFull;
    if (needs_tls && !client.is_tls && !client.is_unix) {
        return refuse(client, {.reason = wire::RefusalReason::TlsRequired});
    }
    const std::string_view replication = startup.replication();
    client.is_replication = !replication.empty() && replication != "false" &&
                            replication != "off" && replication != "no" && replication != "0";
    const auto decision =
        hba_.decide({.database = startup.database(),
                     .user = startup.user(),
                     .is_replication = client.is_replication && replication != "database",
                     .is_unix = client.is_unix,
                     .host = client.host,
                     .is_tls = client.is_tls});
    if (const auto* refused = std::get_if<auth::HbaRefusal>(&decision)) {
        log(LogLevel::Warning, "client " + client.host + ": " + refused->log_text);
        return refuse(client, refused->refusal);
    }
    const auth::AuthMethod method = std::get<auth::AuthMethod>(decision);
    const std::string database(startup.database());
    const std::string user(startup.user());
    const config::EffectivePool config = settings_->pool_for(database, user);
    const bool may_ask = !config.auth_user.empty() && config.auth_user != user &&
                         method != auth::AuthMethod::Trust && method != auth::AuthMethod::Any &&
                         !admin::is_console_database(database);
    auth::UserAnswer answer = users_.lookup(
        {database, user, may_ask ? auth::AuthQuery::Configured : auth::AuthQuery::None}, now_);
    if (answer.outcome == auth::UserAnswer::Outcome::NeedQuery) return look_up_user(client, method);
    decide_with_secret(client, method, std::move(answer.secret));
}

void Core::decide_with_secret(Client& client, auth::AuthMethod method,
                              std::optional<auth::Secret> secret) {
    client.phase = Client::Phase::Login;
    take_step(client, client.login->authenticate(method, std::move(secret), users_.typical_kind(),
                                                 auth_environment_, *effects_));
}

// --- After authentication ---------------------------------------------------------------------

void Core::admit(Client& client) {
    if (life_ != Life::Running) {
        return refuse(client, {.reason = wire::RefusalReason::NotAccepting});
    }
    client.permit.give_back();
    client_timers_.clear(client.id.value);
    client.timer = Instant::never();
    const std::string database(client.login->startup().database());
    if (admin::is_console_database(database)) return admit_to_console(client);
    if (!admit_to_database(client)) return;
    if (settings_->general.log_connections() && logs(LogLevel::Info)) {
        log(LogLevel::Info, "client " + client.host + ":" + std::to_string(client.port) +
                                " logged in as " + client.tenant->user + " to " + database +
                                (client.is_tls ? " (" + client.login->tls().version + ")" : ""));
    }
    if (!read_startup_parameters(client)) return;
    begin_greeting(client);
}

bool Core::admit_to_database(Client& client) {
    const std::string database(client.login->startup().database());
    const std::string user(client.login->startup().user());
    if (settings_->find_database(database) == nullptr) {
        // As PostgreSQL: who asks is told of it only after he has proved who he is.
        Bytes out;
        wire::authentication_ok(out);
        send(client.id, out);
        refuse(client, {.reason = wire::RefusalReason::UnknownDatabase, .subject = database});
        return false;
    }
    const config::EffectivePool config = settings_->pool_for(database, user);
    const std::array<pool::Claim, 3> claims = {
        {{pool::Scope::ClientsInAll, {}, settings_->limits.max_client_conn()},
         {pool::Scope::ClientsOfDatabase, database, config.max_db_client_connections},
         {pool::Scope::ClientsOfUser, user, config.max_user_client_connections}}};
    std::size_t refused_by = 0;
    auto permit = parts_.limits.acquire(claims, refused_by);
    if (!permit) {
        static constexpr std::array kReasons = {wire::RefusalReason::TooManyClients,
                                                wire::RefusalReason::TooManyDatabaseClients,
                                                wire::RefusalReason::TooManyUserClients};
        refuse(client, {.reason = kReasons[refused_by],
                        .subject = std::string(claims[refused_by].name),
                        .limit = std::to_string(claims[refused_by].limit)});
        return false;
    }
    client.permit = std::move(*permit);
    client.tenant = &tenant_of(database, user);
    ++client.tenant->clients;
    auto& learnt = client.login->accepted().login_secret;
    if (!std::holds_alternative<std::monostate>(learnt)) client.tenant->secret = std::move(learnt);
    if (client.tenant->clients == 1) warm_up(*client.tenant);
    return true;
}

void Core::admit_to_console(Client& client) {
    const std::string user(client.login->startup().user());
    admin::Role role = admin::Role::None;
    if (settings_->may_read_stats(user)) role = admin::Role::Stats;
    if (settings_->is_admin(user)) role = admin::Role::Admin;
    if (role == admin::Role::None) {
        return refuse(client, {.reason = wire::RefusalReason::NoHbaRule,
                               .subject = "user \"" + user +
                                          "\" is neither in admin_users nor in stats_users, "
                                          "who may use the console"});
    }
    client.phase = Client::Phase::Console;
    ++console_clients_;
    client.console = std::make_unique<Console>(role);
    client.console->user = user;
    Bytes out;
    wire::authentication_ok(out);
    for (const auto& [name, value] : admin::console_parameters()) {
        wire::parameter_status(out, name, value);
    }
    make_cancel_key(client, 0);
    wire::backend_key_data(out, client.key.process_id,
                           ByteView(client.key.secret).first(client.key.secret_bytes));
    wire::ready_for_query(out, wire::TransactionStatus::Idle);
    send(client.id, out);
    ByteQueue rest = std::move(client.login->input());
    client.login.reset();
    if (!rest.empty()) console_bytes(client, rest.view());
}

bool Core::read_startup_parameters(Client& client) {
    const wire::StartupMessage& startup = client.login->startup();
    const auto& ignored = settings_->general.ignore_startup_parameters();
    auto is_ignored = [&ignored](std::string_view name) {
        return std::any_of(ignored.begin(), ignored.end(), [name](const std::string& other) {
            return session::same_parameter_name(name, other);
        });
    };
    session::ParameterSet wanted;
    if (!client.tenant->config.application_name.empty()) {
        wanted.put("application_name", client.tenant->config.application_name, false);
    }
    for (const auto& [name, value] : startup.parameters) {
        if (!take_own_startup(client, name, value)) return false;
        if (name.starts_with("pgweir.")) continue;
        if (name == "user" || name == "database" || name == "replication" ||
            name.starts_with("_pq_.") || is_ignored(name)) {
            continue;
        }
        if (name == "options") {
            if (is_ignored("options")) continue;
            auto options = wire::read_options(value);
            if (!options) {
                refuse(client, {.reason = wire::RefusalReason::InvalidStartupOptions,
                                .subject = options.error()});
                return false;
            }
            for (const auto& [option, setting] : *options) {
                if (!take_own_startup(client, option, setting)) return false;
                if (option.starts_with("pgweir.") || is_ignored(option)) continue;
                wanted.put(option, setting, false);
            }
            continue;
        }
        wanted.put(name, value, false);
    }
    if (settings_->general.application_name_add_host() && !client.host.empty()) {
        const session::Parameter* known = wanted.find("application_name");
        const std::string name = known != nullptr ? known->value : "app";
        wanted.put("application_name",
                   name + " - " + client.host + ":" + std::to_string(client.port), false);
    }
    client.startup = parameters_.intern(std::move(wanted));
    return true;
}

// pgweir.consistency and pgweir.route may be said at login. False if the client was refused.
bool Core::take_own_startup(Client& client, std::string_view name, std::string_view value) {
    if (!name.starts_with("pgweir.")) return true;
    auto refusal = wish_of(client.wish, name.substr(7), value);
    if (!refusal) return true;
    refusal->moment = wire::RefusalMoment::Login;
    refuse(client, std::move(*refusal));
    return false;
}

void Core::begin_greeting(Client& client) {
    Tenant& tenant = *client.tenant;
    client.phase = Client::Phase::Greeting;
    const bool keeps_server =
        client.is_replication || tenant.config.pool_mode == config::PoolMode::Session;
    if (!keeps_server && tenant.base != nullptr) {
        if (client.startup->empty()) return greet(client, tenant.base);
        auto known = tenant.greetings.find(client.startup);
        if (known != tenant.greetings.end()) return greet(client, known->second);
    }
    client.request_at = now_;
    if (client.is_replication) return open_replication(client);
    if (acquire(client)) try_parameters(client, *servers_.find(client.server));
}

void Core::try_parameters(Client& client, Server& server) {
    // Defaults are the fresh server's: what others left on this one is not this client's.
    session::ParameterSet wanted = *client.tenant->base;
    for (const session::Parameter& parameter : client.startup->all()) {
        wanted.put(parameter.name, parameter.value, false);
    }
    const std::string difference =
        session::settings_difference(*server.session->parameters(), wanted);
    session::ParameterSet applied = *server.session->parameters();
    for (const session::Parameter& parameter : server.session->parameters()->all()) {
        // What another client's startup had set was just reset.
        if (!parameter.is_reported && wanted.find(parameter.name) == nullptr) {
            applied.remove(parameter.name);
        }
    }
    // Reported ones are believed as the server reports them: "ISO" becomes "ISO, MDY".
    for (const session::Parameter& parameter : client.startup->all()) {
        const session::Parameter* known = applied.find(parameter.name);
        if (known == nullptr || !known->is_reported) {
            applied.put(parameter.name, parameter.value, false);
        }
    }
    server.session->set_parameters(parameters_.intern(std::move(applied)));
    if (difference.empty()) return parameters_tried(client, server, false);
    server.session->send_query(difference, session::Asker::Settings, *effects_);
}

void Core::parameters_tried(Client& client, Server& server, bool failed) {
    Tenant& tenant = *client.tenant;
    const session::ParametersRef reported = server.session->parameters();
    if (failed) {
        Bytes out;
        wire::authentication_ok(out);
        const std::string body = server.session->settings_error();
        const auto fields = wire::read_error_fields(as_bytes(body));
        wire::ErrorFields told;
        if (fields) told = *fields;
        told.severity = told.severity_invariant = "FATAL";
        if (told.sqlstate.empty()) told.sqlstate = "08006";
        wire::error_response(out, told);
        send(client.id, out);
        // Some of the parameters may have been set before the one that failed.
        server.closes_when_free = true;
        return close_client(client, CloseMode::Flush, "startup parameter refused by the server");
    }
    constexpr std::size_t kGreetingsMax = 1000;
    if (tenant.greetings.size() < kGreetingsMax && !client.startup->empty()) {
        tenant.greetings[client.startup] = reported;
    }
    const bool keeps_server = tenant.config.pool_mode == config::PoolMode::Session;
    if (!keeps_server) {
        pause_client(client, false);
        end_lease(client, server);
    }
    greet(client, reported);
    if (keeps_server) client.session->begin_lease(*server.session, *effects_);
}

void Core::greet(Client& client, session::ParametersRef reported) {
    if (client.tenant->cluster != nullptr && reported->find("in_hot_standby") != nullptr) {
        // Which node answered the login is chance; what the client talks to is not.
        const bool is_alias = client.tenant->config.route == config::DatabaseRoute::Replica;
        session::ParameterSet told = *reported;
        told.put("in_hot_standby", is_alias ? "on" : "off", true);
        reported = parameters_.intern(std::move(told));
    }
    Bytes out;
    wire::authentication_ok(out);
    for (const session::Parameter& parameter : reported->all()) {
        if (parameter.is_reported) {
            wire::parameter_status(out, parameter.name, parameter.value);
        }
    }
    std::uint32_t process_id = 0;
    if (const Server* server = servers_.find(client.server); server != nullptr) {
        process_id = server->session->process_id();
    }
    make_cancel_key(client, process_id);
    wire::backend_key_data(out, client.key.process_id,
                           ByteView(client.key.secret).first(client.key.secret_bytes));
    wire::ready_for_query(out, wire::TransactionStatus::Idle);
    send(client.id, out);

    client.session = std::make_unique<session::ClientSession>(
        client.id, client.tenant->rules, statements_, parameters_, std::move(reported));
    client.session->wish() = client.wish;
    client.phase = Client::Phase::Session;
    client.ready_at = now_;
    client.session->input() = std::move(client.login->input());
    client.login.reset();
    client.startup.reset();
    if (!client.session->input().empty()) to_pump_.push_back(client.id);
    arm(client);
}

// The process ID of a session's own server, where there is one, so that tools which look it up
// find it; chance otherwise. The key is always ours.
void Core::make_cancel_key(Client& client, std::uint32_t process_id) {
    const std::uint16_t minor = client.login->startup().negotiated_minor();
    client.key.secret_bytes = minor >= 2 ? 32 : 4;
    for (;;) {
        parts_.entropy.fill(client.key.secret);
        client.key.process_id = process_id;
        if (process_id == 0) {
            std::array<Byte, 4> bytes{};
            parts_.entropy.fill(bytes);
            // Positive, as a process ID is: drivers print it as an int32.
            client.key.process_id = load_u32(bytes.data()) & 0x7fffffff;
        }
        cancel_key_maker_.mark(client.key.process_id,
                               std::span(client.key.secret).first(client.key.secret_bytes));
        const std::uint64_t name =
            (std::uint64_t{client.key.process_id} << 32) | load_u32(client.key.secret.data());
        if (cancel_keys_.emplace(name, client.id).second) return;
    }
}

// A replication connection has a server of its own, which counts as any other and is never pooled.
void Core::open_replication(Client& client) {
    PoolEntry* entry = pool_of(*client.tenant);
    auto permit = entry != nullptr ? permit_for(*entry) : std::nullopt;
    if (!permit) {
        if (entry == nullptr) {
            return refuse(client, {.reason = wire::RefusalReason::UnknownDatabase,
                                   .subject = client.tenant->database});
        }
        return refuse(client, wait_timeout_refusal(*entry));
    }
    entry->node_gate->tried();
    Server& server = open_server(*entry, std::move(*permit));
    server.is_one_use = true;
    server.client = client.id;
    client.server = server.id;
}

void Core::begin_raw(Client& client, Server& server) {
    Bytes out;
    wire::authentication_ok(out);
    for (const session::Parameter& parameter : server.session->parameters()->all()) {
        wire::parameter_status(out, parameter.name, parameter.value);
    }
    make_cancel_key(client, server.session->process_id());
    wire::backend_key_data(out, client.key.process_id,
                           ByteView(client.key.secret).first(client.key.secret_bytes));
    wire::ready_for_query(out, wire::TransactionStatus::Idle);
    send(client.id, out);
    client.phase = Client::Phase::Raw;
    server.session->become_raw();
    ByteQueue rest = std::move(client.login->input());
    client.login.reset();
    if (!rest.empty()) effects_->send(server.id, effects_->keep(rest.view()));
}

}  // namespace pgweir::proxy
